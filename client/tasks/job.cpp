#include "client/tasks/job.hpp"

#include <utility>

#include "client/tasks/worker_core.hpp"

namespace millrace::tasks {

Job::Job(std::weak_ptr<detail::WorkerCore> worker, std::shared_ptr<const detail::Registration> task,
         std::string from_queue, std::size_t key_hash, Request&& asked, Delivery given)
    : queue(std::move(from_queue)),
      request(std::move(asked)),
      worker_(std::move(worker)),
      task_(std::move(task)),
      key_hash_(key_hash),
      delivery_(std::move(given)) {
  call_ = &request.call;
  retries_ = request.retries;
  redelivered_ = delivery_.redelivered();
}

std::shared_ptr<PoolOwner> Job::owner() const {
  return worker_.lock();
}

void Job::request_stop(StopReason reason) {
  StopReason before = StopReason::none;
  if (!stop_.compare_exchange_strong(before, reason)) {
    if (before != StopReason::soft_limit || reason == StopReason::soft_limit) return;
    stop_ = reason;
  }
  std::function<void(StopReason)> action;
  {
    const std::lock_guard lock(mutex_);
    action = on_stop_;
  }
  if (action) action(reason);
}

bool Job::begin() {
  started_ = std::chrono::steady_clock::now();
  begun_.store(true, std::memory_order_release);
  return !is_over();
}

Message Job::message() const {
  const std::lock_guard lock(mutex_);
  return delivery_.message();
}

void Job::adopt(Delivery delivery) {
  const std::lock_guard lock(mutex_);
  adopted_.push_back(std::move(delivery));
}

void Job::acknowledge() {
  const std::lock_guard lock(mutex_);
  delivery_.ack();
  for (Delivery& delivery : adopted_) delivery.ack();
  adopted_.clear();
}

void Job::give_back() {
  const std::lock_guard lock(mutex_);
  delivery_ = Delivery();
  adopted_.clear();
}

void Job::on_stop(std::function<void(StopReason)> action) {
  const std::lock_guard lock(mutex_);
  on_stop_ = std::move(action);
}

void Job::settle(const std::exception_ptr& error) {
  if (const auto worker = worker_.lock()) worker->settled(shared_from_this(), error);
}

void Job::check() {
  if (is_over()) throw Cancelled("the task was given up before it ended");
  switch (stop_reason()) {
    case StopReason::none:
      return;
    case StopReason::soft_limit:
      if (std::exchange(soft_limit_thrown_, true)) return;
      throw SoftTimeLimitExceeded("the soft time limit has passed");
    case StopReason::cancelled:
      throw Cancelled("the task was cancelled");
    case StopReason::worker_stops:
      throw Cancelled("the worker is stopping");
  }
}

void Job::yield() {
  check();
  if (turn == nullptr) return;
  turn->yield();
  check();
}

void Job::set_state(const std::string& name, const boost::json::value& value) {
  if (is_over()) return;
  if (const auto worker = worker_.lock()) worker->report_state(*this, name, value);
}

}  // namespace millrace::tasks
