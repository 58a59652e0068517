// One call that a worker has accepted, from its delivery to its settlement.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "client/tasks/hashed_text.hpp"
#include "client/tasks/settling.hpp"
#include "client/tasks/task_message.hpp"
#include "millrace/delivery.hpp"
#include "millrace/event_loop.hpp"
#include "millrace/tasks/context.hpp"
#include "millrace/tasks/worker.hpp"

namespace millrace::tasks {

namespace detail {
class WorkerCore;
}
class PoolOwner;

// A task's turn, where tasks take turns.
class Turn {
 public:
  // Lets others go first when it has lasted long enough.
  virtual void yield() = 0;

 protected:
  ~Turn() = default;
};

// Why a running task is to end.
enum class StopReason : std::uint8_t { none, soft_limit, cancelled, worker_stops };

class Job final : public Context, public Settled, public std::enable_shared_from_this<Job> {
 public:
  // `key_hash` is that of the request's key. The job keeps its task: a thread that was given up runs it when
  // the worker is gone.
  Job(std::weak_ptr<detail::WorkerCore> worker, std::shared_ptr<const detail::Registration> task,
      std::string from_queue, std::size_t key_hash, Request&& asked, Delivery given);

  // -- any thread
  const detail::Registration& task() const noexcept { return *task_; }
  // Whom to tell how it goes; null when the worker is gone.
  std::shared_ptr<PoolOwner> owner() const;
  HashedText key() const noexcept { return {request.key.view(), key_hash_}; }

  // Asks the task to end, for the first reason given; a soft limit gives way to the others.
  void request_stop(StopReason reason);
  StopReason stop_reason() const noexcept { return stop_.load(std::memory_order_acquire); }
  // True for the first that ends this job; whatever comes later is ignored.
  bool end() noexcept { return !over_.exchange(true, std::memory_order_acq_rel); }
  bool is_over() const noexcept { return over_.load(std::memory_order_acquire); }
  // It begins to run; false when it has been ended while it waited.
  bool begin();
  bool has_begun() const noexcept { return begun_.load(std::memory_order_acquire); }
  std::chrono::steady_clock::time_point started() const noexcept { return started_; }

  // As it came. Not once it is settled.
  Message message() const;

  // The broker has given the same call again, after a lost connection: it is settled with the first, which
  // has lost its meaning then.
  void adopt(Delivery delivery);
  // Each does so once, for all.
  void acknowledge();
  void give_back();

  // What a pool wants to do at once when the task is asked to stop: interrupt a coroutine, signal a process.
  void on_stop(std::function<void(StopReason)> action);

  void settle(const std::exception_ptr& error) override;

  // -- Context, for the task
  bool stop_requested() const noexcept override { return stop_reason() != StopReason::none || is_over(); }
  void check() override;
  void yield() override;
  void set_state(const std::string& name, const boost::json::value& value) override;

  const std::string queue;
  const Request request;
  std::atomic<bool> is_timed{false};  // WorkerCore's: one of these is there
  std::optional<TimerId> soft_timer;
  std::optional<TimerId> hard_timer;
  Turn* turn = nullptr;  // the thread pool's, while it runs there

 private:
  const std::weak_ptr<detail::WorkerCore> worker_;
  const std::shared_ptr<const detail::Registration> task_;
  const std::size_t key_hash_;
  std::atomic<StopReason> stop_{StopReason::none};
  std::atomic<bool> over_{false};
  std::atomic<bool> begun_{false};
  bool soft_limit_thrown_ = false;
  std::chrono::steady_clock::time_point started_;
  mutable std::mutex mutex_;
  Delivery delivery_;
  std::vector<Delivery> adopted_;
  std::function<void(StopReason)> on_stop_;
};

using JobPtr = std::shared_ptr<Job>;

}  // namespace millrace::tasks
