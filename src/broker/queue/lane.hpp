// One priority level of a queue: where its ready messages are, oldest first.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "broker/queue/entry.hpp"
#include "broker/queue/read_retry.hpp"
#include "broker/queue/returned.hpp"
#include "broker/queue/run_marks.hpp"
#include "storage/segments.hpp"

namespace millrace::broker {

// A stretch of the lane that is in a segment.
struct LaneRun {
  storage::SegmentRun run;
  std::uint64_t next_offset = 0;     // in the file, of the first item not read yet
  std::uint64_t read_from_seq = 0;   // items before it are in memory or settled, unless Queue says otherwise
  std::uint64_t live = 0;            // items not settled
  std::uint64_t live_transient = 0;  // of them, those that a restart drops
  bool recovered = false;            // from before a restart: its transient items are gone
  std::int64_t oldest_ms = 0;        // what is unread came then or later, wall clock; 0: not known
  // The first item that is damaged, and what read_from_seq was there; kNone: there is none. A restart reads
  // on from here, once more, so that a file that has been repaired gives back what it holds.
  static constexpr std::uint64_t kNone = UINT64_MAX;
  std::uint64_t damaged_offset = kNone;
  std::uint64_t damaged_from_seq = kNone;
  std::uint64_t aside = 0;           // live items that could not be read: they count as ready no more
  std::uint64_t parked = 0;          // live items that are ranked, and in memory no more
  std::int64_t parked_since_ms = 0;  // the oldest of those came then or later, wall clock
  RunMarks marks;                    // for those; of ranked queues only
  std::uint64_t end() const noexcept { return run.offset + run.bytes; }
  bool damaged() const noexcept { return damaged_offset != kNone; }
  bool exhausted() const noexcept { return next_offset >= end(); }
};

using LaneRuns = std::vector<LaneRun>;

// The run that holds the sequence number. Those of one lane do not overlap.
template <class Runs>
auto* find_run(Runs& runs, std::uint64_t seq) noexcept {
  const auto it = std::lower_bound(runs.begin(), runs.end(), seq,
                                   [](const LaneRun& run, std::uint64_t s) { return run.run.last_seq < s; });
  return it == runs.end() || it->run.first_seq > seq ? static_cast<decltype(&*it)>(nullptr) : &*it;
}

struct Lane {
  Returned returned;            // came back from a consumer; older than all that follows
  Entries head;                 // read back from segments
  LaneRuns runs;                // those before `unread` wait for their last items to be settled,
                                // or hold items that could not be read: set aside, and kept
  std::size_t unread = 0;       // the first run that is neither exhausted nor set aside
  std::size_t piece_bytes = 0;  // of the last read; doubled while reading goes on
  Entries tail;                 // in memory since it was published
  ReadRetry retry;              // of the run that is read
  bool loading = false;

  bool has_unread() const noexcept { return unread < runs.size(); }
  bool is_empty() const noexcept { return returned.empty() && head.empty() && tail.empty() && !has_unread(); }
  // Nothing is to be read of them for now: `unread` is another one, or behind them all.
  void pass_exhausted() noexcept {
    while (has_unread() && runs[unread].exhausted()) ++unread;
  }
  // Its place is by sequence number. What is to be read is younger than all others.
  void add(LaneRun&& run) {
    const auto at =
        std::lower_bound(runs.begin(), runs.end(), run.run.last_seq,
                         [](const LaneRun& other, std::uint64_t seq) { return other.run.last_seq < seq; });
    if (run.exhausted() && at - runs.begin() <= static_cast<std::ptrdiff_t>(unread)) ++unread;
    runs.insert(at, std::move(run));
  }

  // Those that are in memory, in no order.
  template <class Visit>
  void for_each(Visit visit) {
    returned.for_each(visit);
    for (Entry& entry : head) visit(entry);
    for (Entry& entry : tail) visit(entry);
  }
};

}  // namespace millrace::broker
