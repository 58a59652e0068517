// Timers by deadline: a heap of (deadline, id) and the tasks by id. Knows no clock.
//
// A cancelled timer leaves its heap entry behind; the heap is rebuilt when such entries outnumber the others,
// so memory follows the timers that are alive.
#pragma once

#include <optional>
#include <unordered_map>
#include <vector>

#include "runtime/executor.hpp"

namespace millrace::runtime {

class TimerQueue {
 public:
  TimerId add(Nanoseconds deadline, Task task);
  void cancel(TimerId id);
  // Of the first timer that is alive.
  std::optional<Nanoseconds> next_deadline();
  // The first live timer at or before `now`, in the order of deadlines and, where equal, of their start.
  // Empty: none is due.
  Task take_due(Nanoseconds now);

 private:
  static constexpr std::size_t kDeadEntriesKept = 64;

  struct Entry {
    Nanoseconds deadline;
    TimerId id;
  };
  static bool later(const Entry& a, const Entry& b) noexcept {
    return a.deadline != b.deadline ? a.deadline > b.deadline : a.id > b.id;
  }
  void drop_dead_front();

  std::vector<Entry> heap_;
  std::unordered_map<TimerId, Task> tasks_;
  TimerId last_;
};

}  // namespace millrace::runtime
