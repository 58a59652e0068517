// Counts SIGTERM and SIGINT instead of dying of them, as long as it lives; one at a time in a process.
#pragma once

#include <signal.h>

namespace millrace::tasks {

class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  int count() const noexcept;

 private:
  struct sigaction on_terminate_ {};
  struct sigaction on_interrupt_ {};
};

}  // namespace millrace::tasks
