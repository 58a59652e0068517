#include "client/tasks/worker_core.hpp"

#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <thread>
#include <utility>

#include "client/src/encoded.hpp"
#include "client/tasks/barrier.hpp"
#include "client/tasks/child_process.hpp"
#include "client/tasks/coroutine_pool.hpp"
#include "client/tasks/dag.hpp"
#include "client/tasks/dead_letter.hpp"
#include "client/tasks/identity.hpp"
#include "client/tasks/process_pool.hpp"
#include "client/tasks/result_message.hpp"
#include "client/tasks/schedule.hpp"
#include "client/tasks/thread_pool.hpp"
#include "client/tasks/time_text.hpp"
#include "millrace/coroutines.hpp"
#include "millrace/detail/recycled.hpp"

namespace millrace::tasks::detail {
namespace {

unsigned processors() {
  return std::max(1U, std::thread::hardware_concurrency());
}

std::uint64_t random_seed() {
  std::uint64_t seed = 0;
  return getrandom(&seed, sizeof seed, 0) == sizeof seed ? seed : static_cast<std::uint64_t>(getpid());
}

// Before a call whose messages the broker refused for now is given back: it would come again at once.
constexpr std::chrono::seconds kBeforeAgain{1};

// When to have a call carried out again, of which something that follows could not be sent.
enum class Remedy : std::uint8_t {
  at_once,  // or there was no error
  later,
  none,  // it would be so each time
};

Remedy what_to_do_about(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::none:
    case ErrorKind::not_connected:
    case ErrorKind::connection_lost:
    case ErrorKind::timed_out:
    case ErrorKind::cancelled:
    case ErrorKind::closed:
    case ErrorKind::refused_login:
    case ErrorKind::tls:
    case ErrorKind::protocol:
      return Remedy::at_once;
    case ErrorKind::rejected:
    case ErrorKind::overloaded:
      return Remedy::later;
    case ErrorKind::access_refused:
    case ErrorKind::not_found:
    case ErrorKind::locked:
    case ErrorKind::precondition:
    case ErrorKind::not_allowed:
    case ErrorKind::not_supported:
    case ErrorKind::unroutable:
    case ErrorKind::consumer_cancelled:
    case ErrorKind::would_deadlock:
    case ErrorKind::invalid_argument:
    case ErrorKind::remote:
    case ErrorKind::codec:
    case ErrorKind::storage:
    case ErrorKind::broker:
      return Remedy::none;
  }
  return Remedy::none;
}

// One that expires before it may begin need not be held for that.
bool is_too_late(const CallData& call) {
  if (!call.expires) return false;
  const auto now = std::chrono::system_clock::now();
  return *call.expires <= std::max(now, call.eta.value_or(now));
}

// A clock that is behind by less than this is not worth another round through the broker.
bool is_too_early(const CallData& call) {
  return call.eta && *call.eta > std::chrono::system_clock::now() + std::chrono::milliseconds(20);
}

WorkerOptions with_defaults(WorkerOptions options) {
  if (options.threads == 0) options.threads = processors();
  if (options.processes == 0) options.processes = processors();
  if (options.coroutines == 0) options.coroutines = 1;
  if (options.name.empty()) options.name = "millrace-" + std::to_string(getpid());
  return options;
}

}  // namespace

WorkerCore::WorkerCore(ClientOptions client, WorkerOptions options)
    : client_options_(std::move(client)),
      options_(with_defaults(std::move(options))),
      host_(options_.name.find('@') == std::string::npos ? options_.name + "@" + host_name() : options_.name),
      random_(random_seed()) {}

TaskOptions& WorkerCore::add(Registration entry) {
  const std::string name = entry.name;
  return tasks_.insert_or_assign(name, std::move(entry)).first->second.options;
}

void WorkerCore::start() {
  if (const auto channel = child_channel()) serve_as_child(*channel, tasks_);
  if (client_) return;  // it has started
  for (const auto& [name, task] : tasks_) {
    if (task.options.pool == Pool::processes && !task.plain)
      throw ClientError(ErrorKind::invalid_argument,
                        "the task " + name + " is a coroutine and cannot run in a process");
  }
  ClientOptions options = client_options_;
  if (options.name.empty()) options.name = "worker " + host_;
  client_ = std::make_unique<Client>(std::move(options));
  client_->connect();
  loop_ = std::make_unique<EventLoop>(1);
  places_ = std::make_unique<Places>(*client_, loop_->executor(), options_.declare_queues,
                                     std::set<std::string>(options_.queues.begin(), options_.queues.end()),
                                     options_.queue_arguments);
  results_ = std::make_shared<ResultsExchange>(*client_);
  events_ = std::make_unique<Events>(*client_, host_);
  events_->enable_tasks(options_.events);
  declare();
  pacer_ = std::make_unique<Pacer>(
      *client_, [this](Pacer::Call call, Milliseconds pause) { on_paced(std::move(call), pause); });
  for (const auto& [name, task] : tasks_) {
    if (task.options.rate_count > 0) pacer_->declare(name);
  }
  add_own_tasks();
  make_pools();
  control_ = std::make_unique<RemoteControl>(*client_, host_, loop_->executor());
  add_commands();
  if (options_.remote_control) control_->start();
  consume();
  events_->worker("worker-online", 0, 0);
  if (options_.heartbeat.count() > 0) loop_->every(options_.heartbeat, [this] { beat(); });
}

