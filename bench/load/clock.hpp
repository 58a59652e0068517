// Monotonic time in nanoseconds.
#pragma once

#include <cstdint>
#include <ctime>

namespace millrace::load {

inline constexpr std::uint64_t kSecond = 1'000'000'000;

inline std::uint64_t now_ns() noexcept {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * kSecond + static_cast<std::uint64_t>(time.tv_nsec);
}

}  // namespace millrace::load
