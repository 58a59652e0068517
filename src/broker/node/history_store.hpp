// What an exchange of type x-recent-history remembers, and how that outlives a restart.
//
// All of it is in memory, bounded as RecentHistory says. Of a durable exchange, persistent messages with
// bodies of up to kMaxKeptBody are records of the log as well, and are moved to a segment when the log needs
// its room. Nothing is logged when one is pushed out: those that came after it say so.
// Thread: the owner shard's.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <vector>

#include "base/reader.hpp"
#include "broker/exchange/recent_history.hpp"
#include "broker/queue/queue.hpp"
#include "broker/specs.hpp"
#include "storage/segments.hpp"

namespace millrace::broker {

// A checkpoint's state, changed by the records that follow it.
struct RecoveredHistory {
  std::uint64_t next_seq = 1;
  std::uint64_t first_seq = 1;  // those before it were pushed out
  std::vector<storage::SegmentRun> runs;
  struct Logged {
    MessageRef message;
    storage::Lsn lsn;
  };
  std::map<std::uint64_t, Logged> logged;

  void add(std::uint64_t seq, MessageRef message, storage::Lsn lsn);
};

class HistoryStore {
 public:
  static constexpr std::size_t kMaxKeptBody = 1u << 20;

  using RunReleased = std::function<void(const storage::SegmentRun&)>;
  using ReadRun = std::function<result<Buffer>(const storage::SegmentRun&)>;

  HistoryStore(const ExchangeSpec& spec, RunReleased released)
      : history_(spec), durable_(spec.durable), store_(spec.store), released_(std::move(released)) {}
  HistoryStore(const HistoryStore&) = delete;
  ~HistoryStore();  // gives back its runs

  const std::deque<MessageRef>& messages() const noexcept { return history_.messages(); }
  std::size_t bytes() const noexcept { return history_.bytes(); }
  bool durable() const noexcept { return durable_; }
  QueueId store() const noexcept { return store_; }
  std::uint64_t entity() const noexcept { return store_.value << 8; }

  // True: a restart is to remember it, too; append its record (put_record), then call logged().
  bool remember(MessageRef message, const MessageFormats& formats);
  // What precedes the message's header and body in the record of the last message remembered.
  void put_record(Buffer& out) const;
  void logged(storage::Lsn lsn);

  // As Queue's.
  void collect(storage::Lsn through, Spill& spill) const;
  void spilled(const storage::SegmentRun& run);
  void for_each_run(const std::function<void(const storage::SegmentRun&)>& visit) const;
  void put_state(Buffer& out) const;
  static RecoveredHistory read_state(Reader& in);
  // Reads the runs at once. Returns how many messages of them could not be read.
  std::uint64_t recover(RecoveredHistory&& recovered, const MessageFormats& formats, const ReadRun& read);

 private:
  struct Note {
    std::uint64_t seq = 0;
    storage::Lsn lsn;
    bool kept = false;    // a restart remembers it
    bool stored = false;  // a run holds it
  };
  bool take(MessageRef message, Note note, const MessageFormats& formats);
  std::uint64_t first_seq() const noexcept { return notes_.empty() ? next_seq_ : notes_.front().seq; }
  void drop_runs();

  RecentHistory history_;
  std::deque<Note> notes_;  // of the messages
  std::vector<storage::SegmentRun> runs_;
  std::uint64_t next_seq_ = 1;
  bool durable_;
  QueueId store_;
  RunReleased released_;
};

}  // namespace millrace::broker
