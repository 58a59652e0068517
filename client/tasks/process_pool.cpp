#include "client/tasks/process_pool.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "client/tasks/child_channel.hpp"
#include "client/tasks/spawn.hpp"
#include "client/tasks/task_message.hpp"
#include "client/tasks/waiting_jobs.hpp"

namespace millrace::tasks {
namespace {

// A task that was cancelled has so long to notice before its process is killed.
constexpr std::chrono::seconds kKillAfter{2};

using Clock = std::chrono::steady_clock;

}  // namespace

// A thread with at most one child.
struct ProcessPool::Slot {
  explicit Slot(std::size_t number) : place(number) {}
  const std::size_t place;  // in the line
  std::thread thread;
  // With the mutex:
  pid_t pid = -1;
  JobPtr job;
  std::optional<Clock::time_point> kill_at;
  bool suspended = false;
  // The thread's own:
  int channel = -1;
  std::uint64_t tasks = 0;
};

struct ProcessPool::State {
  explicit State(const ProcessPoolOptions& given)
      : options(given), waiting(given.dispatch, given.processes) {}

  const ProcessPoolOptions options;
  mutable std::mutex mutex;
  std::condition_variable work;
  std::condition_variable minding;  // something to mind, or stopping
  bool stopping = false;
  WaitingJobs waiting;
  std::vector<std::unique_ptr<Slot>> slots;
  std::deque<Slot*> turns;  // those with a job; the first running_max of them run
  std::uint64_t deaths = 0;
  std::thread minder;

  void serve(Slot& slot);
  bool take_job(Slot& slot);
  Outcome run_in_child(Slot& slot, const JobPtr& job);
  std::optional<Outcome> converse(Slot& slot, const JobPtr& job, std::uint64_t& resident);
  void start_child(Slot& slot);
  std::string end_child(Slot& slot, bool kill_it);
  void stop_job(Slot& slot, const JobPtr& job, StopReason reason);
  void mind();

  // With the mutex. The whole group: what a task has started dies with it.
  static void send_signal(const Slot& slot, int number) {
    if (slot.pid > 0) kill(-slot.pid, number);
  }
  bool takes_turns() const { return options.running_max != 0 && options.running_max < options.processes; }
  void deal_turns() {
    if (!takes_turns()) return;
    for (std::size_t i = 0; i < turns.size(); ++i) {
      Slot& slot = *turns[i];
      const bool runs = i < options.running_max;
      if (slot.suspended != runs) continue;
      slot.suspended = !runs;
      send_signal(slot, runs ? SIGCONT : SIGSTOP);
    }
  }
  void pass_turns_on() {
    if (turns.size() <= options.running_max) return;
    for (unsigned i = 0; i < options.running_max; ++i) {
      turns.push_back(turns.front());
      turns.pop_front();
    }
    deal_turns();
  }
};

ProcessPool::ProcessPool(ProcessPoolOptions options)
    : options_(options), state_(std::make_shared<State>(options)) {
  const std::lock_guard lock(state_->mutex);
  for (unsigned i = 0; i < options.processes; ++i) {
    state_->slots.push_back(std::make_unique<Slot>(i));
    Slot& slot = *state_->slots.back();
    slot.thread = std::thread([state = state_, &slot] { state->serve(slot); });
  }
  state_->minder = std::thread([state = state_] { state->mind(); });
}

ProcessPool::~ProcessPool() {
  stop();
}

void ProcessPool::run(JobPtr job) {
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->stopping) return;
    state_->waiting.put(std::move(job));
  }
  if (options_.dispatch == Dispatch::idle_first) return state_->work.notify_one();
  state_->work.notify_all();  // the one that is meant knows it
}

void ProcessPool::abandon(const JobPtr& job) {
  const std::lock_guard lock(state_->mutex);
  for (const auto& slot : state_->slots) {
    if (slot->job == job) State::send_signal(*slot, SIGKILL);
  }
}

void ProcessPool::drop_waiting() {
  std::vector<JobPtr> dropped;  // let go of without the mutex
  const std::lock_guard lock(state_->mutex);
  dropped = state_->waiting.take_all();
}

void ProcessPool::stop() {
  drop_waiting();
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
    for (const auto& slot : state_->slots) {
      if (slot->job != nullptr) State::send_signal(*slot, SIGKILL);
    }
  }
  state_->work.notify_all();
  state_->minding.notify_all();
  for (const auto& slot : state_->slots) {
    if (slot->thread.joinable()) slot->thread.join();
  }
  if (state_->minder.joinable()) state_->minder.join();
}

bool ProcessPool::State::take_job(Slot& slot) {
  std::unique_lock lock(mutex);
  work.wait(lock, [&] { return stopping || waiting.any_for(slot.place); });
  if (stopping) return false;
  slot.job = waiting.take(slot.place);
  return true;
}

void ProcessPool::State::serve(Slot& slot) {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  while (take_job(slot)) {
    const JobPtr job = slot.job;
    bool wanted = false;
    if (const auto owner = job->owner()) wanted = !job->is_over() && owner->on_begin(job);
    if (wanted) {
      Outcome outcome = run_in_child(slot, job);
      job->on_stop(nullptr);
      if (const auto owner = job->owner()) owner->on_end(job, std::move(outcome));
    }
    const std::lock_guard lock(mutex);
    slot.job.reset();
    slot.kill_at.reset();
    std::erase(turns, &slot);
    deal_turns();
  }
  if (slot.pid > 0) end_child(slot, false);
}

