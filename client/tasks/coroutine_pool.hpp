// Runs jobs whose functions are coroutines: many on few threads, each on a strand of its own.
#pragma once

#include <deque>
#include <memory>
#include <mutex>

#include "client/tasks/pool.hpp"

namespace millrace::tasks {

// A job that is cancelled is interrupted in the operation that it awaits (Asio's terminal cancellation).
class CoroutinePool final : public JobPool {
 public:
  CoroutinePool(unsigned threads, unsigned at_once);
  ~CoroutinePool() override;

  void run(JobPtr job) override;
  void abandon(const JobPtr& job) override;
  void drop_waiting() override;
  void stop() override;
  unsigned slots() const override;
  boost::json::object describe() const override;

 private:
  struct State;
  static void start(const std::shared_ptr<State>& state, JobPtr job);
  static void ended(const std::shared_ptr<State>& state);

  const std::shared_ptr<State> state_;
  std::unique_ptr<EventLoop> loop_;
};

}  // namespace millrace::tasks
