// How much of its time a thread is at work, by its CPU clock, which costs a system call: asked for once a
// window.
//
// The thread calls turned() after each of its turns; permille() may be called by any thread.
#pragma once

#include <atomic>

#include "runtime/clock.hpp"

namespace millrace::runtime {

class BusyShare {
 public:
  static constexpr Nanoseconds kWindow = std::chrono::milliseconds(100);

  // `cpu_clock` is called with no argument for the CPU time that the thread has had so far.
  template <class CpuClock>
  void turned(Nanoseconds now, CpuClock cpu_clock) {
    const Nanoseconds length = now - Nanoseconds(window_start_.load(std::memory_order_relaxed));
    if (length < kWindow) return;
    const Nanoseconds cpu = cpu_clock();
    permille_.store(static_cast<unsigned>(1000 * (cpu - cpu_at_start_) / length), std::memory_order_relaxed);
    window_start_.store(now.count(), std::memory_order_relaxed);
    cpu_at_start_ = cpu;
  }
  // Of the last window; of a thread that has had no turn for two windows, nothing.
  unsigned permille(Nanoseconds now) const noexcept {
    const Nanoseconds start(window_start_.load(std::memory_order_relaxed));
    return now - start > 2 * kWindow ? 0 : permille_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<std::int64_t> window_start_{0};
  Nanoseconds cpu_at_start_{};
  std::atomic<unsigned> permille_{0};
};

}  // namespace millrace::runtime
