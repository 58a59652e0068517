// What a shard runs on: its own thread, timers on that thread, and a thread for its disk work.
#pragma once

#include <cstdint>

#include "base/strong.hpp"
#include "base/task.hpp"
#include "runtime/clock.hpp"

namespace millrace::runtime {

class Executor {
 public:
  virtual ~Executor() = default;
  // Runs the task on the shard's thread, after this turn. Callable from any thread; tasks posted by one
  // thread run in the order posted. Tasks that are still queued when the executor stops are destroyed without
  // being run.
  virtual void post(Task task) = 0;
  // The share of the last tenth of a second in which the thread was at work, in thousandths; 0 where it is
  // not measured. Any thread.
  virtual unsigned busy_permille() const noexcept { return 0; }
};

using TimerId = Strong<struct TimerTag>;

// On the shard's thread only.
class Timers {
 public:
  virtual ~Timers() = default;
  // Runs the task once, on the shard's thread, not before `delay` has passed.
  virtual TimerId start(Nanoseconds delay, Task task) = 0;
  // After this the task will not run. An id that has fired or was cancelled is ignored.
  virtual void cancel(TimerId timer) = 0;
};

// The shard's disk thread. Work submitted is done in order, one at a time.
class DiskExecutor {
 public:
  virtual ~DiskExecutor() = default;
  // Does `work` on the disk thread, then `done` on the shard's thread. `work` must touch nothing that the
  // shard's thread may change meanwhile.
  virtual void submit(Task work, Task done) = 0;
};

}  // namespace millrace::runtime
