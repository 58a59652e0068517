// How often, and when, a read of a segment that failed is tried again: a passing error of the disk must not
// cost a message. docs/decisions/0016-what-cannot-be-read-is-kept.md.
#pragma once

#include <cstdint>

namespace millrace::broker {

class ReadRetry {
 public:
  static constexpr unsigned kMax = 5;
  static constexpr std::int64_t kFirstDelayMs = 100;  // doubled each time: some three seconds in all

  // A read failed. False: it has been tried often enough.
  bool again(std::int64_t now_ms) noexcept {
    if (failures_ == kMax) return false;
    at_ms_ = now_ms + (kFirstDelayMs << failures_++);
    return true;
  }
  void succeeded() noexcept { *this = {}; }
  // Not to be tried before this, by the wall clock.
  std::int64_t at_ms() const noexcept { return at_ms_; }

 private:
  std::int64_t at_ms_ = 0;
  unsigned failures_ = 0;
};

}  // namespace millrace::broker
