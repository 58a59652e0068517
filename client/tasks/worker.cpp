#include "millrace/tasks/worker.hpp"

#include <algorithm>
#include <utility>

#include "client/tasks/child_process.hpp"
#include "client/tasks/command.hpp"
#include "client/tasks/stop_signals.hpp"
#include "client/tasks/worker_core.hpp"

namespace millrace::tasks {

TaskOptions& TaskOptions::retries(unsigned max, Milliseconds first, double factor, Milliseconds longest,
                                  double jitter) {
  retries_max = max;
  retry_first = first;
  retry_factor = factor;
  retry_longest = longest;
  retry_jitter = jitter;
  return *this;
}

TaskOptions& TaskOptions::limits(Milliseconds soft, Milliseconds hard) {
  soft_limit = soft;
  hard_limit = hard;
  return *this;
}

TaskOptions& TaskOptions::rate_limit(unsigned count, Milliseconds per, unsigned burst) {
  rate_count = count;
  rate_per = std::max(per, Milliseconds(1));
  rate_burst = std::max(burst, 1U);
  return *this;
}

TaskOptions& TaskOptions::in_process() {
  pool = Pool::processes;
  return *this;
}

TaskOptions& TaskOptions::keep_failed(bool keep) {
  keeps_failed = keep;
  return *this;
}

TaskOptions& TaskOptions::report_start(bool on) {
  reports_start = on;
  return *this;
}

Worker::Worker(ClientOptions client, WorkerOptions options)
    : core_(std::make_shared<detail::WorkerCore>(std::move(client), std::move(options))) {}

Worker::~Worker() {
  stop();
}

TaskOptions& Worker::add(detail::Registration entry) {
  return core_->add(std::move(entry));
}

TaskOptions& Worker::on_command(const std::string& task, Command command) {
  detail::Registration entry;
  entry.name = task;
  entry.plain = [command = std::move(command)](Context& context, const CallData& call) {
    return run_command(command, context, call);
  };
  return add(std::move(entry));
}

void Worker::start() {
  core_->start();
}

void Worker::stop() {
  core_->stop([] { return false; });
}

void Worker::run(const std::function<void()>& ready) {
  // In a child process start() does not return, and its signals mean something else.
  if (child_channel()) core_->start();
  const StopSignals signals;
  core_->start();
  if (ready) ready();
  while (signals.count() == 0) {
    if (core_->wait_for_shutdown(std::chrono::milliseconds(50))) break;
  }
  core_->stop([&signals] { return signals.count() > 1; });
}

std::string Worker::name() const {
  return core_->host();
}

std::uint64_t Worker::processed() const {
  return core_->processed();
}

}  // namespace millrace::tasks
