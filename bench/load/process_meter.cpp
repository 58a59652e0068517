#include "load/process_meter.hpp"

#include <fmt/format.h>

#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include "load/clock.hpp"
#include "load/failure.hpp"

namespace millrace::load {

namespace {

std::uint64_t read_clock(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * kSecond + static_cast<std::uint64_t>(time.tv_nsec);
}

// The clock reads what utime + stime of /proc/PID/stat hold, in nanoseconds instead of ticks of 10 ms.
// A child may end at any time.
std::uint64_t process_cpu_ns(pid_t pid) {
  clockid_t clock{};
  return clock_getcpuclockid(pid, &clock) == 0 ? read_clock(clock) : 0;
}

void add_with_children(pid_t pid, std::vector<pid_t>& pids) {
  pids.push_back(pid);
  std::error_code none;
  for (const auto& task : std::filesystem::directory_iterator(fmt::format("/proc/{}/task", pid), none)) {
    std::ifstream children(task.path() / "children");
    for (pid_t child; children >> child;) add_with_children(child, pids);
  }
}

}  // namespace

ProcessMeter::ProcessMeter(pid_t pid) {
  if (pid == 0) return;
  if (process_cpu_ns(pid) == 0) throw Failure(fmt::format("--pid {}: no such process", pid));
  add_with_children(pid, pids_);
}

std::uint64_t ProcessMeter::cpu_ns() const {
  std::uint64_t sum = 0;
  for (const pid_t pid : pids_) sum += process_cpu_ns(pid);
  if (on() && sum == 0) throw Failure("the measured process is gone");
  return sum;
}

std::uint64_t ProcessMeter::status_bytes(const char* field) const {
  std::uint64_t sum = 0;
  for (const pid_t pid : pids_) {
    std::ifstream status(fmt::format("/proc/{}/status", pid));
    std::string line;
    while (std::getline(status, line) && !line.starts_with(field)) {
    }
    if (status) sum += std::stoull(line.substr(std::strlen(field))) * 1024;
  }
  if (on() && sum == 0) throw Failure("the measured process is gone");
  return sum;
}

void ProcessMeter::reset_peak() const {
  for (const pid_t pid : pids_) std::ofstream(fmt::format("/proc/{}/clear_refs", pid)) << "5\n";
}

std::uint64_t own_cpu_ns() {
  return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

}  // namespace millrace::load