// They run on threads, so there are some.
void WorkerCore::add_own_tasks() {
  if (cannot_delay_) return;
  const auto add_own = [this](const char* name, auto work) {
    Registration entry;
    entry.name = name;
    entry.own = true;
    entry.plain = [weak = weak_from_this(), work](Context& context, const CallData& call) {
      const auto core = weak.lock();
      if (!core) throw Cancelled("its worker has stopped");
      try {
        return work(*core, context, call);
      } catch (const ClientError&) {
        throw;
      } catch (const Retry&) {
        throw;
      } catch (const std::exception& wrong) {
        throw Reject(wrong.what());  // what it was given is nothing that this library has sent
      }
    };
    // What they wait for comes, or the broker is away: they do not give up.
    entry.options.retries(1000, std::chrono::milliseconds(200), 2, std::chrono::seconds(30), 0.2);
    add(std::move(entry));
  };
  using boost::json::value;
  add_own(kJoinTask, [](WorkerCore& core, Context& context, const CallData& call) {
    return value(join(*core.client_, call.args.at(0), static_cast<Job&>(context).queue, core.host_));
  });
  add_own(kAdvanceTask, [](WorkerCore& core, Context&, const CallData& call) {
    run_advance(*core.client_, *core.places_, core.results_, call, core.host_);
    return value();
  });
  add_own(kTickTask, [](WorkerCore& core, Context& context, const CallData& call) {
    const std::string& queue = static_cast<Job&>(context).queue;
    core.places_->ensure(Places::Need::unique, queue);
    tick(*core.client_, call, queue, core.host_);
    return value();
  });
}

void WorkerCore::declare() {
  client_->declare_exchange(event_exchange());
  const bool waits = std::any_of(tasks_.begin(), tasks_.end(), [](const auto& task) {
    return task.second.options.retries_max > 0 || task.second.options.rate_count > 0;
  });
  for (const std::string& queue : options_.queues) {
    places_->ensure(Places::Need::queue, queue);
    places_->ensure(Places::Need::dead, queue);
    try {
      places_->ensure(Places::Need::delayed, queue);
    } catch (const ClientError&) {
      // Without it only those tasks work that are never to wait.
      if (waits) throw;
      cannot_delay_ = std::current_exception();
    }
  }
}

void WorkerCore::make_pools() {
  for (const auto& [name, task] : tasks_) {
    std::unique_ptr<JobPool>& pool = pools_[task.options.pool];
    if (pool) continue;
    switch (task.options.pool) {
      case Pool::threads:
        pool = std::make_unique<ThreadPool>(ThreadPoolOptions{options_.threads, options_.running_max,
                                                              options_.time_slice, options_.dispatch});
        break;
      case Pool::coroutines:
        pool = std::make_unique<CoroutinePool>(options_.threads, options_.coroutines);
        break;
      case Pool::processes:
        pool = std::make_unique<ProcessPool>(ProcessPoolOptions{options_.processes, options_.running_max,
                                                                options_.time_slice, options_.process_limits,
                                                                options_.dispatch});
        break;
    }
  }
}

JobPool& WorkerCore::pool_of(const Registration& task) {
  return *pools_.at(task.options.pool);
}

void WorkerCore::consume() {
  unsigned slots = 0;
  std::set<Pool> used;
  for (const auto& [name, task] : tasks_) {
    if (!task.own) used.insert(task.options.pool);
  }
  for (const Pool kind : used) slots += pools_.at(kind)->slots();
  ConsumeOptions options;
  options.prefetch =
      options_.prefetch != 0 ? options_.prefetch : static_cast<std::uint16_t>(std::clamp(slots, 1U, 65535U));
  for (const std::string& queue : options_.queues) {
    auto take = [this, queue](Delivery delivery) { on_delivery(queue, std::move(delivery)); };
    consumers_.push_back(
        client_->consume(queue, bind_executor(client::io_executor(*client_), std::move(take)), options));
  }
}

