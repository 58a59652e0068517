// A queue: messages in order, each settled by exactly one consumer. All kinds (FIFO, priority, single active
// consumer, limited, expiring, dead-lettering, deduplicating, retrying later) are policies over this one
// mechanism.
//
// Order. A queue has one lane for each priority level. Within a lane messages are served by sequence number:
//
//   returned   came back from a consumer; always older than what follows
//   head       read back from segments
//   runs       still in segments only: costs no memory for a message
//   tail       in memory, in the log or transient
//
// A queue with x-scheduling moves what is durable from its lanes into an index, and serves from there by rank
// (ranked_order.hpp). What it has too much of in memory it parks: it then lies in runs alone, like what was
// never read of them, and is fetched one by one.
//
// A message leaves its lane when it is delivered and waits in `unacked` until it is settled, or in `delayed`
// until it may be tried again. What is persistent is not delivered before the log says that it is durable.
//
// Thread: the owning shard's. Nothing here blocks; what takes time (reading a segment) ends in pump() later.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/buffer.hpp"
#include "broker/connection.hpp"
#include "broker/queue/arguments.hpp"
#include "broker/queue/consumer_set.hpp"
#include "broker/queue/counters.hpp"
#include "broker/queue/deduplication.hpp"
#include "broker/queue/entry.hpp"
#include "broker/queue/lane.hpp"
#include "broker/queue/queue_times.hpp"
#include "broker/queue/ranked_order.hpp"
#include "broker/queue/seq_set.hpp"
#include "broker/queue/spill.hpp"
#include "broker/specs.hpp"
#include "storage/segments.hpp"

