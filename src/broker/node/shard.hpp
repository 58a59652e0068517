// One thread's part of the broker: its queues, its connections, its log and segments, and its letters to the
// other shards.
//
// A turn of the loop reads sockets and handles letters; what that asks for is gathered and done once at the
// end of the turn: queues are pumped, records are logged and flushed, sessions told, letters sent.
//
// Thread: the shard's, but for open(), which runs before the loop does.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "broker/access/password.hpp"
#include "broker/connection.hpp"
#include "broker/node/connection_impl.hpp"
#include "broker/node/large_bodies.hpp"
#include "broker/node/letter.hpp"
#include "broker/node/replica.hpp"
#include "broker/node/shared.hpp"
#include "broker/node/statistics.hpp"
#include "broker/node/tap.hpp"
#include "broker/queue/queue.hpp"
#include "storage/log.hpp"
#include "storage/segments.hpp"

namespace millrace::broker {

class Remembering;

class Shard final : public QueueHost, public ReplicaListener, public storage::LogListener, public Gate {
 public:
  // Dead letters may dead-letter on; what is still moving after this many rounds waits for the next turn.
  static constexpr unsigned kMaxRounds = 16;
  // What is moved to segments at once when memory is short.
  static constexpr std::uint64_t kSpillBytes = 16u << 20;
  // Segments that nothing names any more before a checkpoint is written just to remove them.
  static constexpr std::size_t kMaxDeadSegments = 8;

  // Recovers log, checkpoint and segments of the directory. The definitions found (shard 0 keeps them) are
  // added to `definitions`; the node then applies all definitions and calls finish_recovery().
  static result<std::unique_ptr<Shard>> open(NodeShared& shared, unsigned index,
                                             runtime::ShardRuntime runtime, std::string directory,
                                             class Definitions& definitions, NodeRecovery& recovery);
  ~Shard() override;

  ShardId id() const noexcept { return id_; }
  NodeShared& shared() noexcept { return shared_; }
  Replica& replica() noexcept { return replica_; }
  storage::Log& log() noexcept { return *log_; }
  // Adds a record to the log. Once the log is being closed nothing is taken in: what is asked for then never
  // becomes durable, so nobody is told that it was done.
  storage::Lsn append(storage::RecordType type, std::uint8_t flags, std::uint64_t entity,
                      std::span<const ByteView> parts) {
    return closing_ ? log_->appended().next() : log_->append(type, flags, entity, parts);
  }
  storage::Lsn append(storage::RecordType type, std::uint8_t flags, std::uint64_t entity, ByteView payload) {
    return append(type, flags, entity, {&payload, 1});
  }
  Remembering& remembering() noexcept { return *remembering_; }
  runtime::ShardRuntime& runtime() noexcept { return runtime_; }

  void finish_recovery(NodeRecovery& recovery);
  void end_turn(bool idle);

  // Letters. A call to this shard itself runs at once.
  void call(ShardId to, Task task);
  template <class Content>
  void send(ShardId to, Content&& letter) {
    outboxes_[to.value].emplace_back(std::forward<Content>(letter));
  }
  void receive(std::vector<Letter>&& letters);

  Queue* find_queue(QueueId queue) noexcept {
    const auto it = queues_.find(queue.value);
    return it == queues_.end() ? nullptr : it->second.get();
  }

  // Connections.
  void add_connection(ConnectionImpl& connection);
  void remove_connection(ConnectionImpl& connection) noexcept;
  ConnectionImpl* find_connection(ConnectionId connection) noexcept {
    const auto it = connections_.find(connection.value);
    return it == connections_.end() ? nullptr : it->second;
  }
  void touch(ConnectionImpl& connection) {
    if (connection.touched) return;
    connection.touched = true;
    touched_.push_back(&connection);
  }
  void touch(ConnectionId connection) {
    if (ConnectionImpl* found = find_connection(connection)) touch(*found);
  }
  std::size_t connection_count() const noexcept { return connections_.size(); }
  const auto& connections() const noexcept { return connections_; }
  const auto& queues() const noexcept { return queues_; }
  ShardCounters& counters() noexcept { return counters_; }
  const NodeOptions& options() const noexcept { return shared_.options; }

  // moving.cpp. A connection of another shard will arrive: letters for it are kept.
  void expect(ConnectionId id, const std::string& user, const std::string& vhost);
  void expect_no_more(ConnectionId id) noexcept;
  void welcome(ConnectionImpl& connection);
  // It lives on another shard from here on: letters for it are sent on, until it is forgotten.
  void depart(ConnectionImpl& connection, ShardId to);
  void forget_moved(ConnectionId id) noexcept;

