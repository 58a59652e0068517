// Jobs that wait for a place in a pool: those of the highest priority first, then in the order they came. The
// pool's mutex guards it.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <utility>

#include "client/tasks/job.hpp"

namespace millrace::tasks {

class WaitingJobs {
 public:
  bool empty() const noexcept { return count_ == 0; }
  std::size_t size() const noexcept { return count_; }
  void put(JobPtr job) {
    const int priority = job->request.call.priority;
    by_priority_[priority].push_back(std::move(job));
    ++count_;
  }
  // There is one.
  JobPtr take() {
    const auto first = by_priority_.begin();
    JobPtr job = std::move(first->second.front());
    first->second.pop_front();
    if (first->second.empty()) by_priority_.erase(first);
    --count_;
    return job;
  }

 private:
  std::map<int, std::deque<JobPtr>, std::greater<>> by_priority_;
  std::size_t count_ = 0;
};

}  // namespace millrace::tasks
