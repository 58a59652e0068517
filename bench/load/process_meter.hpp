// What another process has used of the machine: the numbers that stay comparable when the machine is noisy.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

namespace millrace::load {

// Adds up a process and those below it, as they are at construction. Pid 0 meters nothing and answers 0.
// Throws Failure if there is no such process.
class ProcessMeter {
 public:
  explicit ProcessMeter(pid_t pid);

  bool on() const noexcept { return !pids_.empty(); }
  // User and system time of all threads, those that ended included.
  std::uint64_t cpu_ns() const;
  std::uint64_t resident_bytes() const { return status_bytes("VmRSS:"); }
  // The most that was resident since reset_peak().
  std::uint64_t peak_bytes() const { return status_bytes("VmHWM:"); }
  // Needs the right to write the process's clear_refs; without it the peak counts from the process's start.
  void reset_peak() const;

 private:
  std::uint64_t status_bytes(const char* field) const;

  std::vector<pid_t> pids_;
};

// CPU time of this process.
std::uint64_t own_cpu_ns();

}  // namespace millrace::load
