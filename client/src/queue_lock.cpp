#include "millrace/detail/queue_lock.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <ctime>
#include <thread>

namespace millrace::detail {
namespace {

constexpr unsigned kSpinsForLock = 40;

// A constant of the machine, asked for once.
const bool kSeveralCores = std::thread::hardware_concurrency() > 1;

}  // namespace

bool several_cores() noexcept {
  return kSeveralCores;
}

void sleep_on(const std::atomic<std::uint32_t>& word, std::uint32_t expected, SteadyTime deadline) noexcept {
  timespec until{};
  const timespec* timeout = nullptr;
  if (deadline != kNoDeadline) {
    // libstdc++'s steady_clock is CLOCK_MONOTONIC, which FUTEX_WAIT_BITSET takes absolute times of.
    const auto since_boot = std::chrono::duration_cast<std::chrono::nanoseconds>(deadline.time_since_epoch());
    if (since_boot.count() <= 0) return;
    until.tv_sec = static_cast<time_t>(since_boot.count() / 1'000'000'000);
    until.tv_nsec = static_cast<long>(since_boot.count() % 1'000'000'000);
    timeout = &until;
  }
  syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, expected, timeout, nullptr, FUTEX_BITSET_MATCH_ANY);
}

void wake_one_on(const std::atomic<std::uint32_t>* word) noexcept {
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

void QueueLock::lock_slowly() noexcept {
  if (kSeveralCores) {
    for (unsigned round = 0; round < kSpinsForLock; ++round) {
      // Longer and longer, so that the holder gets several turns out of the cache line that it has.
      for (unsigned pauses = 0; pauses < round; ++pauses) pause_briefly();
      std::uint32_t expected = kFree;
      if (state_.load(std::memory_order_relaxed) == kFree &&
          state_.compare_exchange_strong(expected, kHeld, std::memory_order_acquire,
                                         std::memory_order_relaxed)) {
        return;
      }
    }
  }
  // Whoever sleeps leaves the mark that makes the holder wake somebody, and takes the lock with it: others
  // may sleep still.
  while (state_.exchange(kSomebodySleeps, std::memory_order_acquire) != kFree) {
    sleep_on(state_, kSomebodySleeps, kNoDeadline);
  }
}

}  // namespace millrace::detail
