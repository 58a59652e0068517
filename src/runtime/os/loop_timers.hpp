// The timers of a loop, and the one alarm that the loop has for all of them. The loop's thread only.
#pragma once

#include <optional>
#include <utility>

#include "runtime/os/clock.hpp"
#include "runtime/os/timer_queue.hpp"

namespace millrace::runtime {

class LoopTimers {
 public:
  // Sets the loop's alarm to a time of the steady clock, in place of the one before.
  using SetAlarm = UniqueFunction<void(Nanoseconds deadline)>;

  explicit LoopTimers(SetAlarm set_alarm) : set_alarm_(std::move(set_alarm)) {}

  TimerId start(Nanoseconds delay, Task task) {
    const Nanoseconds deadline = SystemClock().steady() + delay;
    const TimerId id = queue_.add(deadline, std::move(task));
    wake_by(deadline);
    return id;
  }
  void cancel(TimerId timer) { queue_.cancel(timer); }

  // `now`: the steady clock's, read after the alarm rang, if it did: an alarm is told of once. Until it is
  // due nothing else is.
  void run_due(Nanoseconds now) {
    if (!alarm_at_ || *alarm_at_ > now) return;
    alarm_at_.reset();
    while (Task task = queue_.take_due(now)) task();
    if (const auto next = queue_.next_deadline()) wake_by(*next);
  }

 private:
  void wake_by(Nanoseconds deadline) {
    if (alarm_at_ && *alarm_at_ <= deadline) return;
    alarm_at_ = deadline;
    set_alarm_(deadline);
  }

  SetAlarm set_alarm_;
  TimerQueue queue_;
  std::optional<Nanoseconds> alarm_at_;
};

}  // namespace millrace::runtime
