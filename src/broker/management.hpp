// What an administrator may ask of the broker, and see of it: the core's side of the HTTP API. Rights are
// judged here, so that no front-end judges for itself.
//
// Thread: every call may be made on any thread; completions run on the executor given to attach(), in the
// order in which the core finished. Once the node is stopping a completion may never come: it is destroyed.
//
// Nothing here waits for, or walks, what belongs to a shard: definitions are told as they change, figures are
// made by each shard at most once in kStatisticsInterval, in slices.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/access/management_rights.hpp"
#include "broker/connection.hpp"
#include "broker/definitions/change.hpp"
#include "broker/statistics.hpp"
#include "broker/trace.hpp"
#include "runtime/executor.hpp"

namespace millrace::broker {

class Management {
 public:
  // Figures younger than this are given again, unless the newest are wanted.
  static constexpr runtime::Milliseconds kStatisticsInterval{1000};
  // What a shard looks at before it does something else: some tenths of a millisecond. A queue's consumers
  // and a vhost's exchanges count as queues do.
  static constexpr std::size_t kQueuesPerSlice = 128;
  static constexpr std::size_t kConnectionsPerSlice = 32;
  // Changes of one call that are worked on at once; the next ones follow when these are committed.
  static constexpr std::size_t kChangesPerSlice = 256;

  using Changes = std::shared_ptr<const std::vector<Change>>;
  using ChangeListener = std::function<void(const Changes&)>;
  using Work = UniqueFunction<void(Connection& connection, Done<void> finished)>;

  virtual ~Management() = default;

  // Before the loops run. `listener` hears, on `home`, all that is declared and from then on each committed
  // change, before whoever asked for it is answered.
  virtual void attach(runtime::Executor& home, ChangeListener listener) = 0;

  // As Gate::authenticate.
  virtual void authenticate(Credentials credentials, ConnectionInfo info, Done<Subject> done) = 0;

  // How old they may be.
  enum class Age : std::uint8_t {
    recent,  // kStatisticsInterval
    none,    // as they are when the shards are asked, after this call
  };
  virtual void statistics(Age age, Done<std::shared_ptr<const NodeStatistics>> done) = 0;

  // Commits the changes in order, each if the subject may ask for it; see authorize_change. Objects within a
  // vhost are declared by use() unless they are imported. Stops at the first error: not_found names the user
  // or vhost that a change refers to.
  virtual void change(Subject subject, std::vector<Change> changes, Done<void> done) = 0;

  // Opens a connection of the subject's to the vhost, has `work` use it on its shard's thread until it calls
  // `finished`, closes it, and completes with what `finished` was given. For calls that need no deliveries.
  virtual void use(Subject subject, std::string vhost, ConnectionInfo info, Work work, Done<void> done) = 0;

  struct Publication {
    std::string exchange;
    std::string routing_key;
    MessageProperties properties;
    std::string body;
    bool mandatory = false;  // counts as returned rather than dropped when it is not routed
  };
  // Publishes with a confirm: completes when the message is as safe as a publisher's confirm says, with
  // whether it was routed. Errors as Connection::publish, content_too_large, and resource_error when a
  // queue refused it or publishers are held back.
  virtual void publish(Subject subject, std::string vhost, ConnectionInfo info, Publication publication,
                       Done<bool> done) = 0;
  // Several, in their order; completes when all of them have their answer, each as that of one. They share
  // the log's commits. An error as a whole when there is no connection, or when it ended meanwhile: then some
  // of them may have been published.
  virtual void publish_all(Subject subject, std::string vhost, ConnectionInfo info,
                           std::vector<Publication> publications, Done<std::vector<result<bool>>> done) = 0;

  struct TakeRequest {
    std::string queue;
    std::size_t count = 1;
    std::uint64_t bytes_max = 0;                  // of the bodies together, as far as they are shown
    std::uint64_t body_bytes_shown = UINT64_MAX;  // of each
    Settlement how = Settlement::requeue;
  };
  struct Taken {
    MessageProperties properties;
    Delivery delivery;
    QueueAddress queue;
    std::uint64_t messages_left = 0;
  };
  // Gets messages and settles them all alike. Stops before the bound on bytes; content_too_large when the
  // first message alone is beyond it (it stays in the queue).
  virtual void take(Subject subject, std::string vhost, ConnectionInfo info, TakeRequest request,
                    Done<std::vector<Taken>> done) = 0;