void ProcessPool::State::start_child(Slot& slot) {
  const SpawnedChild child = spawn_child();
  slot.channel = child.channel;
  slot.tasks = 0;
  const std::lock_guard lock(mutex);
  slot.pid = child.pid;
}

// How it ended. One that is not killed ends because its channel does.
std::string ProcessPool::State::end_child(Slot& slot, bool kill_it) {
  close(std::exchange(slot.channel, -1));
  pid_t pid = -1;
  {
    // From here on nobody signals a number that may be somebody else's soon.
    const std::lock_guard lock(mutex);
    pid = std::exchange(slot.pid, -1);
    slot.suspended = false;
    if (kill_it) kill(-pid, SIGKILL);
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  if (!kill_it) kill(-pid, SIGKILL);  // what its tasks have left running
  return describe_end(status);
}

Outcome ProcessPool::State::run_in_child(Slot& slot, const JobPtr& job) {
  try {
    if (slot.pid < 0) {
      start_child(slot);
      const ProcessLimits& limits = options.limits;
      write_object(slot.channel, {{"limits", boost::json::object{{"memory_max", limits.memory_max},
                                                                 {"cpu_max", limits.cpu_max.count()}}}});
    }
  } catch (const std::system_error& error) {
    return Outcome::failure("WorkerLostError", std::string("no process could be started: ") + error.what());
  }
  {
    const std::lock_guard lock(mutex);
    turns.push_back(&slot);
    deal_turns();
    minding.notify_all();
  }
  job->on_stop(
      [this, &slot, job = job.get()](StopReason reason) { stop_job(slot, job->shared_from_this(), reason); });
  // What was asked before that.
  if (job->stop_reason() != StopReason::none) stop_job(slot, job, job->stop_reason());
  std::uint64_t resident = 0;
  if (auto outcome = converse(slot, job, resident)) {
    ++slot.tasks;
    const ProcessLimits& limits = options.limits;
    const bool used_up = (limits.tasks_max != 0 && slot.tasks >= limits.tasks_max) ||
                         (limits.resident_max != 0 && resident > limits.resident_max);
    if (used_up) end_child(slot, false);
    return std::move(*outcome);
  }
  const std::string how = end_child(slot, false);
  {
    const std::lock_guard lock(mutex);
    ++deaths;
  }
  const StopReason reason = job->stop_reason();
  if (reason == StopReason::cancelled || reason == StopReason::worker_stops)
    return outcome_of(std::make_exception_ptr(Cancelled("the task was cancelled, its process " + how)));
  Outcome outcome = Outcome::failure("WorkerLostError", "the process of the task " + how);
  outcome.process_died = true;
  return outcome;
}

std::optional<Outcome> ProcessPool::State::converse(Slot& slot, const JobPtr& job, std::uint64_t& resident) {
  const boost::json::object asked{{"run", signature_of(job->request.call, "")},
                                  {"retries", job->request.retries},
                                  {"redelivered", job->redelivered()}};
  if (!write_object(slot.channel, asked)) return std::nullopt;
  while (const auto said = read_object(slot.channel)) {
    if (const boost::json::value* name = said->if_contains("state")) {
      job->set_state(boost::json::value_to<std::string>(*name), said->at("value"));
      continue;
    }
    resident = said->at("resident").to_number<std::uint64_t>();
    return outcome_from(said->at("end").as_object());
  }
  return std::nullopt;
}

void ProcessPool::State::stop_job(Slot& slot, const JobPtr& job, StopReason reason) {
  const std::lock_guard lock(mutex);
  if (slot.job != job) return;
  if (reason == StopReason::soft_limit) return send_signal(slot, SIGUSR1);
  send_signal(slot, SIGTERM);
  slot.kill_at = Clock::now() + kKillAfter;
  minding.notify_all();
}

// Kills what did not stop when asked, and passes turns on.
void ProcessPool::State::mind() {
  std::unique_lock lock(mutex);
  const auto something = [this] {
    const bool to_kill =
        std::any_of(slots.begin(), slots.end(), [](const auto& slot) { return slot->kill_at.has_value(); });
    return stopping || to_kill || (takes_turns() && turns.size() > options.running_max);
  };
  for (;;) {
    minding.wait(lock, something);
    if (stopping) return;
    minding.wait_for(lock, options.time_slice, [this] { return stopping; });
    if (stopping) return;
    if (takes_turns()) pass_turns_on();
    for (const auto& slot : slots) {
      if (!slot->kill_at || Clock::now() < *slot->kill_at) continue;
      slot->kill_at.reset();
      send_signal(*slot, SIGKILL);
    }
  }
}

boost::json::object ProcessPool::describe() const {
  const std::lock_guard lock(state_->mutex);
  boost::json::array processes;
  for (const auto& slot : state_->slots) {
    if (slot->pid > 0) processes.push_back(slot->pid);
  }
  return {{"implementation", "millrace:processes"},
          {"max-concurrency", options_.processes},
          {"processes", std::move(processes)},
          {"waiting", state_->waiting.size()},
          {"deaths", state_->deaths}};
}

}  // namespace millrace::tasks
