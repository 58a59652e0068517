#include "runtime/os/asio_loop.hpp"

#include <pthread.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <optional>
#include <thread>
#include <utility>

#include "runtime/os/clock.hpp"
#include "runtime/os/post_queue.hpp"
#include "runtime/os/timer_queue.hpp"

namespace millrace::runtime {

struct AsioLoop::State {
  explicit State(std::string thread_name)
      : name(std::move(thread_name)), work(boost::asio::make_work_guard(context)), alarm(context) {}

  std::string name;
  boost::asio::io_context context{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work;
  PostQueue posted;
  TimerQueue timers;
  boost::asio::steady_timer alarm;
  std::optional<Nanoseconds> alarm_at;  // what `alarm` waits for
  std::thread thread;

  void set_alarm(Nanoseconds deadline) {
    if (alarm_at && *alarm_at <= deadline) return;
    alarm_at = deadline;
    alarm.expires_at(std::chrono::steady_clock::time_point(
        std::chrono::duration_cast<std::chrono::steady_clock::duration>(deadline)));
    alarm.async_wait([this](const boost::system::error_code& error) {
      if (error) return;  // set to an earlier time meanwhile
      alarm_at.reset();
      run_timers();
    });
  }

  void run_timers() {
    const Nanoseconds now = SystemClock().steady();
    while (Task task = timers.take_due(now)) task();
    if (const auto next = timers.next_deadline()) set_alarm(*next);
  }
};

AsioLoop::AsioLoop(std::string name) : state_(std::make_unique<State>(std::move(name))) {}

AsioLoop::~AsioLoop() {
  stop();
  join();
}

boost::asio::io_context& AsioLoop::context() noexcept {
  return state_->context;
}

void AsioLoop::start() {
  state_->thread = std::thread([this] { state_->context.run(); });
  pthread_setname_np(state_->thread.native_handle(), state_->name.c_str());
}

void AsioLoop::stop() {
  state_->context.stop();
}

void AsioLoop::join() {
  if (state_->thread.joinable()) state_->thread.join();
  // What they hold may be of those who outlive the thread, but not the loop.
  state_->posted.clear();
}

void AsioLoop::post(Task task) {
  if (state_->posted.put(std::move(task)))
    boost::asio::post(state_->context, [state = state_.get()] { state->posted.run(); });
}

TimerId AsioLoop::start(Nanoseconds delay, Task task) {
  const Nanoseconds deadline = SystemClock().steady() + delay;
  const TimerId id = state_->timers.add(deadline, std::move(task));
  state_->set_alarm(deadline);
  return id;
}

void AsioLoop::cancel(TimerId timer) {
  state_->timers.cancel(timer);
}

}  // namespace millrace::runtime
