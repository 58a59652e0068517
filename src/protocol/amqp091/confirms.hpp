// Publisher confirms of one channel: which publishes are settled, and the fewest basic.ack and basic.nack
// that say so.
//
// Sequence numbers are dense from 1. A publish is settled at once or later, in any order. flush() announces
// what was settled since the last flush: everything up to the first unsettled publish by as few `multiple`
// frames as there are runs of the same outcome, what lies beyond it one by one. One byte is held for each
// publish from the first unsettled one on; nothing is allocated once the ring has its size.
#pragma once

#include <cstdint>
#include <vector>

#include "base/assert.hpp"

namespace millrace::amqp091 {

class Confirms {
 public:
  // The number of a publish that is about to be made.
  std::uint64_t add() {
    if (next_ - first_ == states_.size()) grow();
    at(next_) = State::pending;
    return next_++;
  }

  // Each number once.
  void settle(std::uint64_t number, bool accepted) {
    MILLRACE_ASSERT(number >= settled_end_ && number < next_ && at(number) == State::pending,
                    "a publish was confirmed twice");
    at(number) = accepted ? State::acked : State::nacked;
    ++settled_;
    if (number != settled_end_) {
      beyond_.push_back(number);
      return;
    }
    while (settled_end_ < next_ && at(settled_end_) != State::pending) ++settled_end_;
  }

  bool anything_to_flush() const noexcept { return first_ != settled_end_ || !beyond_.empty(); }
  std::uint64_t unsettled() const noexcept { return next_ - 1 - settled_; }
  bool all_settled() const noexcept { return settled_end_ == next_; }

  // Calls write(number, multiple, accepted) for each frame to send.
  template <class Write>
  void flush(Write&& write) {
    while (first_ != settled_end_) flush_run(write);
    for (const std::uint64_t number : beyond_) {
      if (number < settled_end_) continue;  // said by a run already
      write(number, false, at(number) == State::acked);
      at(number) = State::announced;
    }
    beyond_.clear();
  }

 private:
  enum class State : std::uint8_t { pending, acked, nacked, announced };

  State& at(std::uint64_t number) noexcept { return states_[number & (states_.size() - 1)]; }

  // The longest run at the front whose outcomes are the same, over what was announced before.
  template <class Write>
  void flush_run(Write&& write) {
    State outcome = State::announced;
    std::uint64_t last = 0;
    std::uint64_t count = 0;
    for (; first_ != settled_end_; ++first_) {
      const State state = at(first_);
      if (state == State::announced) continue;
      if (outcome == State::announced) outcome = state;
      if (state != outcome) break;
      last = first_;
      ++count;
    }
    if (count != 0) write(last, count > 1, outcome == State::acked);
  }

  void grow() {
    std::vector<State> bigger(states_.empty() ? 64 : states_.size() * 2);
    for (std::uint64_t n = first_; n != next_; ++n) bigger[n & (bigger.size() - 1)] = at(n);
    states_.swap(bigger);
  }

  std::vector<State> states_;      // a ring over [first_, next_); its size is a power of two
  std::uint64_t first_ = 1;        // the first not yet covered by a `multiple`
  std::uint64_t settled_end_ = 1;  // everything below is settled
  std::uint64_t next_ = 1;
  std::uint64_t settled_ = 0;
  std::vector<std::uint64_t> beyond_;  // settled since the last flush, behind an unsettled one
};

}  // namespace millrace::amqp091
