// What a queue has that serves by rank. Messages arrive in its lanes like those of any queue, and move from
// there into the index when they are durable, some at a time. When the index holds too many, those that would
// be served last are parked: they are in a segment then, and of their messages nothing is in memory. They
// come back before it is their turn. Thread: the queue's shard.
#pragma once

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/buffer.hpp"
#include "base/reader.hpp"
#include "broker/queue/parked.hpp"
#include "broker/queue/rank_index.hpp"
#include "broker/queue/ranked_limits.hpp"
#include "broker/queue/ranker.hpp"
#include "broker/queue/read_retry.hpp"
#include "broker/queue/run_marks.hpp"
#include "storage/segments.hpp"

namespace millrace::broker {

// What a restart finds of ranks that do not follow from the messages, and of learned sizes.
// docs/format/records.md has the bytes.
struct RecoveredRanks {
  std::uint32_t fingerprint = 0;                                 // of the settings that gave the ranks
  boost::unordered_flat_map<std::uint64_t, std::int64_t> ranks;  // by sequence number
  std::map<std::string, SizeEstimates::Estimate, std::less<>> estimates;

  // A queue_state record.
  void replay(Reader& in, bool in_state);
  // The checkpoint's part.
  void read_state(Reader& in);
};

// Parked messages on their way into memory.
struct Fetching {
  // Those of one stretch of a run, read together.
  struct Fetch {
    storage::SegmentId segment;
    std::uint64_t offset = 0;
    std::uint64_t end = 0;
    std::vector<Parked::Item> items;  // by sequence number; not empty
    ReadRetry retry;
    unsigned lane() const noexcept { return items.front().lane; }
  };
  // In flight at a time: commits of the log are to get in between.
  static constexpr std::size_t kReads = 16;
  // Stretches that lie close together are read in one go, up to this: a read of its own costs more than what
  // is passed over.
  static constexpr std::uint64_t kMaxReadBytes = 256u << 10;
  static constexpr std::uint64_t kMaxGapBytes = 32u << 10;

  RankPlace at;                     // when this is served next, more are to be fetched
  std::size_t batch = 0;            // how many were fetched the last time, or are now
  bool gathering = false;           // they are being picked
  std::vector<Parked::Item> asked;  // what to fetch; not known yet from where
  std::deque<Fetch> planned;
  std::vector<Fetch> failed;  // to be tried again, each at its time
  std::size_t reads = 0;      // in flight
  std::size_t to_drop = 0;    // asked for because the queue is too long, and not here yet
};

// What is being written to a segment of what the queue has in memory, lane by lane.
struct RankedWriting {
  struct Run {
    std::uint64_t first_seq = 0;
    std::uint64_t last_seq = 0;
    std::uint64_t bytes = 0;
    RunMarks marks;                   // counted from the run's first item
    std::vector<std::uint64_t> died;  // settled since
  };
  void note(unsigned lane, std::span<const storage::SegmentItem> items);
  // One that no segment holds yet is settled.
  void died(unsigned lane, const Entry& entry);
  // Written; the marks are as in the file. An empty run when another was noted.
  Run take(unsigned lane, const storage::SegmentRun& stored);

  std::map<unsigned, Run> runs;
  boost::unordered_flat_set<std::uint64_t>
      unlogged;  // that are written although nothing of them is in the log
};

struct RankedOrder {
  // Messages ranked in one go, in at most kMaxRounds goes a turn: well below a millisecond. Parked or picked
  // for fetching, twice as many.
  static constexpr std::size_t kAtOnce = 32;
  // From the end, when one is sought that may be parked.
  static constexpr std::size_t kLooks = 64;

  RankedOrder(SchedulingSettings settings, const RankedLimits& its_limits)
      : ranker(std::move(settings)), limits(its_limits) {}

