// One message in one queue, as long as it is in memory.
#pragma once

#include <cstdint>

#include "broker/message.hpp"
#include "storage/record.hpp"

namespace millrace::broker {

struct Entry {
  MessageRef message;
  std::uint64_t seq = 0;             // place in the queue, dense from 1
  storage::Lsn lsn;                  // of its log record; 0: not logged
  std::int64_t arrival_ms = 0;       // wall clock
  std::int64_t expires_ms = kNever;  // wall clock
  std::uint32_t delivery_count = 0;  // failed deliveries so far
  std::uint32_t returns = 0;         // times it came back, for whatever cause
  // Steady clock: when it became ready, or was delivered; before the clock began for what is older. Shares a
  // word with the flags, so that it costs no memory.
  std::int64_t since_us : 61 = 0;
  bool redelivered : 1 = false;
  bool persistent : 1 = false;  // its settlement must be logged
  bool stored : 1 = false;      // a segment holds it

  static constexpr std::int64_t kNever = INT64_MAX;
};
static_assert(sizeof(Entry) == 56);

}  // namespace millrace::broker
