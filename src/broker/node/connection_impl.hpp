// A session's hold on the broker: checks what it may do, finds the shard that can do it, and brings the
// answers back in order.
//
// Thread: the session's shard.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/connection.hpp"
#include "broker/node/letter.hpp"
#include "broker/node/replica.hpp"
#include "broker/node/reply_address.hpp"
#include "broker/node/shard_vote.hpp"
#include "broker/node/use_counts.hpp"
#include "broker/routing_table.hpp"
#include "broker/statistics.hpp"

namespace millrace::broker {

class Shard;
class Queue;
struct NodeShared;

class ConnectionImpl final : public Connection {
 public:
  // What counts it, and its channels. It is counted in the first two already.
  struct Uses {
    std::shared_ptr<UseCount> of_vhost, of_user, channels;
  };
  ConnectionImpl(Shard& shard, ConnectionId id, Subject subject, std::string vhost, ConnectionInfo info,
                 Uses uses, ConnectionListener& listener);
  ~ConnectionImpl() override;

  ConnectionId id() const noexcept override { return id_; }
  const Subject& subject() const noexcept override { return subject_; }
  const std::string& vhost() const noexcept override { return vhost_; }
  ConnectionListener& listener() noexcept { return listener_; }
  const ConnectionInfo& info() const noexcept { return info_; }
  std::int64_t connected_ms() const noexcept { return connected_ms_; }
  const ConnectionCounters& counters() const noexcept { return counters_; }
  // Is not read because it is ahead of a rate.
  bool is_throttled() const noexcept { return pausing_; }

  void declare_exchange(const ExchangeDeclare& declare, Done<void> done) override;
  void check_exchange(std::string_view name, Done<void> done) override;
  void delete_exchange(std::string_view name, bool if_unused, Done<void> done) override;
  void bind(std::string_view source, std::string_view destination, bool to_exchange,
            std::string_view routing_key, Arguments arguments, Done<void> done) override;
  void unbind(std::string_view source, std::string_view destination, bool to_exchange,
              std::string_view routing_key, Arguments arguments, Done<void> done) override;
  void declare_queue(const QueueDeclare& declare, Done<QueueStatus> done) override;
  void check_queue(std::string_view name, Done<QueueStatus> done) override;
  void purge_queue(std::string_view name, Done<std::uint64_t> done) override;
  void delete_queue(std::string_view name, bool if_unused, bool if_empty, Done<std::uint64_t> done) override;
  result<PublishOutcome> publish(const Publish& publish) override;
  void consume(const Consume& consume, Done<QueueAddress> done) override;
  void cancel(ConsumerId consumer, Done<void> done) override;
  void grant(ConsumerId consumer, std::uint32_t credit) override;
  void get(std::string_view queue, bool no_ack, Done<std::optional<GotMessage>> done) override;
  void settle(const QueueAddress& queue, ConsumerId consumer, std::span<const std::uint64_t> seqs,
              Settlement how) override;
  std::string_view reply_address() const noexcept override { return reply_address_; }
  void update_secret(std::string_view secret, Done<void> done) override;
  bool publishers_blocked() const noexcept override;
  result<void> take_channel() override;
  void give_back_channel() noexcept override;
  bool leave_for(ShardId to, Task left) override;
  void arrive() override;
  void close(Done<void> done) override;

  // For AskingConnection. As declare_queue; `server_named`: the name is ours, whether it is given or not.
  void declare_named_queue(const QueueDeclare& declare, bool server_named, Done<QueueStatus> done);
  std::string make_name();
  // The subject's rights may have changed.
  void forget_rights() noexcept { cache_.version = 0; }

  // From the shard.
  void deliver(ConsumerId consumer, Delivery&& delivery);
  void cancelled(ConsumerId consumer);
  void confirmed(PublishToken token, bool accepted, bool counted);
  void tell();  // confirmations gathered, then the end of the turn
  bool is_reply_consumer(const ReplyAddress& address) const noexcept;

  bool touched = false;  // the shard's mark

 private:
  struct Slot {
    bool ready = false;
    Task complete;
  };
  struct Parts {
    std::uint32_t waiting = 0;
    bool accepted = true;
  };
  // A rate that publishes are held against.
  struct Pace {
    UseCount* count;    // its own, or one that stays
    std::int64_t rate;  // in a second
    bool of_bytes;
  };
  // Its own, when there are limits for each connection.
  struct OwnUse {
    UseCount publishes;
    UseCount bytes;
  };
  // The last exchange published to, with what was found out about it; valid for one version of the replica.
  struct PublishCache {
    std::uint64_t version = 0;
    std::string exchange_name;
    Exchange* exchange = nullptr;
    VhostReplica* vhost = nullptr;
    std::vector<Pace> paces;  // that limits set; nearly always none
    bool is_topic = false;
    bool cacheable = false;
    bool has_route = false;
    std::string routing_key;
    QueueTargets targets;
  };