  struct MoveRequest {
    std::string queue;
    std::optional<std::string> destination;  // a queue; none: the queue where each message died last
    std::size_t count = 1;                   // messages to look at
  };
  struct MoveOutcome {
    std::uint64_t moved = 0;
    std::uint64_t kept = 0;  // looked at, and still where they were
    std::string reason;      // why the first of them was kept
  };
  // Moves messages from the front of a queue: each is published as it is, and acknowledged when that is
  // confirmed, so that a crash may leave it in both queues and never in none. Exchange and routing key that
  // consumers see are those that it had, or had when it died. What cannot be moved keeps its place. Errors:
  // as get and Connection::publish, when nothing was moved.
  virtual void move(Subject subject, std::string vhost, ConnectionInfo info, MoveRequest request,
                    Done<MoveOutcome> done) = 0;

  // A consumer of a queue, with a connection of its own: it is listed and limited as any client's.
  static constexpr std::uint32_t kMaxPrefetch = 1000;
  // Bodies handed to a subscriber who has not said that it passed them on: beyond, it is given no more
  // credit. Bodies that are larger than this come one at a time.
  static constexpr std::uint64_t kHandedBytes = 1u << 20;
  // Messages that a queue may send before it hears what became of those before.
  static constexpr std::uint32_t kMaxCredit = 64;
  struct Subscribe {
    std::string queue;
    std::string tag;  // for people
    bool exclusive = false;
    std::int64_t priority = 0;
    std::uint32_t prefetch = 1;  // unsettled messages; 1 to kMaxPrefetch
  };
  struct Received {
    Delivery delivery;
    MessageProperties properties;
  };
  // Called where completions are.
  struct Subscriber {
    std::function<void(std::vector<Received>)> received;
    // The queue is gone, the connection was closed, or the node stops. All unsettled messages have gone back.
    std::function<void(const Error& why)> ended;
  };
  using SubscriptionId = Strong<struct SubscriptionTag>;
  // This and the next four only where completions are called. Names the subscription at once. `subscriber`
  // hears of it until unsubscribe() or `ended`, whichever comes first; a subscription that cannot be made
  // ends with the reason.
  virtual SubscriptionId subscribe(Subject subject, std::string vhost, ConnectionInfo info, Subscribe request,
                                   Subscriber subscriber) = 0;
  // For the next three: an unknown subscription has ended, and there is nothing to do. They take effect in
  // the order of their calls.
  virtual void settle(SubscriptionId subscription, std::vector<std::uint64_t> seqs, Settlement how) = 0;
  // The messages of so many bytes were passed on: there is room for others.
  virtual void passed_on(SubscriptionId subscription, std::uint64_t bytes) = 0;
  // No further messages; what was received can still be settled. What was on its way goes back.
  virtual void stop(SubscriptionId subscription) = 0;
  // What is unsettled goes back to the queue.
  virtual void unsubscribe(SubscriptionId subscription) = 0;

  // Asks the session to close. The subject must be its user or an administrator. not_found: no such one.
  virtual void close_connection(Subject subject, ConnectionId connection, std::string reason,
                                Done<void> done) = 0;

  // From where on publishers are held back; what is not given stays as it is. Not kept: after a restart the
  // options count again. Completes when what is free on the disk was looked at by them. For administrators.
  struct Bounds {
    std::optional<std::uint64_t> memory_limit_bytes;
    std::optional<std::uint64_t> disk_low_water_bytes;
  };
  virtual void set_bounds(Subject subject, Bounds bounds, Done<void> done) = 0;
  // Deletes all vhosts, users and parameters with all that is in them, and makes what a new broker begins
  // with. For administrators.
  virtual void reset(Subject subject, Done<void> done) = 0;

  // Following messages. A trace is its user's and the administrators'; who may not monitor may not follow.
  static constexpr std::size_t kTraces = 16;                  // at once; resource_error beyond
  static constexpr std::size_t kTraceEvents = 10'000;         // kept of each; the oldest go
  static constexpr runtime::Milliseconds kTraceIdle{30'000};  // not read so long: it ends
  static constexpr runtime::Milliseconds kTraceSettles{50};   // old enough to be told in order
  struct TraceRead {
    std::vector<TraceEvent> events;  // by time
    std::uint64_t missed = 0;        // since the trace began: they came too fast
    std::uint64_t next = 0;          // `after` of the next read
  };
  // Completes when every shard looks, with the trace's number.
  virtual void start_trace(Subject subject, TraceFilter filter, Done<std::uint64_t> done) = 0;
  virtual void read_trace(Subject subject, std::uint64_t id, std::uint64_t after, Done<TraceRead> done) = 0;
  virtual void end_trace(Subject subject, std::uint64_t id, Done<void> done) = 0;
  // Copies every message of the vhost to its exchange amq.rabbitmq.trace: RabbitMQ's firehose. Not kept: off
  // after a restart. For administrators.
  virtual void set_firehose(Subject subject, std::string vhost, bool on, Done<void> done) = 0;
  // Where completions run.
  virtual bool has_firehose(const std::string& vhost) const = 0;
};

}  // namespace millrace::broker
