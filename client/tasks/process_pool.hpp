// Runs jobs in child processes, each of which does one at a time and is used again.
//
// A child that dies (a crash, exit(), SIGKILL, its memory or CPU limit) costs its own task one attempt, and
// is replaced. With `running_max` below the number of processes, those that run take turns: SIGSTOP and
// SIGCONT every time slice, which is a real preemption (time-slice round-robin).
#pragma once

#include <memory>

#include "client/tasks/pool.hpp"

namespace millrace::tasks {

struct ProcessPoolOptions {
  unsigned processes = 1;
  unsigned running_max = 0;  // 0: as many as there are
  Milliseconds time_slice{100};
  ProcessLimits limits;
  Dispatch dispatch = Dispatch::idle_first;
};

class ProcessPool final : public JobPool {
 public:
  explicit ProcessPool(ProcessPoolOptions options);
  ~ProcessPool() override;

  void run(JobPtr job) override;
  void abandon(const JobPtr& job) override;
  void drop_waiting() override;
  void stop() override;
  unsigned slots() const override { return options_.processes; }
  boost::json::object describe() const override;

 private:
  struct State;
  struct Slot;

  const ProcessPoolOptions options_;
  const std::shared_ptr<State> state_;
};

}  // namespace millrace::tasks