  bool is_empty() const noexcept { return size == 0 && parked.empty(); }
  // There is more in memory than there should be: some is parked, down to seven eighths.
  bool is_over() const noexcept { return size > limits.max_messages || bytes > limits.max_bytes; }
  // Nothing is taken from the lanes: what should be parked cannot be, or not yet.
  bool is_full() const noexcept {
    return size >= limits.max_messages + limits.overhang_messages ||
           bytes >= limits.max_bytes + limits.overhang_bytes;
  }
  bool has_surplus() const noexcept {
    if (parking && (size > limits.max_messages / 8 * 7 || bytes > limits.max_bytes / 8 * 7)) return true;
    return give_back > 0 && (size > limits.least_messages || bytes > limits.least_bytes);
  }
  // So much of it is in the log alone that a segment of it is worth its while, should it have to be parked.
  bool should_be_stored() const noexcept {
    return (size > limits.max_messages / 4 * 3 && storable() > limits.max_messages / 8) ||
           (bytes > limits.max_bytes / 4 * 3 && storable() > 0 && unstored_bytes > limits.max_bytes / 8);
  }
  // What must be stored before more can be parked is enough for a segment, or more cannot come.
  bool is_worth_storing() const noexcept {
    return unstored_bytes >= std::min(limits.store_bytes, bytes / 4) ||
           storable() > limits.max_messages / 8 || is_full();
  }
  std::size_t storable() const noexcept { return unstored - std::min(unstored, unstorable); }
  bool has_any_in_memory() const noexcept { return size > 0; }
  // The index to serve from; there is a message. What is not ranked by the settings of now comes last.
  RankIndex& serving() noexcept { return ready.empty() ? earlier.front() : ready; }
  void put(Entry&& entry, std::int64_t rank) {
    count(entry);
    ready.put(std::move(entry), rank);
  }
  void put_earlier(RankIndex&& index) {
    if (index.empty()) return;
    index.for_each([this](const Entry& entry, std::int64_t) { count(entry); });
    earlier.push_back(std::move(index));
  }
  RankedMessage took(RankedMessage&& message) {
    const std::uint64_t footprint = message.entry.message->footprint();
    --size;
    bytes -= footprint;
    if (!message.entry.stored) {
      --unstored;
      unstored_bytes -= footprint;
    }
    while (!earlier.empty() && earlier.front().empty()) earlier.pop_front();
    return std::move(message);
  }
  template <class Visit>
  void for_each(Visit visit) {
    for (RankIndex& index : earlier) index.for_each(visit);
    ready.for_each(visit);
  }
  // An entry that visit() calls stored is counted so.
  template <class Visit>
  void for_each_unstored(Visit visit) {
    const auto visit_and_count = [&](Entry& entry) {
      visit(entry);
      if (entry.stored) stored_now(entry);
    };
    for (RankIndex& index : earlier) index.for_each_unstored(visit_and_count);
    ready.for_each_unstored(visit_and_count);
  }
  void clear() {
    ready.clear();
    earlier.clear();
    size = unstored = unstorable = 0;
    bytes = unstored_bytes = give_back = 0;
    parked.take_all();
    parked_returns.clear();
    fetching = {};
  }

  Ranker ranker;
  const RankedLimits limits;
  RankIndex ready;
  std::deque<RankIndex> earlier;  // ranked by settings that are no more: to be ranked anew; none is empty
  std::size_t size = 0;           // messages in all of them
  std::uint64_t bytes = 0;
  std::size_t unstored = 0;  // of them, those that no segment holds
  std::uint64_t unstored_bytes = 0;
  std::size_t unstorable = 0;  // of those, about: Queue::pick_unlogged() left them
  Parked parked;
  // Of parked messages that have been with a consumer: more than their items in segments say.
  struct Returns {
    std::uint32_t deliveries = 0;  // Entry::delivery_count
    std::uint32_t returns = 0;
  };
  boost::unordered_flat_map<std::uint64_t, Returns> parked_returns;
  Fetching fetching;
  RankedWriting writing;
  bool parking = false;           // since there was too much in memory
  bool stuck = false;             // for now, nothing of it can be parked, nor be stored to be parked then
  std::uint64_t give_back = 0;    // bytes of memory that the shard wants
  std::int64_t park_from_ms = 0;  // not before: the index could not be written, or be read
  boost::unordered_flat_map<std::uint64_t, std::int64_t> given;  // of messages that are with consumers
  boost::unordered_flat_map<std::uint64_t, std::int64_t>
      stored;                   // of messages that a restart left in the lanes
  bool complete_first = false;  // after a restart: nothing is served before all is ranked
  bool reading_again = false;   // what was parked comes by the lanes, and belongs in front of what they hold
  Buffer notes;                 // ranks for the log

 private:
  void stored_now(const Entry& entry) noexcept {
    --unstored;
    unstored_bytes -= entry.message->footprint();
  }
  void count(const Entry& entry) noexcept {
    const std::uint64_t footprint = entry.message->footprint();
    ++size;
    bytes += footprint;
    if (entry.stored) return;
    ++unstored;
    unstored_bytes += footprint;
  }
};

}  // namespace millrace::broker