  // shard_publish.cpp. Enqueues to queues of this shard; `to` hears when that is durable, unless `settled`
  // comes back true: then it is settled already, as `accepted` says.
  struct Enqueued {
    bool settled = true;
    bool accepted = true;
    bool logged = true;  // what is not settled is in this shard's log by now
  };
  Enqueued enqueue(const MessageRef& message, std::span<const QueueId> queues, const ConfirmTo& to,
                   const Original& original = {});
  // Whether enqueue() would write the body to a file first, and so answer later.
  bool needs_body_file(const Message& message, std::span<const QueueId> queues);
  // Of delayed messages as well, which it does not enqueue.
  LargeBodies& bodies() noexcept { return *bodies_; }
  Arrivals& arrivals() noexcept { return arrivals_; }
  // An original that was sent on is settled in this turn: when that is durable, the shards (none named: all)
  // may forget it.
  using Shards = boost::container::small_vector<ShardId, 2>;
  void forget_when_settled(const Arrivals::Name& original, Shards shards);
  // What is sent on from here is in this shard's log before: a power cut must not take its number, which the
  // next message would get, while a copy that names it is on another shard's disk. In the order asked for.
  // With one shard the order of its log says so already.
  bool sends_later(storage::Lsn lsn) const noexcept {
    return outboxes_.size() > 1 && (lsn > durable_ || !later_.empty());
  }
  void send_later(storage::Lsn lsn, Task task);
  // Between open() and finish_recovery(). Whether the original is still to be settled, or may be, because the
  // segment that tells cannot be read.
  bool recovered_may_hold(const Arrivals::Name& original);
  // Does nothing where that is not known.
  void settle_recovered(const Arrivals::Name& original);
  // The message of a record that is replayed. Null: malformed, or its body is in a file that cannot be read.
  MessageRef read_logged(const storage::Record& record, ByteView stored);
  void confirm(const ConfirmTo& to, bool accepted);
  void confirm_when_durable(storage::Lsn lsn, const ConfirmTo& to) { confirms_.push_back({lsn, to, true}); }
  // At once: for recovery.
  result<Buffer> read_segment_now(const storage::SegmentRun& run) {
    return segments_->read_now(run.segment, run.offset, run.bytes);
  }
  // For a ConfirmTo that no connection waits for: a dead letter, or Remembering's own.
  PublishToken take_token() noexcept { return next_transfer_++; }

  // tapping.cpp. Null while nobody follows messages. What follows is for when somebody does.
  Tap* tap() noexcept { return tap_.get(); }
  // `epoch_us`: when the steady clock began, since the Unix epoch; the same for all shards.
  void change_tap(Tap::Sink sink, std::int64_t epoch_us, const std::function<void(Tap&)>& change);
  void saw_published(const ConnectionImpl& connection, const MessageRef& message,
                     std::span<const QueueAddress> targets);
  void saw_given(const ConnectionImpl& connection, const QueueAddress& queue, const Delivery& delivery,
                 bool asked_for);

  // dead_letters.cpp. Takes out the queues that a dead letter must not come round to.
  void drop_cycles(const Message& message, QueueTargets& targets) const;

  // Alarms: the reason, or empty when all is well. Broadcast by the node to each shard.
  void set_alarm(std::string_view reason);
  std::string_view alarm() const noexcept { return alarm_; }
  // The log is written to the end, and nothing is taken in or given out any more.
  bool closing() const noexcept { return closing_; }
  // By an alarm, or because the log has more to write than it should.
  bool blocked() const noexcept { return flow_ || !alarm_.empty(); }

  // Asks every session to close, and calls `done` when none is left.
  void close_connections(const Error& why, Task done);
  // Before stores are closed: a message that died or was delayed here is settled when its copy is safe where
  // it was sent to, so a store closed in between would bring it back, and both would be there. Nothing more
  // is sent on from now on, and `done` is called when all that was has arrived.
  void finish_transfers(Task done);
  bool sends_on() const noexcept { return !finishing_; }
  void close_store(Task done);

  // shard_storage.cpp. Coordinator's records.
  storage::Lsn log_change(const Change& change);

