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

// On a single core, what one waits for cannot happen while one looks.
[[nodiscard]] bool several_cores() noexcept;

// How often who waits looks again before it sleeps: more where that helped lately, hardly where it did not
// (because the other side works long, or wants the same core). One looks at a time, so that those who look do
// not take the cores from those who work.
class Lookout {
 public:
  // 0: sleep at once. Otherwise end() is to be called.
  [[nodiscard]] unsigned begin() noexcept {
    if (!several_cores() || somebody_looks_.exchange(true, std::memory_order_acquire)) return 0;
    return looks_;
  }
  void end(bool helped) noexcept {
    looks_ = helped ? (looks_ < kMost / 2 ? looks_ * 2 : kMost) : (looks_ > kLeast * 2 ? looks_ / 2 : kLeast);
    somebody_looks_.store(false, std::memory_order_release);
  }

 private:
  static constexpr unsigned kLeast = 2;
  static constexpr unsigned kMost = 64;

  std::atomic<bool> somebody_looks_{false};
  unsigned looks_ = kMost;  // of who looks
};

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
