// What a queue has that serves by rank. Messages arrive in its lanes like those of any queue, and move from
// there into the index when they are durable, some at a time; what does not fit into the index waits in the
// lanes, in order of arrival. Thread: the queue's shard.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <deque>
#include <map>
#include <string>

#include "base/buffer.hpp"
#include "base/reader.hpp"
#include "broker/queue/rank_index.hpp"
#include "broker/queue/ranker.hpp"

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

struct RankedOrder {
  // Messages ranked in one go, in at most kMaxRounds goes a turn: well below a millisecond.
  static constexpr std::size_t kAtOnce = 32;
  // Beyond these the index takes nothing from the lanes.
  static constexpr std::size_t kMaxMessages = 262'144;
  static constexpr std::uint64_t kMaxBytes = 256u << 20;  // that its messages take

  explicit RankedOrder(SchedulingSettings settings) : ranker(std::move(settings)) {}

  bool is_empty() const noexcept { return size == 0; }
  bool is_full() const noexcept { return size >= kMaxMessages || bytes >= kMaxBytes; }
  // The index to serve from; there is a message. What is not ranked by the settings of now comes last.
  RankIndex& serving() noexcept { return ready.empty() ? earlier.front() : ready; }
  void put(Entry&& entry, std::int64_t rank) {
    ++size;
    bytes += entry.message->footprint();
    ready.put(std::move(entry), rank);
  }
  RankedMessage took(RankedMessage&& message) {
    --size;
    bytes -= message.entry.message->footprint();
    while (!earlier.empty() && earlier.front().empty()) earlier.pop_front();
    return std::move(message);
  }
  template <class Visit>
  void for_each(Visit visit) {
    for (RankIndex& index : earlier) index.for_each(visit);
    ready.for_each(visit);
  }
  void clear() {
    ready.clear();
    earlier.clear();
    size = bytes = 0;
  }

  Ranker ranker;
  RankIndex ready;
  std::deque<RankIndex> earlier;  // ranked by settings that are no more: to be ranked anew; none is empty
  std::size_t size = 0;           // messages in all of them
  std::uint64_t bytes = 0;
  boost::unordered_flat_map<std::uint64_t, std::int64_t> given;  // of messages that are with consumers
  boost::unordered_flat_map<std::uint64_t, std::int64_t>
      stored;                   // of messages that a restart left in the lanes
  bool complete_first = false;  // after a restart: nothing is served before all is ranked
  Buffer notes;                 // ranks for the log
};

}  // namespace millrace::broker
