// The system's clocks.
#pragma once

#include "runtime/clock.hpp"

namespace millrace::runtime {

class SystemClock final : public Clock {
 public:
  Nanoseconds steady() const override {
    return std::chrono::duration_cast<Nanoseconds>(std::chrono::steady_clock::now().time_since_epoch());
  }
  Milliseconds wall() const override {
    return std::chrono::duration_cast<Milliseconds>(std::chrono::system_clock::now().time_since_epoch());
  }
};

}  // namespace millrace::runtime