  // QueueHost
  std::int64_t now_ms() const noexcept override { return wall_ms(); }
  std::int64_t now_us() const noexcept override {
    if (now_us_ == 0) now_us_ = runtime_.clock.steady().count() / 1000;
    return now_us_;
  }
  storage::Lsn durable() const noexcept override { return durable_; }
  void mark_dirty(Queue& queue) override;
  void set_deadline(Queue& queue, std::int64_t wall_ms) override;
  void deliver(QueueConsumer& consumer, Delivery&& delivery) override;
  void consumer_cancelled(const QueueConsumer& consumer) override;
  void consumer_came(const Queue& queue, const QueueConsumer& consumer) override;
  void consumer_went(const Queue& queue, const QueueConsumer& consumer) override;
  void log_settled(Queue& queue, unsigned lane, std::uint64_t seq) override;
  void log_requeued(Queue& queue, const Entry& entry, std::int64_t due_ms) override;
  storage::Lsn log_remembered(Queue& queue, const Remembered& entry) override;
  void log_note(Queue& queue, ByteView note) override;
  void log_purged(Queue& queue, std::uint64_t through_seq, std::span<const KeptItem> kept) override;
  bool dead_letter(Queue& queue, const Entry& entry, DeathReason reason) override;
  void read_segment(storage::SegmentId segment, std::uint64_t offset, std::size_t bytes,
                    storage::Segments::ReadDone done) override;
  void set_aside(Queue& queue, const storage::SegmentRun& run, std::uint64_t messages,
                 std::string_view why) override;
  void log_set_aside(const std::string& what, std::string_view owner, const storage::SegmentRun& run,
                     std::string_view why);
  const RankedLimits& ranked_limits() const noexcept override { return shared_.options.ranked_limits; }
  std::unique_ptr<storage::SortedRuns> make_sorted_runs(const Queue& queue, ParkedOrder order) override;
  void store_soon(Queue& queue) override { to_store_.insert(queue.id().value); }
  void cannot_park(const Queue& queue, std::string_view why) override;
  void run_released(const storage::SegmentRun& run) override;
  void queue_unused(Queue& queue) override;
  void memory_changed(std::int64_t bytes) override { memory_bytes_ += bytes; }
  std::string header_text(const Message& message, std::string_view name) override;
  std::optional<Value> header_value(const Message& message, std::string_view name) override;
  std::optional<std::string> property_text(const Message& message, std::string_view name) override;
  MessageRef stamped(const MessageRef& message, const Queue& queue, std::uint64_t seq) override;
  bool tapped() const noexcept override { return tap_ != nullptr; }
  void saw_settled(const Queue& queue, const Entry& entry, ConnectionId by, Settlement how) override;
  void saw_death(const Queue& queue, const Entry& entry, DeathReason reason) override;

  // ReplicaListener
  void queue_put(const std::shared_ptr<const QueueSpec>& queue, const QueueSettings& settings) override;
  void queue_deleted(const QueueAddress& queue) override;
  void exchange_put(const ExchangeSpec& exchange) override;
  void exchange_deleted(std::string_view vhost, std::string_view name) override;
  void binding_put(const BindingSpec& binding) override;
  void vhost_deleted(std::string_view name) override;
  void user_deleted(std::string_view name) override;

  // LogListener
  void on_durable(storage::Lsn durable) override;
  void on_log_pressure(storage::Lsn through) override;

  // Gate
  void authenticate(Credentials credentials, const ConnectionInfo& info, Done<Subject> done) override;
  bool has_user(std::string_view name) const noexcept override {
    return replica_.access().find_user(name) != nullptr;
  }
  void begin_scram(ScramHash hash, std::string_view client_first, const ConnectionInfo& info,
                   Done<ScramChallenge> done) override;
  void finish_scram(std::shared_ptr<ScramLogin> login, std::string_view client_final,
                    const ConnectionInfo& info, Done<ScramSuccess> done) override;
  void enter(const Subject& subject, std::string_view vhost, Done<Subject> done) override;
  // Of one who is connected, and known to an authority: the same with a new secret. Errors as authenticate.
  void renew(const std::string& user, Secret secret, const ConnectionInfo& info, Done<Subject> done);
  result<std::unique_ptr<Connection>> open(const Subject& subject, std::string_view vhost,
                                           const ConnectionInfo& info, ConnectionListener& listener) override;
  std::int64_t wall_ms() const noexcept override {
    if (now_ms_ == 0) now_ms_ = runtime_.clock.wall().count();
    return now_ms_;
  }
  std::uint64_t max_message_bytes() const noexcept override { return shared_.options.max_message_bytes; }
  BodyBudget& body_budget() noexcept override { return body_budget_; }

  // Routes with the vhost's table; for publishes that do not come from a connection as well.
  bool route(VhostReplica& vhost, Exchange& exchange, std::span<const std::string_view> keys,
             const Message& message, QueueTargets& targets, RememberingExchanges& remembering);

 private:
  Shard(NodeShared& shared, unsigned index, runtime::ShardRuntime runtime, std::string directory);

