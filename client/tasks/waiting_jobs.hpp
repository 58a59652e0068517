// Jobs that wait for a place in a pool: those of the highest priority first, then in the order they came. The
// pool's mutex guards it.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "client/tasks/job.hpp"
#include "millrace/tasks/worker.hpp"

namespace millrace::tasks {

// Who dispatches idle first has one line for all; who goes round has one for each place, and deals jobs out
// to them in turn, busy or not.
class WaitingJobs {
 public:
  WaitingJobs(Dispatch dispatch, std::size_t places)
      : lines_(dispatch == Dispatch::round_robin && places > 1 ? places : 1) {}

  bool empty() const noexcept { return count_ == 0; }
  std::size_t size() const noexcept { return count_; }
  bool has_lines() const noexcept { return lines_.size() > 1; }
  // Whether there is one for that place.
  bool any_for(std::size_t place) const noexcept { return !lines_[place % lines_.size()].empty(); }

  void put(JobPtr job) {
    const int priority = job->request.call.priority;
    lines_[next_][priority].push_back(std::move(job));
    next_ = (next_ + 1) % lines_.size();
    ++count_;
  }
  // There is one for that place.
  JobPtr take(std::size_t place) {
    Line& line = lines_[place % lines_.size()];
    const auto first = line.begin();
    JobPtr job = std::move(first->second.front());
    first->second.pop_front();
    if (first->second.empty()) line.erase(first);
    --count_;
    return job;
  }
  // All of them, for who lets go of them without the mutex.
  std::vector<JobPtr> take_all() {
    std::vector<JobPtr> jobs;
    for (std::size_t place = 0; place < lines_.size(); ++place) {
      while (any_for(place)) jobs.push_back(take(place));
    }
    return jobs;
  }

 private:
  using Line = std::map<int, std::deque<JobPtr>, std::greater<>>;  // by priority
  std::vector<Line> lines_;
  std::size_t next_ = 0;
  std::size_t count_ = 0;
};

}  // namespace millrace::tasks
