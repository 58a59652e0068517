// Management over the node: takes each call to shard 0, and its answer back to where it was asked.
//
// Thread: shard 0's, but for the interface itself, and for statistics, which are put together where the
// completions run.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "broker/management.hpp"
#include "broker/node/shared.hpp"
#include "broker/node/statistics.hpp"
#include "broker/node/tap.hpp"

namespace millrace::broker {

class ManagementImpl final : public Management {
 public:
  // `look_at_disk` finds out how much is free, judges it by the bounds, and calls `then`.
  ManagementImpl(NodeShared& shared, std::function<void(Task then)> look_at_disk);
  ~ManagementImpl() override;

  void attach(runtime::Executor& home, ChangeListener listener) override;
  void authenticate(Credentials credentials, ConnectionInfo info, Done<Subject> done) override;
  void statistics(Age age, Done<std::shared_ptr<const NodeStatistics>> done) override;
  void change(Subject subject, std::vector<Change> changes, Done<void> done) override;
  void use(Subject subject, std::string vhost, ConnectionInfo info, Work work, Done<void> done) override;
  void publish(Subject subject, std::string vhost, ConnectionInfo info, Publication publication,
               Done<bool> done) override;
  void publish_all(Subject subject, std::string vhost, ConnectionInfo info,
                   std::vector<Publication> publications, Done<std::vector<result<bool>>> done) override;
  void take(Subject subject, std::string vhost, ConnectionInfo info, TakeRequest request,
            Done<std::vector<Taken>> done) override;
  void move(Subject subject, std::string vhost, ConnectionInfo info, MoveRequest request,
            Done<MoveOutcome> done) override;
  void close_connection(Subject subject, ConnectionId connection, std::string reason,
                        Done<void> done) override;
  void set_bounds(Subject subject, Bounds bounds, Done<void> done) override;
  void reset(Subject subject, Done<void> done) override;
  SubscriptionId subscribe(Subject subject, std::string vhost, ConnectionInfo info, Subscribe request,
                           Subscriber subscriber) override;
  void settle(SubscriptionId subscription, std::vector<std::uint64_t> seqs, Settlement how) override;
  void passed_on(SubscriptionId subscription, std::uint64_t bytes) override;
  void stop(SubscriptionId subscription) override;
  void unsubscribe(SubscriptionId subscription) override;

  // management_trace.cpp
  void start_trace(Subject subject, TraceFilter filter, Done<std::uint64_t> done) override;
  void read_trace(Subject subject, std::uint64_t id, std::uint64_t after, Done<TraceRead> done) override;
  void end_trace(Subject subject, std::uint64_t id, Done<void> done) override;
  void set_firehose(Subject subject, std::string vhost, bool on, Done<void> done) override;
  bool has_firehose(const std::string& vhost) const override { return firehose_.contains(vhost); }

  // Before the loops run: shards tell NodeOptions::spans, for as long as they are.
  void tell_spans();
  void set_disk_alarm(bool alarm) noexcept { disk_alarm_ = alarm; }

 private:
  // What is shown of a node is asked for vhost by vhost, of an authority that is asked; of others, none is
  // shown.
  void enter_all(Subject subject, std::vector<std::string> vhosts, Done<Subject> done);
  struct Visit;
  struct Changing;
  struct Taking;
  struct Moving;
  struct Prepared;
  struct Sending;
  struct Subscription;
  struct Trace {
    std::string user;
    std::deque<TraceEvent> events;
    std::uint64_t first = 0;  // number of the first that is kept
    std::uint64_t missed = 0;
    runtime::Nanoseconds read_at{0};
    std::uint64_t given = 0;  // those below this number have been read
  };

  // management_trace.cpp
  std::int64_t trace_epoch_us();
  Tap::Sink tap_sink();
  void change_taps(std::function<void(Tap&)> change, Task done);
  void keep(Tap::Seen&& seen);
  result<Trace*> find_trace(const Subject& subject, std::uint64_t id);
  void forget_traces();
  void watch_traces();

  void on_shard0(Task task);
  // The completion, called where all of them are.
  template <class T>
  Done<T> at_home(Done<T> done);
  result<void> may_change(const Changing& changing, std::size_t begin, std::size_t end) const;
  void change_slice(const std::shared_ptr<Changing>& changing);
  void survey_shards(runtime::Nanoseconds now);
  void add_coordinator(ShardStatistics& found) const;
  void add(ShardStatistics&& found);
  void finish_survey();
  void end_visit(std::uint64_t id, result<void> outcome);
  void visit(Subject subject, std::string vhost, ConnectionInfo info,
             UniqueFunction<void(Visit&, Done<void>)> work, Done<void> done);
  result<Prepared> prepare(const Subject& subject, Publication& publication) const;
  void send_next(std::uint64_t visit_id, const std::shared_ptr<Sending>& sending);
  void on_sent(std::uint64_t visit_id, const std::shared_ptr<Sending>& sending);
  void begin(const std::shared_ptr<Subscription>& made, const Subject& subject, const std::string& vhost,
             ConnectionInfo info, Subscribe request);
  // Runs on the subscription's shard, if it is still there.
  void with_subscription(SubscriptionId id, UniqueFunction<void(Subscription&)> work);
  void end_subscription(SubscriptionId id, std::optional<Error> why);
  void tell_ended(SubscriptionId id, const Error& why);
  void hand(SubscriptionId id, std::vector<Delivery> deliveries);
  void take_next(std::uint64_t visit_id, const std::shared_ptr<Taking>& taking);
  static void give_back(Connection& connection, Taking& taking);
  void move_next(const std::shared_ptr<Moving>& moving);
  void send_on(Moving& moving, Connection& connection, const GotMessage& got);
  void on_moved(const std::shared_ptr<Moving>& moving, PublishToken token, bool accepted);
  // Null when it has ended.
  Connection* connection_of(std::uint64_t visit_id);

  NodeShared& shared_;
  const std::function<void(Task)> look_at_disk_;
  runtime::Executor* home_ = nullptr;
  bool disk_alarm_ = false;

  // At home.
  std::shared_ptr<const NodeStatistics> last_;
  std::shared_ptr<NodeStatistics> making_;
  LongestLook longest_look_;
  std::size_t waiting_ = 0;  // shards that have not told theirs
  std::vector<Done<std::shared_ptr<const NodeStatistics>>> askers_;
  std::vector<Done<std::shared_ptr<const NodeStatistics>>> next_askers_;  // who came too late for these

  std::map<std::uint64_t, Trace> traces_;
  std::uint64_t last_trace_ = 0;
  std::set<std::string> firehose_;  // vhosts

  // Connections that calls of use() have open. Here, so that they end before their shard does.
  boost::unordered_flat_map<std::uint64_t, std::unique_ptr<Visit>> visits_;
  std::uint64_t last_visit_ = 0;

  std::int64_t trace_epoch_us_ = 0;  // when the steady clock began, by the wall clock at the first trace
  boost::unordered_flat_map<std::uint64_t, std::shared_ptr<Subscription>> subscriptions_;

  // At home: who hears of a subscription.
  struct Ear;
  boost::unordered_flat_map<std::uint64_t, std::shared_ptr<Ear>> ears_;
  std::uint64_t last_subscription_ = 0;
};

}  // namespace millrace::broker