namespace millrace::broker {

class Queue;

enum class DeathReason : std::uint8_t { expired, rejected, maxlen, delivery_limit };
std::string_view to_string(DeathReason reason) noexcept;

// A message that a purge leaves, because a consumer has it. Its lane says which run holds it.
struct KeptItem {
  std::uint64_t seq = 0;
  unsigned lane = 0;
};

// What a queue needs of its shard.
class QueueHost : public MessageLook {
 public:
  virtual std::int64_t now_ms() const noexcept = 0;  // wall clock, as of this turn
  // Steady clock, as of this turn; of the moment in which they are pumped for queues that are.
  virtual std::int64_t now_us() const noexcept = 0;
  virtual storage::Lsn durable() const noexcept = 0;
  // Calls Queue::pump before the turn ends, once.
  virtual void mark_dirty(Queue& queue) = 0;
  // Calls Queue::on_deadline at or after the time, unless a later call moves it; kNever: no more.
  virtual void set_deadline(Queue& queue, std::int64_t wall_ms) = 0;
  virtual void deliver(QueueConsumer& consumer, Delivery&& delivery) = 0;
  virtual void consumer_cancelled(const QueueConsumer& consumer) = 0;
  // Logs at the end of the turn; the sequence numbers are gathered there, one record a queue.
  virtual void log_settled(Queue& queue, unsigned lane, std::uint64_t seq) = 0;
  // `due_ms`: when it is to be tried again; 0: at once.
  virtual void log_requeued(Queue& queue, const Entry& entry, std::int64_t due_ms) = 0;
  // The queue remembers the value although its message may leave.
  virtual storage::Lsn log_remembered(Queue& queue, const Remembered& entry) = 0;
  // What a queue that serves by rank is to know after a restart: RecoveredRanks::replay() reads it.
  virtual void log_note(Queue& queue, ByteView note) = 0;
  // Everything up to and including the sequence number went, but for `kept` (rising).
  virtual void log_purged(Queue& queue, std::uint64_t through_seq, std::span<const KeptItem> kept) = 0;
  // Routes a copy by the queue's dead-letter exchange. True: the original may be settled at once; otherwise
  // Queue::finish_transfer says when.
  virtual bool dead_letter(Queue& queue, const Entry& entry, DeathReason reason) = 0;
  virtual void read_segment(storage::SegmentId segment, std::uint64_t offset, std::size_t bytes,
                            storage::Segments::ReadDone done) = 0;
  // So many messages of the run could not be read back. They are not served, and the run is not released
  // before the queue is purged or deleted; a restart tries them again. For the operator, once for each run.
  virtual void set_aside(Queue& queue, const storage::SegmentRun& run, std::uint64_t messages,
                         std::string_view why) = 0;
  // Of a queue that serves by rank.
  virtual const RankedLimits& ranked_limits() const noexcept = 0;
  virtual std::unique_ptr<storage::SortedRuns> make_sorted_runs(const Queue& queue, ParkedOrder order) = 0;
  // collect_ranked() is asked for as soon as nothing else is being written.
  virtual void store_soon(Queue& queue) = 0;
  // It keeps in memory what it has there, and is tried again in a while.
  virtual void cannot_park(const Queue& queue, std::string_view why) = 0;
  // Nothing of the run is needed any more.
  virtual void run_released(const storage::SegmentRun& run) = 0;
  // The last consumer of an auto-delete queue went, or x-expires passed: delete it.
  virtual void queue_unused(Queue& queue) = 0;
  // Message bytes in memory came or went.
  virtual void memory_changed(std::int64_t bytes) = 0;
  // The value of the message's header as text, for deduplication; empty when it has none.
  virtual std::string header_text(const Message& message, std::string_view name) = 0;
  // The message with an id, for queues that stamp: its own, or one made of the queue and the sequence number.
  virtual MessageRef stamped(const MessageRef& message, const Queue& queue, std::uint64_t seq) = 0;
  // For those who hear of what happens. The queue has it, and has it no longer.
  virtual void consumer_came(const Queue&, const QueueConsumer&) {}
  virtual void consumer_went(const Queue&, const QueueConsumer&) {}
  // Whether somebody follows messages; asked once for all that is settled together. If so, it is shown what
  // becomes of them.
  virtual bool tapped() const noexcept { return false; }
  virtual void saw_settled(const Queue&, const Entry&, ConnectionId, Settlement) {}
  virtual void saw_death(const Queue&, const Entry&, DeathReason) {}
};

// A message that waits to be tried again.
struct Retry {
  std::int64_t due_ms = 0;    // wall clock
  std::uint32_t returns = 0;  // so far: the next delay goes by it
};
Retry read_retry(Reader& in);

// What recovery puts together for a queue before the queue exists: a checkpoint's state, changed by the log
// records that follow.
//
// A checkpoint's state is that of a moment, `state_lsn`, while the log is replayed from an earlier record on:
// from the first whose message is in no segment yet. Records up to that moment (`in_state`) say only what is
// in the tail; their effect on what is in segments is in the state already.
struct RecoveredQueue {
  std::uint64_t next_seq = 1;
  std::uint64_t delivered_through = 0;  // highest sequence that may have been given to a consumer
  unsigned levels = 0;                  // of priority; 0: not in the checkpoint
  std::map<unsigned, LaneRuns> runs;    // by lane
  // Deliveries of a revived item: what it was stored with, because nothing says that there were more.
  static constexpr std::uint32_t kAsStored = UINT32_MAX;
  boost::unordered_flat_map<std::uint64_t, std::uint32_t> revived;  // live before read_from_seq → deliveries
  SeqSet again;  // likewise, never given to a consumer: parked in a ranked queue, or not to be read for now
  struct Logged {
    MessageRef message;
    storage::Lsn lsn;
  };
  std::map<std::uint64_t, Logged> tail;
  boost::unordered_flat_set<std::uint64_t> skip;  // settled, in what is unread of the runs
  boost::unordered_flat_map<std::uint64_t, std::uint32_t> delivery_counts;
  std::uint64_t stored_bytes = 0;  // of the bodies in runs; an estimate once some are settled
  std::map<std::uint64_t, Retry> retries;
  std::map<std::uint64_t, Remembered> window;  // by the first copy's sequence, which is the order of arrival
  RecoveredRanks ranked;

