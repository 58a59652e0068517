// Time, behind a seam so that simulation can own it. Nothing above src/runtime/os reads a clock of its own.
#pragma once

#include <chrono>
#include <cstdint>

namespace millrace::runtime {

using Nanoseconds = std::chrono::nanoseconds;
using Milliseconds = std::chrono::milliseconds;

class Clock {
 public:
  virtual ~Clock() = default;
  // Since an arbitrary start; never goes back. For timeouts, delays and measurements.
  virtual Nanoseconds steady() const = 0;
  // Processor time of the calling thread: what work takes, whoever else is given the processor in its middle.
  virtual Nanoseconds worked() const = 0;
  // Since the Unix epoch; may jump when the administrator sets the clock. For timestamps that people read and
  // for deadlines that must survive a restart.
  virtual Milliseconds wall() const = 0;
};

}  // namespace millrace::runtime
