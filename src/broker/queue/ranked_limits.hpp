// How much of a ranked queue is in memory; the rest is parked (parked.hpp).
#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace::broker {

struct RankedLimits {
  std::size_t max_messages = 262'144;
  std::uint64_t max_bytes = 256u << 20;  // that they take
  // As much again may come until it is parked; then the rest waits in the lanes.
  std::size_t overhang_messages = 65'536;
  std::uint64_t overhang_bytes = 64u << 20;
  // What stays when the shard needs memory: neither more messages nor more bytes.
  std::size_t least_messages = 4096;
  std::uint64_t least_bytes = 1u << 20;
  // Worth a segment, when what is in none yet is in the way of parking; of a queue with less than four times
  // as much, a quarter is.
  std::uint64_t store_bytes = 8u << 20;
  // Fetched together: at first, since the queue waits for them, and when it is known that more are wanted.
  std::size_t min_fetch = 64;
  std::size_t max_fetch = 32'768;
  std::uint64_t max_fetch_bytes = 16u << 20;
};

}  // namespace millrace::broker
