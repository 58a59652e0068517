// The messages that one x-delayed-message exchange holds back, at the exchange's owner shard.
//
// New ones wait in memory. What is spilled goes to a segment as one run, sorted by due time, so that a run is
// read back front to back, a piece at a time, shortly before it is due: what is held back costs disk, not
// memory. docs/decisions/0010-remembering-exchanges.md says why, docs/format/records.md has the bytes.
//
// Order: messages are passed on by (due time, arrival). Durability: those that are persistent are in the log,
// and from there in a durable segment; one is settled only when what it was routed to has it.
// Thread: the owner shard's.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/reader.hpp"
#include "broker/message.hpp"
#include "broker/queue/queue.hpp"
#include "broker/specs.hpp"
#include "storage/segments.hpp"

namespace millrace::broker {

struct DelayedMessage {
  MessageRef message;
  std::vector<std::string> keys;  // to route it by: the routing key, CC and BCC
  std::int64_t due_ms = 0;        // wall clock
  std::uint64_t seq = 0;          // order of arrival in the store, from 1
  storage::Lsn lsn;               // of its log record; 0: none, or no longer needed
  bool persistent = false;
  bool stored = false;       // a run holds it,
  std::uint64_t run = 0;     // this one, once it was read back from there,
  std::uint64_t offset = 0;  // here in its file
};

// What precedes header and body of the message in a log record or segment item.
void put_delayed_prefix(Buffer& out, const DelayedMessage& delayed);
// Absent: malformed. `message` reads what follows the part that is the store's own.
using ReadMessage = std::function<MessageRef(ByteView stored)>;
std::optional<DelayedMessage> read_delayed(ByteView stored, const ReadMessage& message = read_message);

class DelayedStore;

class DelayedHost {
 public:
  virtual ~DelayedHost() = default;
  virtual std::int64_t now_ms() const noexcept = 0;
  // Routes the message. True: it may be settled at once; otherwise DelayedStore::finish says when.
  virtual bool pass_on(DelayedStore& store, const DelayedMessage& delayed) = 0;
  // settled_this_turn has something to be logged before the turn ends.
  virtual void has_settled(DelayedStore& store) = 0;
  // next_ms() may be another.
  virtual void rescheduled(DelayedStore& store) = 0;
  virtual void read_segment(storage::SegmentId segment, std::uint64_t offset, std::size_t bytes,
                            storage::Segments::ReadDone done) = 0;
  virtual void run_released(const storage::SegmentRun& run) = 0;
  // As QueueHost's; at most so many messages.
  virtual void set_aside(DelayedStore& store, const storage::SegmentRun& run, std::uint64_t messages,
                         std::string_view why) = 0;
  virtual void memory_changed(std::int64_t bytes) = 0;
};

// What a checkpoint says of a run.
struct DelayedRun {
  storage::SegmentRun run;
  std::uint64_t next_offset = 0;  // in the file, of the first item not read
  // No item not read goes before this: in a run, too, they are in order of (due time, arrival).
  std::int64_t next_due_ms = 0;
  std::uint64_t next_seq = 0;  // of those due at that time; not in the checkpoint
  bool recovered = false;      // from before a restart: its transient items are gone
};

// A checkpoint's state, changed by the records that follow it.
struct RecoveredDelayed {
  std::uint64_t next_seq = 1;
  std::uint64_t stored_through = 0;  // persistent messages up to here are settled or in runs
  std::vector<DelayedRun> runs;
  boost::unordered_flat_set<std::uint64_t> skip;  // settled, in what is unread of the runs
  std::map<std::uint64_t, DelayedMessage> logged;

  void add(DelayedMessage delayed);
  // `in_state`: the checkpoint's state knows of it.
  void settle(std::uint64_t seq, bool in_state);
  // False: it was settled. Of what lies in runs that is not known for sure.
  bool may_hold(std::uint64_t seq) const;
};

class DelayedStore {
 public:
  // How long before it is due a message is read back.
  static constexpr std::int64_t kReadAheadMs = 2000;
  // What pieces read back may take together, as long as each is at least kMinPieceBytes.
  static constexpr std::size_t kReadBackBytes = 32u << 20;
  static constexpr std::size_t kMinPieceBytes = 16u << 10;
  static constexpr std::size_t kMaxReads = 8;  // at once
  // Passed on in one turn; the rest waits for the next, so that others get theirs.
  static constexpr unsigned kMaxPassedAtOnce = 2048;
  // Passed on and not yet confirmed by other shards; beyond, the due ones wait.
  static constexpr std::size_t kMaxInFlight = 16384;
  // What a message takes in memory apart from itself, about.
  static constexpr std::uint64_t kEntryBytes = 256;