// A delivery that becomes no job.
struct WorkerCore::Held final : Settled {
  Held(WorkerCore& core, Delivery given) : worker(core), delivery(std::move(given)) {}
  void settle(const std::exception_ptr& error) override {
    if (!error) delivery.ack();
    delivery.requeue();  // nothing, if it was acknowledged
    worker.settled_one();
  }
  WorkerCore& worker;  // the Settling's owner
  Delivery delivery;
};

Settling WorkerCore::settle(Delivery delivery) {
  ++settling_;
  return Settling(shared_from_this(), *client_, *places_, std::make_shared<Held>(*this, std::move(delivery)));
}

Settling WorkerCore::settle(const JobPtr& job) {
  return Settling(shared_from_this(), *client_, *places_, job);
}

void WorkerCore::settled(const JobPtr& job, const std::exception_ptr& error) {
  switch (what_to_do_about(millrace::Failure(error).kind())) {
    case Remedy::at_once:
      return conclude(job, error);
    case Remedy::later:
      return conclude_later(job, error);
    case Remedy::none:
      return cannot_follow(job, millrace::Failure(error));
  }
}

void WorkerCore::conclude_later(const JobPtr& job, const std::exception_ptr& error) {
  loop_->after(kBeforeAgain, [this, job, error] { conclude(job, error); });
}

// Until then a redelivery is adopted: what was published for this one stands for both.
void WorkerCore::conclude(const JobPtr& job, const std::exception_ptr& error) {
  {
    const std::lock_guard lock(mutex_);
    forget(job);
    if (!error) done_.add(job->key());
  }
  if (!error) job->acknowledge();
  job->give_back();
  settled_one();
}

void WorkerCore::settled_one() {
  --settling_;
  if (!stopping_) return;
  const std::lock_guard lock(mutex_);  // who is about to wait sees it
  changed_.notify_all();
}

// With the lock.
void WorkerCore::forget(const JobPtr& job) {
  const auto known = jobs_.find(job->key());
  if (known != jobs_.end() && known->second == job) jobs_.erase(known);
}

bool WorkerCore::is_revoked(const std::string& id) const {
  if (!any_revoked_) return false;
  const std::lock_guard lock(mutex_);
  return revoked_.contains(id);
}

// -- calls coming in

void WorkerCore::on_delivery(const std::string& queue, Delivery delivery) {
  auto decoded = decode_call(client::raw_properties(delivery), client::raw_body(delivery));
  if (const auto* why = std::get_if<std::string>(&decoded)) {
    if (const auto result = read_step_result(delivery.message(), queue))
      return take_step_result(*result, std::move(delivery));
    return bury(queue, std::move(delivery), "undecodable", *why, nullptr);
  }
  Request& request = std::get<Request>(decoded);
  if (is_too_late(request.call)) return drop(queue, std::move(request), std::move(delivery), true);
  if (is_revoked(request.call.id)) return drop(queue, std::move(request), std::move(delivery), false);
  if (is_too_early(request.call)) return hold_until_due(queue, request, std::move(delivery));
  const auto task = tasks_.find(request.call.task);
  if (task == tasks_.end()) {
    return bury(queue, std::move(delivery), "unknown_task",
                "this worker knows no task '" + request.call.task + "'", &request);
  }
  if (has_to_be_paced(task->second, request))
    return pacer_->put({&task->second, queue, std::move(request), std::move(delivery)});
  accept(task->second, queue, std::move(request), std::move(delivery));
}

// What this worker has already, and is given again, has had its time.
bool WorkerCore::has_to_be_paced(const Registration& task, const Request& request) const {
  if (task.options.rate_count == 0 || request.paced) return false;
  const HashedText key(request.key.view());
  const std::lock_guard lock(mutex_);
  return !jobs_.contains(key) && !done_.contains(key);
}

void WorkerCore::on_paced(Pacer::Call call, Milliseconds pause) {
  if (pause.count() <= 0) {
    // Those that are accepted are gathered on one thread.
    return boost::asio::post(client::io_executor(*client_), [this, now = std::move(call)]() mutable {
      accept(*now.task, now.queue, std::move(now.request), std::move(now.delivery));
    });
  }
  Message message = call.delivery.message();
  message.headers[kPaced] = true;
  Settling settling = settle(std::move(call.delivery));
  settling.send(outgoing_later(call.queue, std::move(message), pause));
}

