// The publishes of one channel that wait for their confirm.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "load/counters.hpp"

namespace millrace::load {

// Delivery tags count publishes from 1. Each must be confirmed once; anything else is a Failure.
class ConfirmWindow {
 public:
  explicit ConfirmWindow(std::uint32_t limit);

  // Confirms may come out of order; publishing pauses before the span of tags outgrows the ring.
  std::uint64_t room() const noexcept {
    const std::uint64_t ring_room = sent_.size() - (next_ - lowest_);
    return std::min<std::uint64_t>(limit_ - open_, ring_room);
  }
  bool empty() const noexcept { return open_ == 0; }

  // The next publish, sent (or due) at that time. Only while there is room.
  void add(std::uint64_t sent_ns) noexcept {
    sent_[static_cast<std::size_t>(next_++) & mask_] = sent_ns;
    ++open_;
  }
  void confirm(std::uint64_t tag, bool multiple, std::uint64_t now, Counters& counters);

 private:
  static constexpr std::uint64_t kSettled = 0;

  bool settle(std::uint64_t tag, std::uint64_t now, Counters& counters) noexcept;

  std::uint32_t limit_;
  std::uint32_t open_ = 0;
  std::uint64_t lowest_ = 1;  // all below are confirmed
  std::uint64_t next_ = 1;
  std::size_t mask_;
  std::vector<std::uint64_t> sent_;  // by tag, for lowest_ .. next_ - 1
};

}  // namespace millrace::load