  struct PendingConfirm {
    storage::Lsn lsn;
    ConfirmTo to;
    bool accepted = false;
  };
  struct SegmentUse {
    std::uint64_t runs = 0;  // that queues need
    bool durable = true;
  };
  struct Arriving {
    std::string user;
    std::string vhost;
    std::vector<Letter> letters;
    std::optional<Error> close_why;  // asked to close while it was under way
  };
  struct Transfer {
    QueueId queue;
    std::uint64_t seq = 0;
    unsigned parts = 0;
    Shards shards;  // where its copies go; none: not known
  };
  // Where a message lies in what was recovered.
  struct Whereabouts {
    std::optional<unsigned> lane;  // whose run holds it
    bool may_be = false;           // so it is, or it may be in what cannot be read
  };
  struct RunItems {
    boost::unordered_flat_set<std::uint64_t> seqs;
    bool complete = false;  // false: there may be others, which cannot be read
  };
  struct Settling {
    storage::Lsn lsn;  // of the settlement; 0: not yet in the log
    Arrivals::Name original;
    Shards shards;
  };

  // shard_logins.cpp
  struct Attempt;
  void count_login(const Attempt& attempt, const result<Subject>& outcome);
  result<Subject> find_subject(const std::string& user, const ConnectionInfo& info);
  void refuse_unread(const std::shared_ptr<Attempt>& attempt);
  // Asks the authorities one after the other, from that one on, and in their place the broker's own users,
  // after whom `next` is asked; the last refusal decides.
  void ask_next(const std::shared_ptr<Attempt>& attempt, std::size_t from);
  void ask_own(const std::shared_ptr<Attempt>& attempt, std::size_t next);
  void verify(const std::shared_ptr<Attempt>& attempt, std::size_t next);
  void finish(const std::shared_ptr<Attempt>& attempt, std::size_t next);
  bool any_understands(const Attempt& attempt, std::size_t from = 0) const noexcept;
  void answered(const std::shared_ptr<Attempt>& attempt, result<Subject> outcome);
  // Completes on this shard, after the time that login_guard asks for.
  void pass_guard(const std::string& user, const ConnectionInfo& info, Done<void> done);
  void tell_guard(const std::string& user, const ConnectionInfo& info, bool right, Task done);

  // shard.cpp
  void open_letter(EnqueueLetter&& letter);
  void open_letter(DeliverLetter&& letter);
  void open_letter(CancelledLetter&& letter);
  void open_letter(ConfirmLetter&& letter);
  void open_letter(SettleLetter&& letter);
  void open_letter(GrantLetter&& letter);
  void open_letter(ForgetLetter&& letter);
  void open_letter(Task&& task);
  void ask_to_close(const Error& why, const std::function<bool(const ConnectionImpl&)>& which);
  void close_arriving(const Error& why, const std::function<bool(const Arriving&)>& which);
  void tell_when_empty() noexcept;
  void pump_queues();
  void fire_deadlines();
  void arm_timer();
  void send_letters();
  void settle_body_budget();
  void account_memory();
  void forget(Queue& queue);
  // Puts the queues in doubt off reading: publishers are held back while true.
  void update_flow();

  // moving.cpp
  template <class Content>
  void send_on(ConnectionId connection, Content&& letter);
  void confirm_connection(const ConfirmTo& to, bool accepted);

  // dead_letters.cpp
  bool send_dead_letter(Queue& queue, const Entry& entry, DeathReason reason);
  std::uint32_t durable_copies(const QueueTargets& targets) const;

  // tapping.cpp
  TraceEvent trace_event(TraceStep step) const;
  std::vector<std::string> names_of(std::span<const QueueAddress> targets) const;
  void copy_to_firehose(const ConnectionImpl& connection, std::string routing_key, const MessageRef& message,
                        const Delivery& delivery, Arguments more);
  void saw_in_queue(const Queue& queue, const Message& message, std::uint64_t seq, TraceStep step,
                    ConnectionId by, std::optional<std::int64_t> since_us = {});
  void saw_dead_letter(const Queue& queue, const Message& copy, std::uint64_t seq,
                       const QueueTargets& targets);
  void send_copies();

  // shard_publish.cpp
  Enqueued enqueue_now(const MessageRef& message, std::span<const QueueId> queues, const ConfirmTo& to,
                       storage::BodyFileId body, const Original& original);
  void gather_settled();
  void note_deliveries();
  void forget_settled();
  void send_what_waited();

