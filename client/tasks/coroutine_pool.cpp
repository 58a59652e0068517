#include "client/tasks/coroutine_pool.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/strand.hpp>
#include <utility>

#include "millrace/completion.hpp"
#include "millrace/coroutines.hpp"

namespace millrace::tasks {
namespace {

awaitable<boost::json::value> body_of(JobPtr job) {
  co_return co_await job->task().coroutine(*job, job->request.call);
}

// An operation that was interrupted throws an error of its own: the reason is ours.
Outcome outcome_of_coroutine(const Job& job, const std::exception_ptr& thrown) {
  const bool interrupted =
      job.stop_reason() == StopReason::cancelled || job.stop_reason() == StopReason::worker_stops;
  if (!interrupted) return outcome_of(thrown);
  return outcome_of(std::make_exception_ptr(Cancelled("the task was cancelled")));
}

}  // namespace

struct CoroutinePool::State {
  Executor executor;
  unsigned at_once = 1;
  mutable std::mutex mutex;
  unsigned running = 0;
  bool stopping = false;
  std::deque<JobPtr> waiting;
};

CoroutinePool::CoroutinePool(unsigned threads, unsigned at_once)
    : state_(std::make_shared<State>()), loop_(std::make_unique<EventLoop>(threads)) {
  state_->executor = loop_->executor();
  state_->at_once = at_once;
}

CoroutinePool::~CoroutinePool() {
  stop();
}

void CoroutinePool::run(JobPtr job) {
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->stopping) return;
    if (state_->running == state_->at_once) return state_->waiting.push_back(std::move(job));
    ++state_->running;
  }
  start(state_, std::move(job));
}

void CoroutinePool::start(const std::shared_ptr<State>& state, JobPtr job) {
  {
    const auto owner = job->owner();
    if (!owner || job->is_over() || !owner->on_begin(job)) return ended(state);
  }
  const auto strand = boost::asio::make_strand(state->executor);
  const auto signal = std::make_shared<boost::asio::cancellation_signal>();
  job->on_stop([strand, signal](StopReason reason) {
    if (reason == StopReason::soft_limit) return;  // it can still tidy up, and finds out by check()
    boost::asio::post(strand, [signal] { signal->emit(boost::asio::cancellation_type::terminal); });
  });
  auto done = [state, job, signal](std::exception_ptr thrown, boost::json::value value) {
    Outcome outcome = thrown ? outcome_of_coroutine(*job, thrown) : Outcome::success(std::move(value));
    if (const auto owner = job->owner()) owner->on_end(job, std::move(outcome));
    job->on_stop(nullptr);
    ended(state);
  };
  co_spawn(strand, body_of(job), boost::asio::bind_cancellation_slot(signal->slot(), std::move(done)));
}

void CoroutinePool::ended(const std::shared_ptr<State>& state) {
  JobPtr next;
  {
    const std::lock_guard lock(state->mutex);
    --state->running;
    if (state->waiting.empty() || state->stopping) return;
    next = std::move(state->waiting.front());
    state->waiting.pop_front();
    ++state->running;
  }
  boost::asio::post(state->executor, [state, next] { start(state, next); });
}

void CoroutinePool::abandon(const JobPtr& job) {
  job->request_stop(StopReason::worker_stops);
}

void CoroutinePool::drop_waiting() {
  std::deque<JobPtr> dropped;
  const std::lock_guard lock(state_->mutex);
  dropped.swap(state_->waiting);
}

void CoroutinePool::stop() {
  drop_waiting();
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  loop_.reset();
}

unsigned CoroutinePool::slots() const {
  return state_->at_once;
}

boost::json::object CoroutinePool::describe() const {
  const std::lock_guard lock(state_->mutex);
  return {{"implementation", "millrace:coroutines"},
          {"max-concurrency", state_->at_once},
          {"running", state_->running},
          {"waiting", state_->waiting.size()}};
}

}  // namespace millrace::tasks