  DelayedStore(DelayedHost& host, ExchangeSpec spec) : host_(host), spec_(std::move(spec)) {}
  DelayedStore(const DelayedStore&) = delete;
  ~DelayedStore();  // gives back runs and memory

  const ExchangeSpec& spec() const noexcept { return spec_; }
  std::uint64_t entity() const noexcept { return spec_.store.value << 8; }
  void recover(RecoveredDelayed&& recovered);

  std::uint64_t take_seq() noexcept { return next_seq_++; }
  void add(DelayedMessage delayed);
  // Passes on what is due, and reads back what soon will be.
  void pump();
  // When pump() has something to do next; Entry::kNever: when something happens.
  std::int64_t next_ms() const noexcept;
  // What is to be passed on and has not arrived, or null.
  const DelayedMessage* passed_on(std::uint64_t seq) const noexcept;
  // What was passed on has arrived.
  void finish(std::uint64_t seq);

  std::size_t in_memory() const noexcept { return waiting_.size(); }
  std::size_t in_flight() const noexcept { return in_flight_.size(); }
  std::size_t runs() const noexcept { return runs_.size(); }
  // Of messages that no run holds.
  std::uint64_t spillable_bytes() const noexcept { return spillable_bytes_; }

  // As Queue's: what the log through `through` holds alone, and the oldest in memory.
  void collect(storage::Lsn through, Spill& spill);
  void collect_oldest(std::uint64_t bytes, storage::Lsn durable, Spill& spill);
  // What was collected last is stored in the run.
  void spilled(const storage::SegmentRun& run);
  void for_each_run(const std::function<void(const storage::SegmentRun&)>& visit) const;

  void put_state(Buffer& out) const;
  static RecoveredDelayed read_state(Reader& in);

  std::vector<std::uint64_t> settled_this_turn;
  std::int64_t deadline_ms = Entry::kNever;  // the host's note

 private:
  struct Run : DelayedRun {
    bool loading = false;
    ReadRetry retry;
    std::size_t wanted_bytes = 0;  // an item longer than a piece
    std::uint64_t last_place = 0;  // in the run, from 1, of the last item read
    std::uint64_t damaged = 0;     // items
    // Offsets of items read and not settled. Damaged ones are among them for ever, so that the run is kept.
    std::set<std::uint64_t> out;
    std::map<std::uint64_t, std::uint64_t> done;  // offset → seq: settled, after the first of `out`
    std::uint64_t end() const noexcept { return run.offset + run.bytes; }
    // A restart reads on from here.
    std::uint64_t cursor() const noexcept { return out.empty() ? next_offset : *out.begin(); }
  };

  // Where a run's next item stands among the unread: (due, seq, number).
  using Place = std::tuple<std::int64_t, std::uint64_t, std::uint64_t>;
  static Place place_of(std::uint64_t number, const Run& run) noexcept {
    return {run.next_due_ms, run.next_seq, number};
  }

  void hold(DelayedMessage delayed);
  void settle(const DelayedMessage& delayed);
  void settle_in_run(std::uint64_t number, std::uint64_t offset, std::uint64_t seq);
  void add_run(DelayedRun run);
  void release_if_done(std::uint64_t number);
  // Whether one that is unread in its segment may go before all in memory.
  bool overtakes() const noexcept;
  bool may_read() const noexcept;
  void read_ahead();
  void load(std::uint64_t number);
  void loaded(std::uint64_t number, result<Buffer> piece);
  void take_item(std::uint64_t number, std::uint64_t offset, const storage::StoredItem& item);
  static void found_damage(Run& run, std::uint64_t offset);
  void write_items(std::vector<const DelayedMessage*> chosen, Spill& spill);
  void account(const DelayedMessage& delayed, int sign);

  DelayedHost& host_;
  ExchangeSpec spec_;
  std::map<std::uint64_t, DelayedMessage> waiting_;       // in memory, by seq
  std::set<std::pair<std::int64_t, std::uint64_t>> due_;  // the same, by (due, seq)
  boost::unordered_flat_map<std::uint64_t, DelayedMessage> in_flight_;
  std::map<std::uint64_t, Run> runs_;              // by number
  std::set<Place> unread_;                         // of those not read out
  boost::unordered_flat_set<std::uint64_t> skip_;  // settled, in what is unread of the runs
  std::vector<std::uint64_t> collected_;           // being written to a segment
  std::uint64_t next_seq_ = 1;
  std::uint64_t next_run_ = 1;
  std::uint64_t stored_through_ = 0;
  std::size_t reads_ = 0;  // under way
  std::uint64_t memory_bytes_ = 0;
  std::uint64_t spillable_bytes_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace millrace::broker