// The broker gives a call again when its connection is lost. If that was to this worker, which is still at
// it, the lease is simply renewed. Not every broker that was killed knows that it had delivered the message,
// so its word `redelivered` counts only for what has no id of its own.
bool WorkerCore::adopt(const HashedText& key, const Request& request, Delivery& delivery) {
  const auto job = jobs_.find(key);
  if (job != jobs_.end()) {
    job->second->adopt(std::move(delivery));
    return true;
  }
  if (!request.has_message_id && !delivery.redelivered()) return false;
  if (!done_.contains(key)) return false;
  delivery.ack();
  return true;
}

void WorkerCore::accept(const Registration& task, const std::string& queue, Request&& request,
                        Delivery delivery) {
  const HashedText key(request.key.view());
  JobPtr job;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;  // the delivery goes back
    if (adopt(key, request, delivery)) return;
    std::shared_ptr<const Registration> kept(shared_tasks_, &task);
    job =
        std::allocate_shared<Job>(millrace::detail::RecycledAllocator<Job>(), weak_from_this(),
                                  std::move(kept), queue, key.hash, std::move(request), std::move(delivery));
    jobs_.emplace(job->key(), job);
    ++totals_[task.name];
  }
  events_->received(job->request);
  // Deliveries come many at a time: the pools are woken once for them.
  if (accepted_.empty()) boost::asio::post(client::io_executor(*client_), [this] { hand_to_pools(); });
  accepted_.push_back(std::move(job));
}

void WorkerCore::hand_to_pools() {
  std::map<JobPool*, std::vector<JobPtr>> jobs;
  for (JobPtr& job : accepted_) jobs[&pool_of(job->task())].push_back(std::move(job));
  accepted_.clear();
  for (auto& [pool, its] : jobs) pool->run_all(std::move(its));
}

void WorkerCore::hold_until_due(const std::string& queue, const Request& request, Delivery delivery) {
  if (cannot_delay_) {
    const millrace::Failure failure(cannot_delay_);
    return bury(queue, std::move(delivery), "cannot_delay", failure.text(), &request);
  }
  const auto pause = std::chrono::ceil<Milliseconds>(*request.call.eta - std::chrono::system_clock::now());
  Message message = delivery.message();
  Settling settling = settle(std::move(delivery));
  settling.send(outgoing_later(queue, std::move(message), pause));
}

void WorkerCore::drop(const std::string& queue, Request request, Delivery delivery, bool expired) {
  events_->revoked(request, false, expired);
  Status status;
  status.state = State::revoked;
  status.name = "REVOKED";
  status.error_type = "TaskRevokedError";
  status.error_text = expired ? "expired" : "revoked";
  Settling settling = settle(std::move(delivery));
  send_errbacks(request, queue, status.error_text, Errbacks::of_dag, settling);
  send_end(request, status, settling);
}

void WorkerCore::take_step_result(const StepResult& result, Delivery delivery) {
  Settling settling = settle(std::move(delivery));
  if (result.advance) settling.send(outgoing(*result.advance, "", host_));
}

void WorkerCore::bury(const std::string& queue, Delivery delivery, const std::string& reason,
                      const std::string& text, const Request* request) {
  if (request != nullptr) events_->rejected(*request);
  Message dead = dead_letter(delivery.message(), queue, reason, text);
  Settling settling = settle(std::move(delivery));
  settling.send(Address(dead_queue_of(queue)), std::move(dead));
  if (request == nullptr) return;
  Status status;
  status.state = State::failure;
  status.name = "FAILURE";
  status.error_type = reason == "unknown_task" ? "NotRegistered" : "Reject";
  status.error_text = text;
  send_errbacks(*request, queue, text, Errbacks::of_dag, settling);
  send_end(*request, status, settling);
}

// -- running

bool WorkerCore::on_begin(const JobPtr& job) {
  const bool stops = stopping_;
  if (stops || is_revoked(job->request.call.id)) {
    job->request_stop(stops ? StopReason::worker_stops : StopReason::cancelled);
    on_end(job, outcome_of(std::make_exception_ptr(Cancelled("revoked"))));
    return false;
  }
  const auto& expires = job->request.call.expires;
  if (expires && *expires <= std::chrono::system_clock::now()) {
    job->request_stop(StopReason::cancelled);
    on_end(job, outcome_of(std::make_exception_ptr(Cancelled("expired"))));
    return false;
  }
  if (!job->begin()) return false;
  watch_limits(job);
  events_->started(job->request);
  if (job->task().options.reports_start)
    report_state(*job, "STARTED", boost::json::object{{"pid", getpid()}, {"hostname", host_}});
  return true;
}

