// The system's clocks.
#pragma once

#include <time.h>

#include "runtime/clock.hpp"

namespace millrace::runtime {

class SystemClock final : public Clock {
 public:
  Nanoseconds steady() const override {
    return std::chrono::duration_cast<Nanoseconds>(std::chrono::steady_clock::now().time_since_epoch());
  }
  Nanoseconds worked() const override {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + Nanoseconds(time.tv_nsec);
  }
  Milliseconds wall() const override {
    return std::chrono::duration_cast<Milliseconds>(std::chrono::system_clock::now().time_since_epoch());
  }
};

}  // namespace millrace::runtime
