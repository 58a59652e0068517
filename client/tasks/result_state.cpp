#include "client/tasks/result_state.hpp"

#include <utility>

#include "client/tasks/producer_core.hpp"

namespace millrace::tasks::detail {

ResultState::ResultState(std::string id, std::weak_ptr<ProducerCore> producer, Executor executor,
                         bool expected)
    : id_(std::move(id)),
      producer_(std::move(producer)),
      executor_(std::move(executor)),
      expected_(expected) {}

ResultState::~ResultState() {
  if (!expected_) return;
  if (const auto producer = producer_.lock()) producer->forget(id_);
}

std::exception_ptr ResultState::error() const {
  if (status_.state == State::success) return nullptr;
  if (given_up_) return given_up_;
  return std::make_exception_ptr(TaskFailed(status_.error_type, status_.error_text, status_.traceback));
}

void ResultState::update(const Status& status) {
  std::vector<millrace::detail::Completion<boost::json::value>> waiting;
  std::vector<std::function<void(const Status&)>> listeners;
  std::shared_ptr<ResultState> kept;
  std::exception_ptr failed;
  {
    const std::lock_guard lock(mutex_);
    if (over()) return;  // a task that ran twice has answered twice
    status_ = status;
    listeners = listeners_;
    if (over()) {
      waiting.swap(waiting_);
      listeners_.clear();
      kept.swap(kept_);
      failed = error();
    }
  }
  changed_.notify_all();
  for (const auto& listener : listeners) {
    boost::asio::post(executor_, [listener, status] { listener(status); });
  }
  for (auto& done : waiting) done.later(failed, failed ? boost::json::value() : status.value);
}

void ResultState::give_up(const std::exception_ptr& why) {
  std::vector<millrace::detail::Completion<boost::json::value>> waiting;
  std::shared_ptr<ResultState> kept;
  {
    const std::lock_guard lock(mutex_);
    if (over()) return;
    given_up_ = why;
    waiting.swap(waiting_);
    listeners_.clear();
    kept.swap(kept_);
  }
  changed_.notify_all();
  for (auto& done : waiting) done.later(why, {});
}

void ResultState::wait(millrace::detail::Completion<boost::json::value> done) {
  std::unique_lock lock(mutex_);
  if (!over()) {
    waiting_.push_back(std::move(done));
    kept_ = shared_from_this();
    return;
  }
  const std::exception_ptr failed = error();
  const boost::json::value value = failed ? boost::json::value() : status_.value;
  lock.unlock();
  done.later(failed, value);
}

boost::json::value ResultState::wait(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, timeout, [this] { return over(); }))
    throw ClientError(ErrorKind::timed_out, "no result of task " + id_ + " yet; it is " + status_.name);
  if (const std::exception_ptr failed = error()) std::rethrow_exception(failed);
  return status_.value;
}

Status ResultState::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

void ResultState::listen(std::function<void(const Status&)> listener) {
  const std::lock_guard lock(mutex_);
  if (over()) {
    boost::asio::post(executor_, [listener = std::move(listener), status = status_] { listener(status); });
    return;
  }
  listeners_.push_back(std::move(listener));
  kept_ = shared_from_this();
}

void ResultState::cancel(bool running_too) {
  const auto producer = producer_.lock();
  if (!producer) throw ClientError(ErrorKind::closed, "the producer of task " + id_ + " was destroyed");
  producer->revoke(id_, running_too);
}

void start_wait(ResultState& state, millrace::detail::Completion<boost::json::value> done) {
  state.wait(std::move(done));
}
boost::json::value wait(ResultState& state, std::chrono::milliseconds timeout) {
  return state.wait(timeout);
}
Status status(const ResultState& state) {
  return state.status();
}
const std::string& id(const ResultState& state) {
  return state.id();
}
const Executor& executor(const ResultState& state) {
  return state.executor();
}
void listen(ResultState& state, std::function<void(const Status&)> listener) {
  state.listen(std::move(listener));
}
void cancel(ResultState& state, bool running_too) {
  state.cancel(running_too);
}

}  // namespace millrace::tasks::detail