  struct Move {
    ShardId to;
    std::size_t waiting = 0;  // shards that have not answered
    Task left;
  };

  // Answers of calls that change definitions come back in the order of the calls.
  template <class T>
  Done<T> in_order(Done<T> done);
  // A completion that is called on the shard `from`: `then` runs on this one, unless the connection is gone.
  template <class T>
  Done<T> come_back(ShardId from, Done<T> then);
  void drain_slots();

  result<VhostReplica*> find_vhost();
  result<const QueueSpec*> find_queue(std::string_view name);
  result<void> check_unlocked(const QueueSpec& queue) const;
  void ask_status(const QueueSpec& queue, Done<QueueStatus> done);
  result<void> find_exchange(std::string_view name);
  result<void> check_binding_rights(VhostReplica& vhost, std::string_view source,
                                    std::string_view destination, bool to_exchange,
                                    std::string_view routing_key);
  // After all checks of rights and locks that this shard can make.
  result<BindingSpec> make_binding(std::string_view source, std::string_view destination, bool to_exchange,
                                   std::string_view routing_key, Arguments arguments);
  void remove_queue(const QueueSpec& spec, bool if_unused, bool if_empty, Done<std::uint64_t> done);
  void check_reply_address(std::string_view name, Done<QueueStatus> done);
  result<void> refresh_cache(std::string_view exchange);
  void find_paces();
  void run_ahead(std::uint64_t bytes);
  result<PublishOutcome> send_to(const Publish& publish, std::span<const QueueAddress> targets);
  result<PublishOutcome> publish_reply(const Publish& publish);
  // The message comes by exchanges that remember something.
  result<PublishOutcome> remember(const Publish& publish, std::span<const std::string_view> keys,
                                  std::span<Exchange* const> remembering);
  void consume_replies(const Consume& consume, Done<QueueAddress> done);
  // A message for a queue of that shard, or from it.
  void used(ShardId shard, std::int64_t messages = 1);
  void consider_move();
  // connection_secret.cpp. What the subject has shown ends: then the session is asked to close.
  void watch_end();
  void forget_end() noexcept;
  // Publishing faster than it may: reads nothing for as long as it is ahead.
  void keep_pace();
  void end_pause();
  void hand_over();
  void one_handed_over();
  void finish_close(Done<void> done);
  void leave() noexcept;
  static void get_at_owner(NodeShared& shared, QueueAddress address, ConnectionId connection, bool no_ack,
                           Done<std::optional<GotMessage>> back);

  Shard* shard_;
  ConnectionId id_;
  Subject subject_;
  std::string vhost_;
  ConnectionInfo info_;
  Uses uses_;  // until it has left
  ConnectionListener& listener_;
  std::deque<std::shared_ptr<Slot>> slots_;
  boost::unordered_flat_map<std::uint64_t, QueueAddress> consumers_;
  boost::unordered_flat_map<std::uint64_t, Parts> parts_;  // by publish token
  std::vector<Confirmation> confirmations_;
  struct AddressHash {
    std::size_t operator()(const QueueAddress& address) const noexcept {
      return std::hash<std::uint64_t>()(address.id.value);
    }
  };
  boost::unordered_flat_set<QueueAddress, AddressHash> used_;  // queues that may hold something of ours
  bool declares_exclusive_ = false;
  // Of queues that this connection deletes clients expect the answer first, then that their consumers are
  // cancelled.
  std::size_t deletions_ = 0;                // asked for, not answered
  std::vector<ConsumerId> cancelled_since_;  // told then
  PublishCache cache_;
  std::unique_ptr<OwnUse> own_use_;
  ShardVote vote_;
  std::unique_ptr<Move> move_;         // from leave_for() to arrive()
  std::vector<ShardId> former_homes_;  // which send letters on
  std::string reply_address_;
  ConsumerId reply_consumer_;
  std::uint64_t reply_secret_ = 0;
  std::int64_t channels_ = 0;      // taken
  std::int64_t connected_ms_ = 0;  // wall clock
  ConnectionCounters counters_;
  std::int64_t ahead_ns_ = 0;     // of the rates that limits allow
  runtime::TimerId pause_timer_;  // keeps the pace
  bool pausing_ = false;
  runtime::TimerId end_timer_;  // of what the subject has shown
  bool has_end_timer_ = false;
  bool closing_ = false;  // nothing is called back any more but the completion of close()
  bool closed_ = false;
};

}  // namespace millrace::broker
