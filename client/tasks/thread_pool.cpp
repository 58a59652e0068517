#include "client/tasks/thread_pool.hpp"

#include <pthread.h>
#include <signal.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "client/tasks/waiting_jobs.hpp"

namespace millrace::tasks {
namespace {

// Signals are for the program's own threads.
void block_signals() {
  sigset_t all;
  sigfillset(&all);
  for (const int own : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) sigdelset(&all, own);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

void run_job(const JobPtr& job) {
  {
    const auto owner = job->owner();
    if (!owner || job->is_over() || !owner->on_begin(job)) return;
  }
  Outcome outcome;
  try {
    outcome = Outcome::success(job->task().plain(*job, job->request.call));
  } catch (...) {
    outcome = outcome_of(std::current_exception());
  }
  if (const auto owner = job->owner()) owner->on_end(job, std::move(outcome));
}

}  // namespace

struct ThreadPool::Worker {
  std::size_t place = 0;  // in the line; of who comes in the place of one that was abandoned as well
  std::thread thread;
  JobPtr job;  // what it runs
  bool has_turn = false;
  bool abandoned = false;  // ends after this job, and nobody waits for it
  bool ended = false;
};

// Outlives the pool as long as an abandoned thread does.
struct ThreadPool::State {
  explicit State(const ThreadPoolOptions& given) : options(given), waiting(given.dispatch, given.threads) {}

  const ThreadPoolOptions options;
  std::mutex mutex;
  std::condition_variable work;   // something waits, or stopping
  std::condition_variable turns;  // a turn is free, or stopping
  bool stopping = false;
  unsigned idle = 0;    // threads that wait for work
  bool waking = false;  // one of them has been called and is not here yet
  WaitingJobs waiting;
  std::vector<std::shared_ptr<Worker>> workers;
  unsigned running = 0;                 // turns that are taken
  std::deque<const Worker*> suspended;  // waiting for a turn

  unsigned running_max() const { return options.running_max == 0 ? ~0U : options.running_max; }
  bool has_turn() const { return running < running_max(); }

  void wait_for_work(std::unique_lock<std::mutex>& lock, const Worker& worker) {
    while (!stopping && !waiting.any_for(worker.place)) {
      ++idle;
      work.wait(lock);
      --idle;
      waking = false;
    }
  }
  // One thread is called at a time, and calls the next one if there is still work when it comes: short tasks
  // are done by then, and waking a thread costs more than they do.
  void call_a_thread() {
    if (idle == 0 || waiting.empty()) return;
    if (waiting.has_lines()) return work.notify_all();  // those that are meant know it
    if (waking) return;
    waking = true;
    work.notify_one();
  }

  // One that has begun and yielded waits in the same line as those that have not: whoever asked first.
  void wait_for_turn(std::unique_lock<std::mutex>& lock, Worker& worker) {
    if (!suspended.empty() || !has_turn()) {
      suspended.push_back(&worker);
      turns.wait(lock, [&] { return stopping || (has_turn() && suspended.front() == &worker); });
      std::erase(suspended, &worker);
    }
    ++running;
    worker.has_turn = true;
    if (!suspended.empty()) turns.notify_all();
  }
  void give_up_turn(Worker& worker) {
    if (!std::exchange(worker.has_turn, false)) return;  // taken away when it was abandoned
    --running;
    if (!suspended.empty()) turns.notify_all();
  }
};

// A task's time, from when it began or was last let on.
struct ThreadPool::OneTurn final : Turn {
  OneTurn(State& of, Worker& who) : state(of), worker(who) {}

  State& state;
  Worker& worker;
  std::optional<std::chrono::steady_clock::time_point> let_on;  // since it began

  void yield() override {
    const auto since = let_on.value_or(worker.job->started());
    if (std::chrono::steady_clock::now() - since < state.options.time_slice) return;
    std::unique_lock lock(state.mutex);
    if (state.suspended.empty() || state.stopping || worker.abandoned) return;
    state.give_up_turn(worker);
    state.wait_for_turn(lock, worker);
    let_on = std::chrono::steady_clock::now();
  }
};

ThreadPool::ThreadPool(ThreadPoolOptions options)
    : options_(options), state_(std::make_shared<State>(options)) {
  const std::lock_guard lock(state_->mutex);
  for (unsigned i = 0; i < options.threads; ++i) add_thread(i);
}

ThreadPool::~ThreadPool() {
  stop();
}

// With the mutex.
void ThreadPool::add_thread(std::size_t place) {
  auto worker = std::make_shared<Worker>();
  worker->place = place;
  state_->workers.push_back(worker);
  worker->thread = std::thread([state = state_, worker] { serve(state, worker); });
}

void ThreadPool::serve(const std::shared_ptr<State>& state, const std::shared_ptr<Worker>& worker) {
  block_signals();
  std::unique_lock lock(state->mutex);
  for (;;) {
    state->wait_for_work(lock, *worker);
    if (state->stopping) break;
    JobPtr job = state->waiting.take(worker->place);
    if (!state->waiting.has_lines()) state->call_a_thread();
    worker->job = job;
    state->wait_for_turn(lock, *worker);
    lock.unlock();
    OneTurn turn(*state, *worker);
    job->turn = &turn;
    run_job(job);
    job->turn = nullptr;
    job.reset();
    lock.lock();
    state->give_up_turn(*worker);
    worker->job.reset();
    if (worker->abandoned) break;
  }
  worker->ended = true;
}

void ThreadPool::run(JobPtr job) {
  const std::lock_guard lock(state_->mutex);
  if (state_->stopping) return;  // dropped: it goes back to the broker
  state_->waiting.put(std::move(job));
  state_->call_a_thread();
}

void ThreadPool::run_all(std::vector<JobPtr> jobs) {
  const std::lock_guard lock(state_->mutex);
  if (state_->stopping) return;
  for (JobPtr& job : jobs) state_->waiting.put(std::move(job));
  state_->call_a_thread();
}

void ThreadPool::abandon(const JobPtr& job) {
  const std::lock_guard lock(state_->mutex);
  for (const auto& worker : state_->workers) {
    if (worker->job != job || worker->abandoned) continue;
    worker->abandoned = true;
    state_->give_up_turn(*worker);
    if (!state_->stopping) add_thread(worker->place);
    return;
  }
}

void ThreadPool::drop_waiting() {
  std::vector<JobPtr> dropped;  // let go of without the mutex
  const std::lock_guard lock(state_->mutex);
  dropped = state_->waiting.take_all();
}

void ThreadPool::stop() {
  drop_waiting();
  std::vector<std::shared_ptr<Worker>> workers;
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
    workers.swap(state_->workers);
  }
  state_->work.notify_all();
  state_->turns.notify_all();
  for (const auto& worker : workers) {
    if (!worker->thread.joinable()) continue;
    bool stuck = false;
    {
      const std::lock_guard lock(state_->mutex);
      stuck = !worker->ended && worker->job != nullptr && worker->job->is_over();
    }
    // A thread that runs what was given up is left alone: it holds all that it needs.
    if (stuck)
      worker->thread.detach();
    else
      worker->thread.join();
  }
}

boost::json::object ThreadPool::describe() const {
  const std::lock_guard lock(state_->mutex);
  std::size_t abandoned = 0;
  for (const auto& worker : state_->workers) abandoned += worker->abandoned && !worker->ended;
  return {{"implementation", "millrace:threads"},
          {"max-concurrency", options_.threads},
          {"running", state_->running},
          {"waiting", state_->waiting.size()},
          {"abandoned", abandoned}};
}

}  // namespace millrace::tasks
