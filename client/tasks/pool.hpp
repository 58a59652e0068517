// Where jobs run.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "client/tasks/job.hpp"
#include "client/tasks/outcome.hpp"

namespace millrace::tasks {

// What a pool tells the worker of a job (Job::owner). Any thread.
class PoolOwner {
 public:
  // Just before the task runs; false: it was ended while it waited, and is not to run.
  virtual bool on_begin(const JobPtr& job) = 0;
  // The task has ended. Ignored for a job that is over.
  virtual void on_end(const JobPtr& job, Outcome outcome) = 0;

 protected:
  ~PoolOwner() = default;
};

class JobPool {
 public:
  virtual ~JobPool() = default;

  // Takes a job, now or when there is room. Any thread.
  virtual void run(JobPtr job) = 0;
  // The same for many.
  virtual void run_all(std::vector<JobPtr> jobs) {
    for (JobPtr& job : jobs) run(std::move(job));
  }
  // The job is over although it runs: its place is free.
  virtual void abandon(const JobPtr& job) = 0;
  // Drops the jobs that have not begun: they go back to the broker.
  virtual void drop_waiting() = 0;
  // Ends; what still runs is abandoned.
  virtual void stop() = 0;
  // How many jobs run at once.
  virtual unsigned slots() const = 0;
  // For remote control's `stats`.
  virtual boost::json::object describe() const = 0;
};

}  // namespace millrace::tasks
