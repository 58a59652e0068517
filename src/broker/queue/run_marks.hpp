// Where in a run items begin, every few KiB: so that one item can be read without those before it. 16 bytes
// of memory for kStepBytes of the run.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace millrace::broker {

class RunMarks {
 public:
  static constexpr std::uint64_t kStepBytes = 8u << 10;

  // The stretch that holds an item: from where the mark is to the next.
  struct Stretch {
    std::uint64_t offset = 0;
    std::uint64_t end = 0;
  };

  // An item begins there. In rising order; what is known already may be said again.
  void note(std::uint64_t seq, std::uint64_t offset) {
    if (!marks_.empty() && offset < marks_.back().offset + kStepBytes) return;
    marks_.push_back({seq, offset});
  }
  // Nothing was noted of items before this one, for this and find().
  bool covers(std::uint64_t seq) const noexcept { return !marks_.empty() && marks_.front().seq <= seq; }
  // `run_end` is where the run's last item ends.
  Stretch find(std::uint64_t seq, std::uint64_t run_end) const noexcept {
    const auto next = std::upper_bound(marks_.begin(), marks_.end(), seq,
                                       [](std::uint64_t s, const Mark& mark) { return s < mark.seq; });
    return {std::prev(next)->offset, next == marks_.end() ? run_end : next->offset};
  }
  // All offsets were counted from the run's first item, which is there.
  void shift(std::uint64_t by) noexcept {
    for (Mark& mark : marks_) mark.offset += by;
  }

 private:
  struct Mark {
    std::uint64_t seq = 0;
    std::uint64_t offset = 0;
  };
  std::vector<Mark> marks_;
};

}  // namespace millrace::broker
