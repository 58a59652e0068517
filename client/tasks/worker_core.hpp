// A worker: takes calls from queues, has pools run them, and settles them.
//
// A call's way: on_delivery (decoded, or a dead letter; held by the broker if it is early; dropped if it is
// late or revoked) → a pool → on_begin → on_end → its messages (result, what comes next, another attempt, a
// dead letter) are published, and when the last one is confirmed the delivery is acknowledged.
#pragma once

#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/prng.hpp"
#include "client/tasks/dag.hpp"
#include "client/tasks/events.hpp"
#include "client/tasks/job.hpp"
#include "client/tasks/outcome.hpp"
#include "client/tasks/pacing.hpp"
#include "client/tasks/places.hpp"
#include "client/tasks/pool.hpp"
#include "client/tasks/remembered_ids.hpp"
#include "client/tasks/remote_control.hpp"
#include "client/tasks/results_exchange.hpp"
#include "client/tasks/settling.hpp"
#include "millrace/client.hpp"
#include "millrace/detail/queue_lock.hpp"
#include "millrace/tasks/result.hpp"
#include "millrace/tasks/worker.hpp"

namespace millrace::tasks::detail {

class WorkerCore final : public PoolOwner, public std::enable_shared_from_this<WorkerCore> {
 public:
  WorkerCore(ClientOptions client, WorkerOptions options);

  TaskOptions& add(Registration entry);
  void start();
  // Does not wait for running tasks any longer once `hurry` says so.
  void stop(const std::function<bool()>& hurry);
  // Blocks until stop was asked for by remote control, or the time is over; true: asked for.
  bool wait_for_shutdown(std::chrono::milliseconds time);
  const std::string& host() const noexcept { return host_; }
  std::uint64_t processed() const noexcept { return processed_; }

  // What follows from the job's end has been confirmed, or could not be.
  void settled(const JobPtr& job, const std::exception_ptr& error);
  void report_state(const Job& job, const std::string& name, const boost::json::value& value);

 private:
  bool on_begin(const JobPtr& job) override;
  void on_end(const JobPtr& job, Outcome outcome) override;

  void declare();
  void make_pools();
  void add_own_tasks();
  void consume();
  JobPool& pool_of(const Registration& task);

  void on_delivery(const std::string& queue, Delivery delivery);
  void accept(const Registration& task, const std::string& queue, Request&& request, Delivery delivery);
  bool has_to_be_paced(const Registration& task, const Request& request) const;
  void on_paced(Pacer::Call call, Milliseconds pause);
  bool adopt(const HashedText& key, const Request& request, Delivery& delivery);
  void hold_until_due(const std::string& queue, const Request& request, Delivery delivery);
  void drop(const std::string& queue, Request request, Delivery delivery, bool expired);
  void take_step_result(const StepResult& result, Delivery delivery);
  void bury(const std::string& queue, Delivery delivery, const std::string& reason, const std::string& text,
            const Request* request);

  void watch_limits(const JobPtr& job);
  void unwatch(Job& job);
  void on_hard_limit(const JobPtr& job);

  struct Held;
  struct Buried;
  struct News;
  // What stop() waits for.
  Settling settle(Delivery delivery);
  Settling settle(const JobPtr& job);
  void conclude(const JobPtr& job, const std::exception_ptr& error);
  void conclude_later(const JobPtr& job, const std::exception_ptr& error);
  void cannot_follow(const JobPtr& job, const millrace::Failure& why);
  void forget(const JobPtr& job);
  void settled_one();
  bool is_revoked(const std::string& id) const;
  // Gives the pools what was accepted since, each all of its at once.
  void hand_to_pools();
  void finish(const JobPtr& job, const Outcome& outcome);
  void succeed(const JobPtr& job, const Outcome& outcome, Settling& settling);
  void try_again(const JobPtr& job, const Outcome& outcome, Settling& settling);
  void fail(const JobPtr& job, const Outcome& outcome, Settling& settling);
  void revoked(const JobPtr& job, const Outcome& outcome, Settling& settling);
  // Where its results go; empty: nobody waits for them.
  static const std::string& reply_to_of(const Request& request);
  // Whether one that ends so is told to somebody.
  static bool is_answered(const Request& request, State state);
  void send_result(const Request& request, const Status& status, Settling& settling,
                   const boost::json::array& children = {});
  // Where others may ask for it, if the call wants that.
  void keep(const Request& request, const Status& status, Settling& settling,
            const boost::json::array& children);
  void send_end(const Request& request, const Status& status, Settling& settling);
  void send_call(CallData call, const Request& parent, const std::string& queue, Settling& settling);
  enum class Errbacks : std::uint8_t {
    all,
    of_dag,  // of a call that ends in a way that calls none: the Dag that it is a step of hears of it
  };
  void send_errbacks(const Request& request, const std::string& queue, const std::string& why, Errbacks which,
                     Settling& settling);
  void arrive(const JobPtr& job, const boost::json::value& result, Settling& settling);
  Milliseconds retry_pause(const Job& job, const Outcome& outcome);
  bool has_retries_left(const Job& job) const;

  void add_commands();
  boost::json::value revoke(const boost::json::object& arguments);
  boost::json::array jobs_json(bool begun) const;
  boost::json::object info_of(const Job& job) const;
  boost::json::object stats() const;
  void beat();
  // The I/O thread that takes calls in and the threads that conclude them come for it all the time, for a
  // moment each: to sleep and be woken would cost them more than what they do under it.
  using Mutex = millrace::detail::QueueLock;
  // Waits until nothing runs, for so long; with the lock.
  void wait_until_idle(std::unique_lock<Mutex>& lock, Milliseconds time, const std::function<bool()>& hurry);

  const ClientOptions client_options_;
  const WorkerOptions options_;
  const std::string host_;
  const std::chrono::steady_clock::time_point created_ = std::chrono::steady_clock::now();
  using Tasks = std::map<std::string, Registration, std::less<>>;
  const std::shared_ptr<Tasks> shared_tasks_ = std::make_shared<Tasks>();
  Tasks& tasks_ = *shared_tasks_;

  std::unique_ptr<EventLoop> loop_;  // timers, remote control; outlives the client, whose callbacks it runs
  std::unique_ptr<Client> client_;
  std::unique_ptr<Places> places_;
  std::shared_ptr<ResultsExchange> results_;
  std::unique_ptr<Pacer> pacer_;
  std::unique_ptr<Events> events_;
  std::unique_ptr<RemoteControl> control_;
  std::map<Pool, std::unique_ptr<JobPool>> pools_;
  std::vector<Consumer> consumers_;
  std::vector<JobPtr> accepted_;  // the I/O thread's: not with a pool yet
  std::exception_ptr cannot_delay_;

  mutable Mutex mutex_;
  std::condition_variable_any changed_;
  boost::unordered_flat_map<HashedText, JobPtr, HashedText::Hash>
      jobs_;                    // by their keys: accepted, and not settled
  RememberedIds done_{10'000};  // keys whose acknowledgement may have been lost
  RememberedIds revoked_{50'000};
  std::atomic<bool> any_revoked_{false};
  Prng random_;
  std::atomic<std::size_t> settling_{0};
  std::atomic<bool> stopping_{false};  // set with the mutex
  bool shutdown_asked_ = false;
  std::atomic<std::uint64_t> processed_{0};
  std::map<std::string, std::uint64_t> totals_;  // by task
};

}  // namespace millrace::tasks::detail
