#include "runtime/os/disk_thread.hpp"

#include <pthread.h>

#include <utility>

#include "base/assert.hpp"

namespace millrace::runtime {

DiskThread::DiskThread(const std::string& name, Executor& executor)
    : executor_(executor), thread_([this] { run(); }) {
  pthread_setname_np(thread_.native_handle(), name.c_str());
}

void DiskThread::submit(Task work, Task done) {
  {
    const std::lock_guard lock(mutex_);
    MILLRACE_ASSERT(!stopping_, "disk work was submitted to a thread that is stopping");
    jobs_.push_back({std::move(work), std::move(done)});
  }
  wake_.notify_one();
}

void DiskThread::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void DiskThread::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job.work();
    job.work = nullptr;  // what it owns goes before its completion can run
    executor_.post(std::move(job.done));
    lock.lock();
  }
}

}  // namespace millrace::runtime