  // shard_storage.cpp
  result<void> read_checkpoint(ByteView blob, Definitions& definitions);
  void replay(const storage::Record& record, Definitions& definitions);
  void replay_message(const storage::Record& record);
  Whereabouts look_for(const RecoveredQueue& queue, std::uint64_t seq);
  const RunItems& items_of(const storage::SegmentRun& run);
  void make_room();
  void spill(storage::SegmentKind kind, Spill&& collected, Task then);
  void spill_for_memory();
  void spill_once_durable();
  void spill_ranked();
  std::optional<storage::SegmentKind> collect_for_memory(Spill& collected);
  std::int64_t resident_share() const noexcept;  // of message bytes in memory
  void retry_later();
  void drop_dead_segments();
  void checkpoint(storage::Lsn through);
  void write_checkpoint();
  Buffer make_blob(storage::Lsn state) const;

  NodeShared& shared_;
  ShardId id_;
  runtime::ShardRuntime runtime_;
  std::string directory_;
  Replica replica_;
  Prng random_;
  std::unique_ptr<VerifiedCredentials> verified_;

  boost::unordered_flat_map<std::uint64_t, std::unique_ptr<Queue>> queues_;
  std::shared_ptr<const QueueSettings> last_settings_;
  std::vector<std::unique_ptr<Queue>> graveyard_;  // deleted this turn
  std::vector<Queue*> dirty_;
  std::vector<Queue*> pumping_;  // scratch
  std::vector<Queue*> settled_queues_;
  std::vector<Queue*> waiting_for_disk_;
  std::set<std::pair<std::int64_t, Queue*>> deadlines_;
  runtime::TimerId timer_;
  std::int64_t timer_ms_ = Entry::kNever;

  boost::unordered_flat_map<std::uint64_t, ConnectionImpl*> connections_;
  std::vector<ConnectionImpl*> touched_;
  boost::unordered_flat_map<std::uint64_t, Arriving> arriving_;  // by connection
  boost::unordered_flat_map<std::uint64_t, ShardId> moved_;      // where to, by connection
  Task connections_closed_;
  std::optional<Error> closing_why_;  // asked of all
  std::string alarm_;
  bool flow_ = false;  // the log has more to write than it should

  std::vector<std::vector<Letter>> outboxes_;
  std::deque<PendingConfirm> confirms_;
  boost::unordered_flat_map<std::uint64_t, Transfer> transfers_;
  std::uint64_t next_transfer_ = 1;
  Task transfers_finished_;
  Arrivals arrivals_;
  std::deque<Settling> settling_;
  std::deque<std::pair<storage::Lsn, Task>> later_;
  bool finishing_ = false;

  std::unique_ptr<storage::Segments> segments_;
  std::unique_ptr<LargeBodies> bodies_;
  std::unique_ptr<storage::Log> log_;
  storage::Lsn durable_;
  Buffer record_;  // scratch
  boost::unordered_flat_map<std::uint64_t, SegmentUse> segment_uses_;
  std::vector<storage::SegmentId> dead_segments_;
  storage::Lsn pressure_;  // what the log asks to have moved on
  storage::Lsn released_;
  // A checkpoint that waits for its last record to be durable: it must not know more than the log.
  struct Checkpointing {
    storage::Lsn through;
    storage::Lsn state;
    Buffer blob;
    std::vector<storage::SegmentId> dead;
  };
  std::optional<Checkpointing> waiting_checkpoint_;
  storage::Lsn recovered_state_;     // of the checkpoint found at the start
  std::uint32_t stopped_epoch_ = 0;  // that ended in order; 0: another record follows
  bool stopped_in_order_ = false;    // what ran before this, so that it is known what consumers were given
  bool spilling_ = false;
  std::set<std::uint64_t> to_store_;  // queues of which all that is ranked is to go to a segment
  QueueId storing_;                   // the one that is written now, if any
  std::int64_t spill_above_ = 0;      // nothing to move was found: not before there is this much,
  storage::Lsn spill_after_;          // or this is durable, which was not then; 0: no such thing
  bool checkpointing_ = false;
  bool closing_ = false;

  std::map<std::uint64_t, RecoveredQueue> recovered_;
  // Of runs, by segment and offset.
  std::map<std::pair<std::uint64_t, std::uint64_t>, RunItems> looked_into_;
  std::int64_t memory_bytes_ = 0;
  std::int64_t reported_memory_ = 0;
  BodyBudget body_budget_;
  bool body_budget_ticks_ = false;
  mutable std::int64_t now_ms_ = 0;  // 0: not asked for in this turn
  mutable std::int64_t now_us_ = 0;  // 0: nor since queues were pumped
  std::unique_ptr<Remembering> remembering_;
  ShardCounters counters_;
  std::unique_ptr<Tap> tap_;
  std::int64_t trace_epoch_us_ = 0;
};

}  // namespace millrace::broker
