#include "client/tasks/stop_signals.hpp"

#include <atomic>

namespace millrace::tasks {
namespace {

std::atomic<int> seen{0};
static_assert(std::atomic<int>::is_always_lock_free, "used by a signal handler");

void count_signal(int) {
  ++seen;
}

}  // namespace

StopSignals::StopSignals() {
  seen = 0;
  struct sigaction action {};
  action.sa_handler = count_signal;
  sigemptyset(&action.sa_mask);
  sigaction(SIGTERM, &action, &on_terminate_);
  sigaction(SIGINT, &action, &on_interrupt_);
}

StopSignals::~StopSignals() {
  sigaction(SIGTERM, &on_terminate_, nullptr);
  sigaction(SIGINT, &on_interrupt_, nullptr);
}

int StopSignals::count() const noexcept {
  return seen;
}

}  // namespace millrace::tasks
