#include "millrace/event_loop.hpp"

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

namespace millrace {

namespace asio = boost::asio;

struct EventLoop::State : std::enable_shared_from_this<EventLoop::State> {
  explicit State(unsigned count)
      : context(static_cast<int>(std::max(count, 1u))), guard(context.get_executor()) {}

  struct Timer {
    asio::steady_timer timer;
    std::chrono::milliseconds interval;  // 0: once
    std::function<void()> work;
  };

  TimerId add(std::chrono::milliseconds delay, std::chrono::milliseconds interval,
              std::function<void()> work) {
    auto timer =
        std::make_shared<Timer>(Timer{asio::steady_timer(context, delay), interval, std::move(work)});
    const std::lock_guard lock(mutex);
    const TimerId id{++last_timer};
    timers.emplace(id, timer);
    wait(id, *timer);
    return id;
  }

  void wait(TimerId id, Timer& timer) {
    timer.timer.async_wait([weak = weak_from_this(), id](boost::system::error_code error) {
      if (const auto self = weak.lock(); self && !error) self->fire(id);
    });
  }

  void fire(TimerId id) {
    std::shared_ptr<Timer> timer;
    {
      const std::lock_guard lock(mutex);
      const auto at = timers.find(id);
      if (at == timers.end()) return;
      timer = at->second;
      if (timer->interval.count() == 0) timers.erase(at);
    }
    timer->work();
    if (timer->interval.count() == 0) return;
    const std::lock_guard lock(mutex);
    if (!timers.contains(id)) return;
    timer->timer.expires_at(
        std::max(timer->timer.expiry() + timer->interval, std::chrono::steady_clock::now()));
    wait(id, *timer);
  }

  asio::io_context context;
  asio::executor_work_guard<asio::io_context::executor_type> guard;
  std::vector<std::thread> threads;
  std::mutex mutex;
  std::map<TimerId, std::shared_ptr<Timer>> timers;
  std::uint64_t last_timer = 0;
};

EventLoop::EventLoop(unsigned threads) : state_(std::make_shared<State>(threads)) {
  for (unsigned i = 0; i < threads; ++i)
    state_->threads.emplace_back([state = state_] { state->context.run(); });
}

EventLoop::~EventLoop() {
  stop();
  for (std::thread& thread : state_->threads) {
    // Destroyed by something that it runs: that thread ends by itself, and holds the state until then.
    if (thread.get_id() == std::this_thread::get_id())
      thread.detach();
    else
      thread.join();
  }
  const std::lock_guard lock(state_->mutex);
  state_->timers.clear();
}

asio::any_io_executor EventLoop::executor() const {
  return state_->context.get_executor();
}

void EventLoop::post(std::function<void()> work) {
  asio::post(state_->context, std::move(work));
}

TimerId EventLoop::after(std::chrono::milliseconds delay, std::function<void()> work) {
  return state_->add(delay, std::chrono::milliseconds(0), std::move(work));
}

TimerId EventLoop::every(std::chrono::milliseconds interval, std::function<void()> work) {
  return state_->add(interval, std::max(interval, std::chrono::milliseconds(1)), std::move(work));
}

bool EventLoop::cancel(TimerId timer) {
  std::shared_ptr<State::Timer> cancelled;
  const std::lock_guard lock(state_->mutex);
  const auto at = state_->timers.find(timer);
  if (at == state_->timers.end()) return false;
  cancelled = at->second;
  state_->timers.erase(at);
  cancelled->timer.cancel();
  return true;
}

void EventLoop::run() {
  state_->context.run();
}

void EventLoop::stop() {
  state_->context.stop();
}

void EventLoop::finish() {
  if (is_this_thread()) return stop();
  asio::post(state_->context, [state = state_.get()] { state->context.stop(); });
  for (std::thread& thread : state_->threads)
    if (thread.joinable()) thread.join();
  state_->threads.clear();
}

bool EventLoop::is_this_thread() const noexcept {
  return state_->context.get_executor().running_in_this_thread();
}

}  // namespace millrace