  void add(std::uint64_t seq, MessageRef message, storage::Lsn lsn, bool in_state);
  void settle(unsigned lane, std::uint64_t seq, bool in_state);
  void requeue(std::uint64_t seq, std::uint32_t delivery_count, std::optional<Retry> retry, bool in_state);
  void purge(std::uint64_t through_seq, std::span<const KeptItem> kept, bool in_state);
  void remember(Remembered entry, bool in_state);
  void read_memory(Reader& in);
  // The run spans the message; whether it is unsettled if the run has it.
  bool is_live(const LaneRun& run, std::uint64_t seq) const;
  // The lane of a run that holds the message, unless it is settled.
  std::optional<unsigned> stored_in(std::uint64_t seq) const;
};

class Queue {
 public:
  // Messages of a piece left when the next piece is asked for.
  static constexpr std::size_t kReadAheadEntries = 32;

  Queue(QueueHost& host, std::shared_ptr<const QueueSpec> spec,
        std::shared_ptr<const QueueSettings> settings);
  Queue(QueueHost& host, QueueSpec spec, QueueSettings settings)
      : Queue(host, std::make_shared<const QueueSpec>(std::move(spec)),
              std::make_shared<const QueueSettings>(std::move(settings))) {}
  Queue(const Queue&) = delete;
  ~Queue();

  const QueueSpec& spec() const noexcept { return *spec_; }
  QueueId id() const noexcept { return spec_->address.id; }
  const QueueSettings& settings() const noexcept { return *settings_; }
  void change_settings(std::shared_ptr<const QueueSettings> settings);
  std::string describe() const { return queue_text(spec_->vhost, spec_->name); }

  void recover(RecoveredQueue&& recovered);

  // Publishing.

  enum class Admission : std::uint8_t { accept, refuse, duplicate };
  // Whether the message may come in. After `accept`, push() must follow with the sequence number taken here.
  // A duplicate is safe once `first_copy` is durable; it is raised to that.
  Admission admit(const Message& message, storage::Lsn& first_copy);
  std::uint64_t take_seq() noexcept { return next_seq_++; }
  // Returns what must be durable until the message is, and all that is to be remembered of it.
  storage::Lsn push(MessageRef message, std::uint64_t seq, storage::Lsn lsn);

  // Consuming.

  result<void> add_consumer(QueueConsumer consumer);
  void rehome_consumers(ConnectionId connection, ShardId shard, ConnectionImpl* local) noexcept {
    consumers_.rehome(connection, shard, local);
  }
  bool remove_consumer(const ConsumerKey& key);  // what it holds stays unsettled
  void grant(const ConsumerKey& key, std::uint64_t credit);
  // The next message. `pending` is set when there is one, but it must be read or become durable first: then
  // when_loaded() calls back once it may be asked for again.
  std::optional<GotMessage> get(ConnectionId connection, bool no_ack, bool& pending);
  void when_loaded(Task task) { waiting_gets_.push_back(std::move(task)); }
  void settle(const ConsumerKey& key, std::span<const std::uint64_t> seqs, Settlement how);
  // Everything the connection had here goes back.
  void connection_closed(ConnectionId connection);

  std::uint64_t purge();  // ready messages only
  // The queue is being deleted: consumers are told, messages dropped.
  void shut(bool notify_consumers);
  bool closing() const noexcept { return closing_; }
  void set_closing(bool closing) noexcept { closing_ = closing; }

  // Delivers what can be delivered, applies limits, sets the next deadline.
  void pump();
  // For whoever looks in the middle of a turn: what was published before goes to its consumers, and over its
  // limits, first.
  void catch_up() {
    if (dirty) pump();
  }
  void on_deadline();
  // Used by a client: puts x-expires off.
  void touch();

