#include "runtime/os/shard_loop.hpp"

#include <pthread.h>
#include <time.h>

#include <atomic>
#include <thread>
#include <utility>
#include <vector>

#include "base/assert.hpp"
#include "runtime/os/busy_share.hpp"
#include "runtime/os/clock.hpp"
#include "runtime/os/loop_timers.hpp"
#include "runtime/os/poller.hpp"
#include "runtime/os/post_queue.hpp"

namespace millrace::runtime {

namespace {

// What is ready in one turn; more waits for the next, so that output is not held back.
constexpr std::size_t kReadyPerTurn = Poller::kMaxEvents;
constexpr Nanoseconds kShortWait = std::chrono::microseconds(10);

Nanoseconds thread_cpu_time() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + Nanoseconds(time.tv_nsec);
}

}  // namespace

struct ShardLoop::State {
  explicit State(std::string thread_name) : name(std::move(thread_name)) {}

  std::string name;
  Poller poller;
  PostQueue posted;  // by other threads
  TurnEnd turn_end;
  std::atomic<bool> stopping{false};
  BusyShare busy;

  // The loop's thread only.
  std::vector<Task> local;    // posted by the loop's own tasks
  std::vector<Task> running;  // taken out to be run; kept for its memory
  LoopTimers timers{[this](Nanoseconds deadline) { poller.set_alarm(deadline); }};
  Nanoseconds ended{};  // the last turn

  std::atomic<std::thread::id> owner{};
  std::thread thread;

  bool on_own_thread() const { return owner.load(std::memory_order_relaxed) == std::this_thread::get_id(); }

  // Returns whether more is known to be ready.
  bool take_turn(bool may_block) {
    running.swap(local);  // of earlier turns; what this turn posts waits for the next
    run_and_clear(running);
    std::size_t ready = poller.wait(may_block);
    Nanoseconds now = SystemClock().steady();
    poller.dispatch();
    // Who hardly has to wait finds that more has come meanwhile: gathered before it is answered it makes
    // larger batches. Who does wait answers at once.
    if (now - ended < kShortWait) {
      for (std::size_t more = ready; more != 0 && ready < kReadyPerTurn; ready += more) {
        more = poller.wait(false);
        poller.dispatch();
      }
      now = SystemClock().steady();
    }
    timers.run_due(now);
    posted.run();
    const bool more = ready >= kReadyPerTurn || !local.empty();
    turn_end(!more);
    ended = SystemClock().steady();
    busy.turned(ended, thread_cpu_time);
    return more || !local.empty();
  }
};

ShardLoop::ShardLoop(std::string name) : state_(std::make_unique<State>(std::move(name))) {}

ShardLoop::~ShardLoop() {
  stop();
  join();
}

Poller& ShardLoop::poller() noexcept {
  return state_->poller;
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
  if (!state_->stopping.exchange(true)) state_->poller.wake();
}

void ShardLoop::join() {
  if (state_->thread.joinable()) state_->thread.join();
  // What they hold may be of those who outlive the thread, but not the loop.
  state_->local.clear();
  state_->posted.clear();
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
  } else if (state.posted.put(std::move(task))) {
    state.poller.wake();
  }
}

unsigned ShardLoop::busy_permille() const noexcept {
  return state_->busy.permille(SystemClock().steady());
}

TimerId ShardLoop::start(Nanoseconds delay, Task task) {
  return state_->timers.start(delay, std::move(task));
}

void ShardLoop::cancel(TimerId timer) {
  state_->timers.cancel(timer);
}

}  // namespace millrace::runtime
