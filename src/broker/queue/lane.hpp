// One priority level of a queue: where its ready messages are, oldest first.
#pragma once

#include <algorithm>
#include <boost/container/deque.hpp>
#include <cstdint>
#include <vector>

#include "broker/queue/entry.hpp"
#include "storage/segments.hpp"

namespace millrace::broker {

// Allocates nothing while empty: most queues are.
using Entries = boost::container::deque<Entry, void,
                                        boost::container::deque_options_t<boost::container::block_size<16u>>>;

// A stretch of the lane that is in a segment.
struct LaneRun {
  storage::SegmentRun run;
  std::uint64_t next_offset = 0;     // in the file, of the first item not read yet
  std::uint64_t read_from_seq = 0;   // items before it are in memory or settled, unless Queue revives them
  std::uint64_t live = 0;            // items not settled
  std::uint64_t live_transient = 0;  // of them, those that a restart drops
  bool recovered = false;            // from before a restart: its transient items are gone
  bool exhausted() const noexcept { return next_offset >= run.offset + run.bytes; }
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
  Entries returned;             // came back from a consumer; older than all that follows
  Entries head;                 // read back from segments
  LaneRuns runs;                // those before `unread` wait for their last items to be settled
  std::size_t unread = 0;       // the first run that is not exhausted
  std::size_t piece_bytes = 0;  // of the last read; doubled while reading goes on
  Entries tail;                 // in memory since it was published
  bool loading = false;

  bool has_unread() const noexcept { return unread < runs.size(); }
};

}  // namespace millrace::broker