  std::uint64_t ready() const noexcept { return ready_; }
  std::uint64_t ready_bytes() const noexcept { return ready_bytes_; }
  std::uint64_t unsettled() const noexcept { return unacked_.size(); }
  std::uint64_t unsettled_bytes() const noexcept { return unacked_bytes_; }
  // To be tried again later.
  std::uint64_t waiting() const noexcept {
    return delayed_.size() + (unread_retries_ ? unread_retries_->waiting.size() : 0);
  }
  // It holds no message in any state: ready, with a consumer, waiting for another try, dying.
  bool is_empty() const noexcept { return ready_ + waiting() + unacked_.size() + transfers_.size() == 0; }
  std::size_t consumers() const noexcept { return consumers_.size(); }
  const ConsumerSet& consumer_list() const noexcept { return consumers_; }
  std::uint64_t memory_bytes() const noexcept { return memory_bytes_; }
  std::uint64_t delivered_through() const noexcept { return delivered_through_; }
  const QueueCounters& counters() const noexcept { return counters_; }
  std::int64_t used_ms() const noexcept { return used_ms_; }
  // When the oldest message that waits came, wall clock; 0: none waits, or a restart has left it on disk and
  // nobody has read it since.
  std::int64_t oldest_ms() const noexcept;
  QueueTimesStatistics look_at_times() {
    return times_ ? times_->look(host_.now_us()) : QueueTimesStatistics{};
  }
  void add_times_to(LatencyHistogram& waited, LatencyHistogram& held) {
    if (times_) times_->add_to(waited, held);
  }

  // Moving to segments.

  // Adds what must be written so that the log through `through` is not needed for this queue.
  void collect(storage::Lsn through, Spill& spill);
  // The oldest in memory, about `bytes` of them, to give memory back. Returns how many bytes were found.
  std::uint64_t collect_oldest(std::uint64_t bytes, Spill& spill);
  // Likewise, all that is ranked and in no segment yet.
  std::uint64_t collect_ranked(Spill& spill);
  void not_stored();  // the disk has no room, say
  // The collected items of one lane are stored in the run.
  void spilled(const storage::SegmentRun& run);
  void for_each_run(const std::function<void(const storage::SegmentRun&)>& visit) const;
  static std::uint64_t entity(QueueId queue, unsigned lane) noexcept { return queue.value << 8 | lane; }

  // For the checkpoint, and back.
  void put_state(Buffer& out) const;
  // Of which version of the checkpoint the state is.
  enum class StateVersion : std::uint8_t {
    without_memory = 2,
    without_ranks = 3,
    without_declarers = 4,  // the same here: they are among the definitions
    without_parked = 5,
    complete = 6
  };
  static RecoveredQueue read_state(Reader& in, StateVersion version = StateVersion::complete);

  // A dead-lettered entry has arrived where it was sent to.
  void finish_transfer(std::uint64_t seq);

  // The host's notes.
  std::vector<std::pair<unsigned, std::uint64_t>> settled_this_turn;  // lane, sequence
  storage::Lsn last_logged;
  bool awaits_disk = false;  // for last_logged
  bool dirty = false;
  std::int64_t deadline_ms = Entry::kNever;

 private:
  struct Unacked {
    Entry entry;
    ConsumerKey holder;
  };
  // There while connections close within a turn. A thousand that close at once must not look through all that
  // is unsettled a thousand times: from the second on they look up here what is theirs.
  struct Closures {
    std::vector<std::pair<std::uint64_t, std::uint64_t>>
        held;  // connection and sequence, sorted; may be settled
  };
  // Messages that wait to be tried again and are in the unread part of a run, as a restart leaves them. They
  // are read back like others; those in `waiting` are not ready before their time.
  struct UnreadRetries {
    struct Item {
      Retry retry;
      unsigned lane = 0;
      bool persistent = true;  // a restart is told of it
    };
    boost::unordered_flat_map<std::uint64_t, Item> items;
    std::set<std::pair<std::int64_t, std::uint64_t>> waiting;  // (due, sequence)
  };

