// What threads of millrace::queue wait with: a lock of four bytes that calls the kernel only when somebody
// sleeps, and the sleep itself.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace millrace::detail {

using SteadyTime = std::chrono::steady_clock::time_point;
inline constexpr SteadyTime kNoDeadline = SteadyTime::max();

// The processor's hint that this is a loop that waits for another one.
inline void pause_briefly() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// How often a waiter looks again before it sleeps: never on a single core, where what it waits for cannot
// happen meanwhile.
[[nodiscard]] unsigned spins_before_sleep() noexcept;

// Sleeps while `word` is `expected`, at most until `deadline`. May return early for no reason.
void sleep_on(const std::atomic<std::uint32_t>& word, std::uint32_t expected, SteadyTime deadline) noexcept;

// Wakes one thread that sleeps on the word at this address, if any. The word is not read: it may be gone.
void wake_one_on(const std::atomic<std::uint32_t>* word) noexcept;

// Short critical sections only. Not fair: who runs goes on running, which is what makes batches.
class QueueLock {
 public:
  void lock() noexcept {
    std::uint32_t expected = kFree;
    if (!state_.compare_exchange_strong(expected, kHeld, std::memory_order_acquire,
                                        std::memory_order_relaxed)) {
      lock_slowly();
    }
  }

  void unlock() noexcept {
    if (state_.exchange(kFree, std::memory_order_release) == kSomebodySleeps) wake_one_on(&state_);
  }

 private:
  static constexpr std::uint32_t kFree = 0;
  static constexpr std::uint32_t kHeld = 1;
  static constexpr std::uint32_t kSomebodySleeps = 2;  // held as well

  void lock_slowly() noexcept;

  std::atomic<std::uint32_t> state_{kFree};
};

}  // namespace millrace::detail