void WorkerCore::watch_limits(const JobPtr& job) {
  const CallData& call = job->request.call;
  const TaskOptions& options = job->task().options;
  const Milliseconds soft = call.soft_limit.count() > 0 ? call.soft_limit : options.soft_limit;
  const Milliseconds hard = call.hard_limit.count() > 0 ? call.hard_limit : options.hard_limit;
  if (soft.count() <= 0 && hard.count() <= 0) return;
  const std::lock_guard lock(mutex_);
  job->is_timed = true;
  if (soft.count() > 0)
    job->soft_timer = loop_->after(soft, [job] { job->request_stop(StopReason::soft_limit); });
  if (hard.count() > 0) job->hard_timer = loop_->after(hard, [this, job] { on_hard_limit(job); });
}

void WorkerCore::unwatch(Job& job) {
  if (!job.is_timed) return;
  const std::lock_guard lock(mutex_);
  if (job.soft_timer) loop_->cancel(*job.soft_timer);
  if (job.hard_timer) loop_->cancel(*job.hard_timer);
}

void WorkerCore::on_hard_limit(const JobPtr& job) {
  Outcome outcome = Outcome::failure("TimeLimitExceeded", "the hard time limit has passed");
  outcome.process_died = job->task().options.pool == Pool::processes;
  JobPool& pool = pool_of(job->task());
  on_end(job, std::move(outcome));
  pool.abandon(job);
}

void WorkerCore::on_end(const JobPtr& job, Outcome outcome) {
  if (!job->end()) return;
  unwatch(*job);
  const bool give_back =
      outcome.kind == Outcome::Kind::cancelled && job->stop_reason() == StopReason::worker_stops;
  if (give_back) {
    job->give_back();
    const std::lock_guard lock(mutex_);
    forget(job);
    changed_.notify_all();
    return;
  }
  ++settling_;
  ++processed_;
  finish(job, outcome);
}

void WorkerCore::report_state(const Job& job, const std::string& name, const boost::json::value& value) {
  const std::string& reply_to = reply_to_of(job.request);
  if (reply_to.empty()) return;
  Status status;
  status.state = state_from(name);
  status.name = name;
  status.value = value;
  client_->async_publish(Address(reply_to), encode_result(job.request, status, {}),
                         [](std::exception_ptr, const Receipt&) {});  // only news
}

// -- ending

void WorkerCore::wait_until_idle(std::unique_lock<Mutex>& lock, Milliseconds time,
                                 const std::function<bool()>& hurry) {
  const auto deadline = std::chrono::steady_clock::now() + time;
  while (!(jobs_.empty() && settling_ == 0) && !hurry() && std::chrono::steady_clock::now() < deadline)
    changed_.wait_for(lock, std::chrono::milliseconds(50));
}

void WorkerCore::stop(const std::function<bool()>& hurry) {
  if (!client_) return;
  std::vector<Consumer> consumers;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_.exchange(true)) return;
    consumers.swap(consumers_);
  }
  for (Consumer& consumer : consumers) consumer.cancel();
  if (pacer_) pacer_->stop();
  for (auto& [kind, pool] : pools_) pool->drop_waiting();
  std::vector<JobPtr> jobs;
  {
    std::unique_lock lock(mutex_);
    erase_if(jobs_, [](const auto& entry) { return !entry.second->has_begun() && !entry.second->is_over(); });
    wait_until_idle(lock, options_.drain_time, hurry);
    for (const auto& [key, job] : jobs_) jobs.push_back(job);
  }
  for (const JobPtr& job : jobs) job->request_stop(StopReason::worker_stops);
  jobs.clear();
  {
    std::unique_lock lock(mutex_);
    wait_until_idle(lock, options_.stop_time, [] { return false; });
    for (const auto& [key, job] : jobs_) jobs.push_back(job);
  }
  for (const JobPtr& job : jobs) {
    if (!job->end()) continue;
    job->give_back();
    pool_of(job->task()).abandon(job);
  }
  for (auto& [kind, pool] : pools_) pool->stop();
  // Each of these is there as far as start() came.
  if (control_) {
    control_->stop();
    events_->worker("worker-offline", 0, processed_);
  }
  client_->close();
  // Nothing of it runs when this object goes.
  client::wait_for_io_thread(*client_);
  if (loop_) loop_->finish();
}

bool WorkerCore::wait_for_shutdown(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, time, [this] { return shutdown_asked_; });
}

void WorkerCore::beat() {
  std::size_t active = 0;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, job] : jobs_) active += job->has_begun() && !job->is_over();
  }
  events_->worker("worker-heartbeat", active, processed_);
}

}  // namespace millrace::tasks::detail
