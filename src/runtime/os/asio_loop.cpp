#include "runtime/os/asio_loop.hpp"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <thread>
#include <utility>

#include "runtime/os/clock.hpp"
#include "runtime/os/loop_timers.hpp"
#include "runtime/os/post_queue.hpp"

namespace millrace::runtime {
namespace {

// Both are of the calling thread alone and need no privilege. Refused, only latency misses them.
void give_way() {
  // A tenth of what a thread of niceness 0 gets (sched(7)): an overloaded broker still shows that it is one.
  constexpr int kNiceness = 10;
  setpriority(PRIO_PROCESS, 0, kNiceness);
  // Niceness alone lets a thread that has slept interrupt the one that wakes it: a shard amid its turn.
  const sched_param none{};
  sched_setscheduler(0, SCHED_BATCH, &none);
}

}  // namespace

struct AsioLoop::State {
  State(std::string thread_name, Precedence its_precedence)
      : name(std::move(thread_name)),
        precedence(its_precedence),
        work(boost::asio::make_work_guard(context)),
        alarm(context) {}

  std::string name;
  Precedence precedence;
  boost::asio::io_context context{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work;
  PostQueue posted;
  boost::asio::steady_timer alarm;
  LoopTimers timers{[this](Nanoseconds deadline) { set_alarm(deadline); }};
  std::thread thread;

  void set_alarm(Nanoseconds deadline) {
    alarm.expires_at(std::chrono::steady_clock::time_point(
        std::chrono::duration_cast<std::chrono::steady_clock::duration>(deadline)));
    alarm.async_wait([this](const boost::system::error_code& error) {
      if (!error) timers.run_due(SystemClock().steady());  // else it was set to an earlier time meanwhile
    });
  }
};

AsioLoop::AsioLoop(std::string name, Precedence precedence)
    : state_(std::make_unique<State>(std::move(name), precedence)) {}

AsioLoop::~AsioLoop() {
  stop();
  join();
}

boost::asio::io_context& AsioLoop::context() noexcept {
  return state_->context;
}

void AsioLoop::start() {
  state_->thread = std::thread([this] {
    if (state_->precedence == Precedence::background) give_way();
    state_->context.run();
  });
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
  return state_->timers.start(delay, std::move(task));
}

void AsioLoop::cancel(TimerId timer) {
  state_->timers.cancel(timer);
}

}  // namespace millrace::runtime
