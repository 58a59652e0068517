// Tasks that other threads post to a loop: a batch of them costs one wake-up.
#pragma once

#include <atomic>
#include <mutex>
#include <utility>
#include <vector>

#include "base/task.hpp"

namespace millrace::runtime {

// Each is destroyed before the next one runs. The memory of the list is kept.
inline void run_and_clear(std::vector<Task>& tasks) {
  for (Task& task : tasks) {
    task();
    task = nullptr;
  }
  tasks.clear();
}

class PostQueue {
 public:
  // Any thread. True: it is the first of a batch, and the loop is to be woken.
  bool put(Task task) {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(task));
    if (filled_.load(std::memory_order_relaxed)) return false;
    filled_.store(true, std::memory_order_release);
    return true;
  }
  // The loop's thread: runs all that is there. The flag spares it the lock when there is nothing.
  void run() {
    if (!filled_.load(std::memory_order_acquire)) return;
    {
      const std::lock_guard lock(mutex_);
      filled_.store(false, std::memory_order_relaxed);
      running_.swap(waiting_);
    }
    run_and_clear(running_);
  }
  // When the thread has ended: destroys what is there.
  void clear() {
    const std::lock_guard lock(mutex_);
    waiting_.clear();
  }

 private:
  std::mutex mutex_;
  std::vector<Task> waiting_;
  std::atomic<bool> filled_{false};
  std::vector<Task> running_;  // the loop's thread only; kept for its memory
};

}  // namespace millrace::runtime
