#include "runtime/os/shard_loop.hpp"

#include <pthread.h>
#include <time.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/assert.hpp"
#include "runtime/os/busy_share.hpp"
#include "runtime/os/clock.hpp"
#include "runtime/os/shard_loop_asio.hpp"
#include "runtime/os/timer_queue.hpp"

namespace millrace::runtime {

namespace {

Nanoseconds thread_cpu_time() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + Nanoseconds(time.tv_nsec);
}

}  // namespace

struct ShardLoop::State {
  explicit State(std::string thread_name)
      : name(std::move(thread_name)), work(boost::asio::make_work_guard(context)), alarm(context) {}

  std::string name;
  boost::asio::io_context context{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work;
  TurnEnd turn_end;
  std::atomic<bool> stopping{false};
  BusyShare busy;

  // Posted by other threads. The flag spares a turn the lock when there is nothing.
  std::mutex mutex;
  std::vector<Task> inbox;
  std::atomic<bool> inbox_filled{false};

  // The loop's thread only.
  std::vector<Task> local;    // posted by the loop's own tasks
  std::vector<Task> taken;    // from the inbox
  std::vector<Task> running;  // taken out to be run; kept for its memory
  TimerQueue timers;
  boost::asio::steady_timer alarm;
  std::optional<Nanoseconds> alarm_at;  // what `alarm` waits for

  std::atomic<std::thread::id> owner{};
  std::thread thread;

  bool on_own_thread() const { return owner.load(std::memory_order_relaxed) == std::this_thread::get_id(); }

  void wake() {
    boost::asio::post(context, [] {});
  }

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

  void run_all(std::vector<Task>& tasks) {
    running.swap(tasks);
    for (Task& task : running) {
      task();
      task = nullptr;
    }
    running.clear();
  }

  void run_inbox() {
    if (!inbox_filled.load(std::memory_order_acquire)) return;
    {
      const std::lock_guard lock(mutex);
      inbox_filled.store(false, std::memory_order_relaxed);
      taken.swap(inbox);
    }
    run_all(taken);
  }

  // Returns whether more is known to be ready.
  bool take_turn(bool may_block) {
    run_all(local);  // of earlier turns; what this turn posts waits for the next
    std::size_t handlers = 0;
    if (may_block) handlers += context.run_one();
    while (handlers < kMaxHandlersPerTurn && context.poll_one() != 0) ++handlers;
    run_inbox();
    const bool more = handlers >= kMaxHandlersPerTurn || !local.empty();
    turn_end(!more);
    busy.turned(SystemClock().steady(), thread_cpu_time);
    return more || !local.empty();
  }
};

boost::asio::io_context& io_context_of(ShardLoop& loop) noexcept {
  return loop.state().context;
}

ShardLoop::ShardLoop(std::string name) : state_(std::make_unique<State>(std::move(name))) {}

ShardLoop::~ShardLoop() {
  stop();
  join();
}

void ShardLoop::on_turn_end(TurnEnd turn_end) {
  state_->turn_end = std::move(turn_end);
}

void ShardLoop::start() {
  MILLRACE_ASSERT(state_->turn_end, "a loop was started that has nothing to do at the end of a turn");
  state_->thread = std::thread([this] { run(); });
  pthread_setname_np(state_->thread.native_handle(), state_->name.c_str());
}

void ShardLoop::stop() {
  if (!state_->stopping.exchange(true)) state_->wake();
}

void ShardLoop::join() {
  if (state_->thread.joinable()) state_->thread.join();
  // What they hold may be of those who outlive the thread, but not the loop.
  state_->local.clear();
  const std::lock_guard lock(state_->mutex);
  state_->inbox.clear();
}

void ShardLoop::run() {
  State& state = *state_;
  state.owner = std::this_thread::get_id();
  bool more = false;
  while (!state.stopping.load(std::memory_order_relaxed)) more = state.take_turn(!more);
  state.owner = std::thread::id();
}

void ShardLoop::post(Task task) {
  State& state = *state_;
  if (state.on_own_thread()) {
    state.local.push_back(std::move(task));
    return;
  }
  {
    const std::lock_guard lock(state.mutex);
    state.inbox.push_back(std::move(task));
    if (state.inbox_filled.load(std::memory_order_relaxed)) return;  // the first of the batch woke the loop
    state.inbox_filled.store(true, std::memory_order_release);
  }
  state.wake();
}

unsigned ShardLoop::busy_permille() const noexcept {
  return state_->busy.permille(SystemClock().steady());
}

TimerId ShardLoop::start(Nanoseconds delay, Task task) {
  const Nanoseconds deadline = SystemClock().steady() + delay;
  const TimerId id = state_->timers.add(deadline, std::move(task));
  state_->set_alarm(deadline);
  return id;
}

void ShardLoop::cancel(TimerId timer) {
  state_->timers.cancel(timer);
}

}  // namespace millrace::runtime
