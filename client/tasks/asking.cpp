#include "client/tasks/asking.hpp"

#include <algorithm>
#include <utility>

#include "client/tasks/kept_result.hpp"
#include "client/tasks/result_message.hpp"
#include "millrace/coroutines.hpp"
#include "millrace/tasks/errors.hpp"

namespace millrace::tasks {
namespace {

constexpr Milliseconds kLongestPause{250};
// Further off than anybody waits, and within what the clock can say.
constexpr Milliseconds kLongestTimeout = std::chrono::hours(24 * 365);

std::exception_ptr explain(const std::string& id, const std::exception_ptr& error) {
  if (Failure(error).kind() != ErrorKind::not_found) return error;
  return make_failure(ErrorKind::not_found,
                      "no result of task " + id +
                          " is kept: it was submitted without keep_result, its time is over, or there is no "
                          "such task");
}

std::exception_ptr error_of(const Status& status) {
  if (status.state == State::success) return nullptr;
  return std::make_exception_ptr(TaskFailed(status.error_type, status.error_text, status.traceback));
}

}  // namespace

Asking::Asking(Client& client, EventLoop& loop, std::string id, Milliseconds timeout, Done done)
    : client_(client),
      loop_(loop),
      id_(std::move(id)),
      queue_(kept_result_queue_name(id_)),
      deadline_(Clock::now() + std::clamp(timeout, kPatience, kLongestTimeout)),
      done_(std::move(done)) {}

// Whether there is such a queue is asked on another channel than messages are got on: a refusal closes that,
// with whatever else the program has got and not settled.
void Asking::start() {
  if (done_.can_cancel()) {
    done_.on_cancel([weak = weak_from_this()] {
      if (const auto alive = weak.lock())
        alive->give_up(make_failure(ErrorKind::cancelled, "the caller has stopped to ask"));
    });
  }
  auto inspected = [self = shared_from_this()](std::exception_ptr error, const QueueInfo&) {
    if (error) return self->give_up(explain(self->id_, error));
    self->look();
  };
  client_.async_inspect_queue(queue_, bind_executor(loop_.executor(), std::move(inspected)));
}

void Asking::give_up(const std::exception_ptr& why) {
  const std::lock_guard lock(mutex_);
  end(why);
}

void Asking::end(const std::exception_ptr& error, const boost::json::value& value) {
  if (std::exchange(ended_, true)) return;
  if (timer_) loop_.cancel(*timer_);
  done_.later(error, value);
}

void Asking::look() {
  const std::lock_guard lock(mutex_);
  if (ended_) return;
  timer_.reset();
  auto looked = [self = shared_from_this()](std::exception_ptr error, Delivery delivery) {
    self->on_look(error, std::move(delivery));
  };
  client_.async_get(queue_, bind_executor(loop_.executor(), std::move(looked)));
}

void Asking::on_look(const std::exception_ptr& error, Delivery delivery) {
  const std::lock_guard lock(mutex_);
  if (error) return end(explain(id_, error));
  if (delivery) {
    const auto received = decode_result(delivery.message());
    delivery.requeue();
    if (!received)
      return end(make_failure(ErrorKind::codec, "what '" + queue_ + "' holds is no result of a task"));
    return end(error_of(received->status), received->status.value);
  }
  if (Clock::now() >= deadline_)
    return end(make_failure(ErrorKind::timed_out, "task " + id_ + " has not ended yet"));
  if (ended_) return;
  const auto left = std::chrono::ceil<Milliseconds>(deadline_ - Clock::now());
  timer_ = loop_.after(std::min(pause_, left), [self = shared_from_this()] { self->look(); });
  pause_ = std::min(2 * pause_, kLongestPause);
}

}  // namespace millrace::tasks
