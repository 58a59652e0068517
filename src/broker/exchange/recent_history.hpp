// x-recent-history: a fanout exchange that gives a queue, when it is bound, the last messages that came by.
//
// The exchange routes; what came by is kept by RecentHistory, at the exchange's owner shard.
#pragma once

#include <cstddef>
#include <deque>

#include "broker/exchange/fanout.hpp"

namespace millrace::broker {

class RecentHistoryExchange final : public FanoutExchange {
 public:
  using FanoutExchange::FanoutExchange;
  bool by_key_alone() const noexcept override { return false; }
  bool remembers() const noexcept override { return true; }

  // x-recent-history-length: a positive integer.
  static result<void> check_arguments(const ExchangeSpec& spec);
};

// The last messages, oldest first. Bounded by count and by bytes; the oldest goes when either is exceeded.
class RecentHistory {
 public:
  static constexpr std::size_t kDefaultLength = 20;
  static constexpr std::size_t kMaxLength = 100'000;  // what a larger argument comes to
  static constexpr std::size_t kMaxBytes = 64u << 20;

  explicit RecentHistory(const ExchangeSpec& spec);

  // False: not kept, because the publisher says so (header x-recent-history-no-store: true), or because it is
  // larger than all room.
  bool remember(MessageRef message, const MessageFormats& formats);
  const std::deque<MessageRef>& messages() const noexcept { return messages_; }
  std::size_t bytes() const noexcept { return bytes_; }

 private:
  std::size_t length_;
  std::size_t bytes_ = 0;
  std::deque<MessageRef> messages_;
};

}  // namespace millrace::broker
