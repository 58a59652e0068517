#include "runtime/os/timer_queue.hpp"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

TimerId TimerQueue::add(Nanoseconds deadline, Task task) {
  last_ = last_.next();
  tasks_.emplace(last_, std::move(task));
  heap_.push_back({deadline, last_});
  std::push_heap(heap_.begin(), heap_.end(), later);
  return last_;
}

void TimerQueue::cancel(TimerId id) {
  if (tasks_.erase(id) == 0) return;
  if (heap_.size() <= 2 * tasks_.size() + kDeadEntriesKept) return;
  std::erase_if(heap_, [this](const Entry& entry) { return !tasks_.contains(entry.id); });
  std::make_heap(heap_.begin(), heap_.end(), later);
}

std::optional<Nanoseconds> TimerQueue::next_deadline() {
  drop_dead_front();
  if (heap_.empty()) return std::nullopt;
  return heap_.front().deadline;
}

Task TimerQueue::take_due(Nanoseconds now) {
  drop_dead_front();
  if (heap_.empty() || heap_.front().deadline > now) return nullptr;
  const auto found = tasks_.find(heap_.front().id);
  Task task = std::move(found->second);
  tasks_.erase(found);
  std::pop_heap(heap_.begin(), heap_.end(), later);
  heap_.pop_back();
  return task;
}

void TimerQueue::drop_dead_front() {
  while (!heap_.empty() && !tasks_.contains(heap_.front().id)) {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    heap_.pop_back();
  }
}

}  // namespace millrace::runtime