  // queue.cpp
  Admission admit_into_room(const Message& message);
  unsigned lane_of(const Message& message) const noexcept;
  Lane& lane_at(unsigned index);
  Lane& lane_for(const Entry& entry) { return lane_at(lane_of(*entry.message)); }
  bool deliverable(const Entry& entry) const noexcept { return entry.lsn <= host_.durable(); }
  std::int64_t expiry_of(const Message& message, std::int64_t arrival_ms) const noexcept;
  Entry make_entry(MessageRef message, std::uint64_t seq, storage::Lsn lsn) const;
  void account_ready(const Entry& entry, int sign) noexcept;
  // For what was not pushed just now.
  std::int64_t since_arrival_us(const Entry& entry) const noexcept;
  // Before what waits or is held changes: what was there has been there until now. Asks for the time once
  // until the queue is pumped, and once then.
  void note_time() {
    if (!time_noted_) [[unlikely]]
      pass_time();
  }
  void pass_time();
  std::int64_t noted_us() const noexcept { return times_->at_us(); }
  void drop_ready(unsigned lane, DeathReason reason);
  // Instead of a lane: the index.
  static constexpr unsigned kRanked = UINT32_MAX;
  // The message to serve next, or null: none, not yet durable, or to be read first (reading has begun then).
  Entry* front(unsigned& lane);
  Entry* lane_front(unsigned lane);
  Entry take(unsigned lane);
  Entry take_from_lane(unsigned lane);  // which stays in the counts
  void die(Entry&& entry, DeathReason reason);
  void settled(const Entry& entry);
  void entered_memory(const Entry& entry) noexcept;
  void left_memory(const Entry& entry) noexcept;
  void report_memory();
  void drop_expired();
  void enforce_limits();
  void answer_gets();
  void release_delayed();
  // A value is kept off only as long as its message is in the queue.
  bool remembers_what_it_holds() const noexcept {
    return settings_->cache_size == 0 && !settings_->cache_ttl_ms;
  }
  std::int64_t remembered_until(std::int64_t from_ms) const noexcept;
  void update_deadline();

  // queue_consumers.cpp
  QueueConsumer* next_consumer();
  void deliver_ready();
  void hold(Entry&& entry, const ConsumerKey& holder);
  Entry let_go(boost::unordered_flat_map<std::uint64_t, Unacked>::iterator unacked);
  void send(QueueConsumer& consumer, Entry&& entry);
  Delivery make_delivery(const Entry& entry) const;
  // In order; all of them are in unacked_, or were.
  std::vector<std::uint64_t> held_by(ConnectionId connection);
  void give_back(Entry&& entry, bool failed);
  void put_returned(Entry&& entry);
  // Where it goes if not before all others of its lane; null: it does.
  Entries* younger_place_of(Lane& lane, const Entry& entry) const noexcept;

  // queue_storage.cpp
  void load(unsigned lane);
  void loaded(unsigned lane, result<Buffer> piece);
  void take_item(unsigned lane, LaneRun& run, const storage::StoredItem& item, std::uint64_t offset);
  void found_damage(LaneRun& run, std::uint64_t offset);
  void set_aside(unsigned lane, LaneRun& run, std::string_view why);
  void release_stored(const Entry& entry);
  void drop_released_runs(Lane& lane);
  void for_each_pinned(const std::function<void(Entry&)>& visit);
  void for_each_held(
      const std::function<void(Entry&)>& visit);  // those of for_each_pinned that are not ready
  void collect_lanes(std::vector<std::size_t> tail_entries, storage::Lsn through, Spill& spill,
                     bool whole_index = false);

  // queue_memory.cpp
  void put_memory(Buffer& out) const;
  void recover_window(RecoveredQueue& recovered);
  void recover_retries(RecoveredQueue& recovered);
  // Those of the run's unread stretch that wait leave memory, and are read back with it.
  void leave_retries(unsigned lane, const LaneRun& run);
  // Takes the retry of an item that was read. True: it waits on.
  bool take_retry(std::uint64_t seq, Retry& retry);
  // Those of the run that are not read come no more. Returns how many of them were not ready yet.
  std::uint64_t keep_retries(unsigned lane, const LaneRun& run);

