// Which shard a connection uses most: counts its messages by the shard of their queue, until one shard has so
// many more than all others that a move there is worth its cost.
//
// Thread: the connection's shard.
#pragma once

#include <algorithm>
#include <cstdint>

#include "broker/ids.hpp"

namespace millrace::broker {

class ShardVote {
 public:
  // Messages by which a shard must be ahead. Doubled by each move, so that a connection whose use changes to
  // and fro settles somewhere.
  static constexpr std::int64_t kFirstMove = 1024;
  static constexpr std::int64_t kLastMove = 1 << 20;
  // What a message for another shard weighs against the favourite: it must have four of five.
  static constexpr std::int64_t kAgainst = 4;

  // True while the favourite is far enough ahead.
  bool add(ShardId used, ShardId home, std::int64_t messages) noexcept {
    if (used == favourite_ && used != home) {
      lead_ = std::min(lead_ + messages, 2 * needed_);
      return lead_ >= needed_;
    }
    lead_ = std::max<std::int64_t>(lead_ - kAgainst * messages, 0);
    if (lead_ == 0) favourite_ = used;
    return false;
  }
  bool wants_move() const noexcept { return lead_ >= needed_; }
  ShardId favourite() const noexcept { return favourite_; }

  // The move is not wanted now: counting begins anew.
  void refused() noexcept { lead_ = 0; }
  void moved() noexcept {
    lead_ = 0;
    needed_ = std::min(needed_ * 2, kLastMove);
  }

 private:
  ShardId favourite_;
  std::int64_t lead_ = 0;
  std::int64_t needed_ = kFirstMove;
};

}  // namespace millrace::broker
