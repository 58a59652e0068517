#include "client/tasks/asking.hpp"

#include <algorithm>
#include <utility>

#include "client/tasks/kept_result.hpp"
#include "client/tasks/result_message.hpp"
#include "millrace/coroutines.hpp"
#include "millrace/tasks/errors.hpp"

namespace millrace::tasks {
namespace {

// Further off than anybody waits, and within what the clock can say.
constexpr Milliseconds kLongestTimeout = std::chrono::hours(24 * 365);

std::exception_ptr not_kept(const std::string& id) {
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

Asking::Asking(Client& client, EventLoop& loop, std::shared_ptr<Subscriptions> subscriptions, std::string id,
               const AskingPace& pace, std::uint64_t seed, std::function<void()> forget)
    : client_(client),
      loop_(loop),
      subscriptions_(std::move(subscriptions)),
      id_(std::move(id)),
      queue_(kept_result_queue_name(id_)),
      pace_(pace),
      forget_(std::move(forget)),
      random_(seed) {}

bool Asking::take_in(Milliseconds timeout, Done& done) {
  const std::lock_guard lock(mutex_);
  if (ended_) return false;
  auto asker = std::make_shared<Asker>();
  asker->deadline = Clock::now() + std::clamp(timeout, kPatience, kLongestTimeout);
  asker->is_patient = timeout > kPatience;
  asker->done = std::move(done);
  if (asker->done.can_cancel()) {
    asker->done.on_cancel([weak = weak_from_this(), who = std::weak_ptr(asker)] {
      if (const auto alive = weak.lock()) alive->leave(who);
    });
  }
  askers_.push_back(std::move(asker));
  look_quickly();
  if (!busy_) look();
  return true;
}

void Asking::on_notice() {
  const std::lock_guard lock(mutex_);
  if (ended_) return;
  look_quickly();
  again_ = busy_;
  if (!busy_) look();
}

void Asking::give_up(const std::exception_ptr& why) {
  const std::lock_guard lock(mutex_);
  if (!ended_) end(why);
}

void Asking::leave(const std::weak_ptr<Asker>& who) {
  const std::lock_guard lock(mutex_);
  const auto asker = who.lock();
  tell_those([&](const Asker& one) { return &one == asker.get(); },
             make_failure(ErrorKind::cancelled, "the caller has stopped to ask"));
  if (!ended_ && askers_.empty()) end();
}

// Whether there is such a queue, and whether it holds anything, is asked on another channel than messages are
// got on: a refusal closes that, with whatever else the program has got and not settled.
void Asking::look() {
  busy_ = true;
  again_ = false;
  if (timer_) loop_.cancel(*std::exchange(timer_, std::nullopt));
  auto inspected = [self = shared_from_this()](std::exception_ptr error, const QueueInfo& info) {
    self->on_inspected(error, info);
  };
  client_.async_inspect_queue(queue_, bind_executor(loop_.executor(), std::move(inspected)));
}

void Asking::on_inspected(const std::exception_ptr& error, const QueueInfo& info) {
  const std::lock_guard lock(mutex_);
  if (ended_) return;
  if (Failure(error).kind() == ErrorKind::not_found) return go_on(not_kept(id_));
  if (error) return end(error);
  if (info.messages == 0) return go_on(nullptr);
  auto got = [self = shared_from_this()](std::exception_ptr failed, Delivery delivery) {
    self->on_got(failed, std::move(delivery));
  };
  client_.async_get(queue_, bind_executor(loop_.executor(), std::move(got)));
}

void Asking::on_got(const std::exception_ptr& error, Delivery delivery) {
  const std::lock_guard lock(mutex_);
  if (ended_) return;
  if (Failure(error).kind() == ErrorKind::not_found) return go_on(not_kept(id_));
  if (error) return end(error);
  if (!delivery) return go_on(nullptr);
  const auto received = decode_result(delivery.message());
  delivery.requeue();
  if (!received)
    return end(make_failure(ErrorKind::codec, "what '" + queue_ + "' holds is no result of a task"));
  end(error_of(received->status), received->status.value);
}

// It has looked, and there is nothing. A queue that has gone since it was there comes back with the result:
// who has waited already goes on.
void Asking::go_on(const std::exception_ptr& missing) {
  if (missing) tell_those([](const Asker& asker) { return asker.is_new; }, missing);
  const auto now = Clock::now();
  tell_those([&](const Asker& asker) { return asker.deadline <= now; },
             missing ? missing : make_failure(ErrorKind::timed_out, "task " + id_ + " has not ended yet"));
  if (askers_.empty()) return end();
  bool any_patient = false;
  for (const auto& asker : askers_) {
    asker->is_new = false;
    any_patient |= asker->is_patient;
  }
  if (any_patient && !std::exchange(subscribed_, true)) {
    // Then it looks, whether it will be told or not: the call may have ended meanwhile.
    return subscriptions_->join(
        id_, [self = shared_from_this()](const std::exception_ptr&) { self->on_subscribed(); });
  }
  if (again_) return look();
  busy_ = false;
  rest();
}

void Asking::on_subscribed() {
  const std::lock_guard lock(mutex_);
  if (!ended_) look();
}

void Asking::rest() {
  const auto nearest =
      std::min_element(askers_.begin(), askers_.end(),
                       [](const auto& one, const auto& other) { return one->deadline < other->deadline; });
  const auto left = std::chrono::ceil<Milliseconds>((*nearest)->deadline - Clock::now());
  timer_ = loop_.after(std::min(pause(), std::max(left, Milliseconds(0))), [self = shared_from_this()] {
    const std::lock_guard lock(self->mutex_);
    if (!self->ended_ && !self->busy_) self->look();
  });
}

void Asking::look_quickly() {
  quick_looks_ = pace_.quick_looks;
  quick_pause_ = pace_.first;
}

Milliseconds Asking::pause() {
  Milliseconds most = pace_.slow;
  if (quick_looks_ > 0) {
    --quick_looks_;
    most = quick_pause_;
    quick_pause_ = std::min(2 * quick_pause_, pace_.longest);
  }
  const auto half = static_cast<std::uint64_t>(most.count()) / 2;
  return most - Milliseconds(random_.below(half + 1));
}

void Asking::tell_those(const std::function<bool(const Asker&)>& which, const std::exception_ptr& error) {
  std::erase_if(askers_, [&](const std::shared_ptr<Asker>& asker) {
    if (!which(*asker)) return false;
    asker->done.later(error, {});
    return true;
  });
}

void Asking::end(const std::exception_ptr& error, const boost::json::value& value) {
  for (const auto& asker : askers_) asker->done.later(error, value);
  askers_.clear();
  end();
}

void Asking::end() {
  ended_ = true;
  if (timer_) loop_.cancel(*timer_);
  if (subscribed_) subscriptions_->leave(id_);
  forget_();
}

}  // namespace millrace::tasks
