// Runs jobs on threads: those of the highest priority first, then in the order they came.
//
// With a limit on how many run at once that is lower than the number of threads, running is a turn that is
// given round: a task that calls Context::yield after its time slice goes behind those that wait, begun or
// not (time-slice round-robin, measured at yield).
#pragma once

#include <memory>

#include "client/tasks/pool.hpp"
#include "millrace/tasks/worker.hpp"

namespace millrace::tasks {

struct ThreadPoolOptions {
  unsigned threads = 1;
  unsigned running_max = 0;  // 0: as many as there are threads
  Milliseconds time_slice{100};
  Dispatch dispatch = Dispatch::idle_first;
};

class ThreadPool final : public JobPool {
 public:
  explicit ThreadPool(ThreadPoolOptions options);
  ~ThreadPool() override;

  void run(JobPtr job) override;
  void run_all(std::vector<JobPtr> jobs) override;
  void abandon(const JobPtr& job) override;
  void drop_waiting() override;
  void stop() override;
  unsigned slots() const override { return options_.threads; }
  boost::json::object describe() const override;

 private:
  struct State;
  struct Worker;
  struct OneTurn;
  static void serve(const std::shared_ptr<State>& state, const std::shared_ptr<Worker>& worker);
  void add_thread(std::size_t place);

  const ThreadPoolOptions options_;
  const std::shared_ptr<State> state_;
};

}  // namespace millrace::tasks