  // queue_ranked.cpp
  void put_ranks(Buffer& out) const;
  // As settings_ say from now on.
  void change_scheduling();
  void take_recovered_ranks();
  void put_ranked(Entry&& entry);
  // Moves what came into the index, and ranks anew what was ranked by other settings: a bounded step.
  void rank_arrivals();
  void pump_ranked();
  // The oldest of what waits in the lanes and may be ranked. Nothing older than `read_from` is left out.
  Entry* oldest_arrival(unsigned& lane, std::uint64_t& read_from);
  Entry* ranked_front();
  Entry take_ranked();
  // One, the last. False: it is being read, with others if more are in excess.
  bool drop_last_ranked(std::uint64_t excess);
  void drop_expired_ranked();
  void drop_taken(RankedMessage&& taken, DeathReason reason);
  void learn_size(const Entry& entry, std::int64_t held_us);

  // queue_parked.cpp
  // What nothing in the log says of goes to a segment with what is younger, or with the whole index.
  void pick_unlogged(std::vector<std::vector<const Entry*>>& picked, bool whole_index);
  bool may_be_parked(const Entry& entry);
  // Bounded steps: of what is too much in memory, and of what is wanted there.
  void park_surplus();
  void park_later();
  void fetch_parked();
  bool ask_for(const Parked::Item& item);
  void gather_parked();
  void plan_fetches();
  void fetch(Fetching::Fetch&& what);
  void fetched(Fetching::Fetch&& what, result<Buffer> piece);
  void take_parked(const Parked::Item& item, MessageRef message, bool transient);
  void lose_parked(const Fetching::Fetch& what, std::string_view why);
  // Everything that is in runs and not in memory is read again: nothing is parked any more.
  void read_again();
  void revive_returns();
  void forget_marks();

  QueueHost& host_;
  std::shared_ptr<const QueueSpec> spec_;            // the replicas' own
  std::shared_ptr<const QueueSettings> settings_;    // most queues of a shard share theirs
  std::vector<std::unique_ptr<Lane>> lanes_;         // by priority; made when first used
  std::unique_ptr<RankedOrder> ranked_;              // null: served from the lanes alone
  std::unique_ptr<RecoveredRanks> recovered_ranks_;  // until the first pump, for policies that come behind
  boost::unordered_flat_map<std::uint64_t, Unacked> unacked_;
  std::multimap<std::int64_t, Entry> delayed_;
  std::unique_ptr<UnreadRetries> unread_retries_;
  boost::unordered_flat_map<std::uint64_t, Entry> transfers_;
  boost::unordered_flat_set<std::uint64_t> skip_;                    // settled items of runs not read yet
  boost::unordered_flat_map<std::uint64_t, std::uint32_t> revived_;  // unsettled items before read_from_seq
  SeqSet
      again_;  // likewise, to be read again: not with a consumer since then. A restart tries those that fail
  boost::unordered_flat_map<std::uint64_t, std::uint32_t> recovered_counts_;  // deliveries of unread items
  ConsumerSet consumers_;
  std::unique_ptr<Closures> closures_;
  std::vector<Task> waiting_gets_;
  std::unique_ptr<DeduplicationWindow> window_;  // made when first asked
  std::uint64_t next_seq_ = 1;
  std::uint64_t delivered_through_ = 0;
  std::uint64_t recovered_through_ = 0;  // sequences up to here may have been delivered before a restart
  std::uint64_t ready_ = 0;              // messages to be served, wherever they are
  std::uint64_t ready_bytes_ = 0;        // their bodies
  std::uint64_t unacked_bytes_ = 0;      // of bodies
  QueueCounters counters_;
  std::unique_ptr<QueueTimes> times_;  // made with the first message
  std::uint64_t memory_bytes_ = 0;
  std::int64_t memory_change_ = 0;  // not reported yet: of a message in several queues of the shard once
  std::int64_t used_ms_ = 0;        // last use, for x-expires
  std::uint64_t read_bytes_ = 0;    // what the next read must cover, when an item is longer than a piece
  std::uint64_t load_generation_ = 0;
  bool ttl_seen_ = false;  // some message may expire
  bool had_consumer_ = false;
  bool closing_ = false;
  bool time_noted_ = false;
  std::shared_ptr<void> alive_;  // made by the first read from disk, whose answer may come too late
};

}  // namespace millrace::broker
