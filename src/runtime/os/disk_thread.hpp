// The shard's disk thread: one std::thread that does what it is given, in order.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

#include "runtime/executor.hpp"

namespace millrace::runtime {

// submit() may be called from any thread until stop(). Bound: none of its own; callers bound what they have
// in flight (Log::kMaxUnflushedBytes, one segment write at a time, ...).
class DiskThread final : public DiskExecutor {
 public:
  // `name`: the thread's, at most 15 characters. `executor` is the shard's; it must outlive this object.
  DiskThread(const std::string& name, Executor& executor);
  ~DiskThread() override { stop(); }

  void submit(Task work, Task done) override;
  // Does what is queued, posts its completions, and ends the thread. Nothing may be submitted after it began;
  // stopping twice is fine.
  void stop();

 private:
  struct Job {
    Task work;
    Task done;
  };
  void run();

  Executor& executor_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  bool stopping_ = false;
  std::thread thread_;  // last: it runs as soon as it is made
};

}  // namespace millrace::runtime
