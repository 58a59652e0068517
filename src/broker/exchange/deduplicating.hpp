// x-message-deduplication: a fanout exchange that drops a message whose header x-deduplication-header has a
// value that was seen of late.
//
// The exchange routes; what was seen is kept by a DeduplicationWindow at the exchange's owner shard.
#pragma once

#include <optional>
#include <string>

#include "broker/exchange/fanout.hpp"

namespace millrace::broker {

class DeduplicatingExchange final : public FanoutExchange {
 public:
  using FanoutExchange::FanoutExchange;
  bool by_key_alone() const noexcept override { return false; }
  bool remembers() const noexcept override { return true; }

  // x-cache-size: a positive integer, required. x-cache-ttl: positive milliseconds. x-cache-persistence:
  // memory or disk (the owner decides; both are accepted).
  static result<void> check_arguments(const ExchangeSpec& spec);
};

// How many values an exchange remembers, and for how long.
struct DeduplicationBounds {
  std::size_t size = 0;
  std::optional<std::int64_t> ttl_ms;
};
DeduplicationBounds deduplication_bounds(const ExchangeSpec& spec) noexcept;

// What a message says of itself. Without the header it is never a repeat.
struct DeduplicationMark {
  std::string value;
  std::optional<std::int64_t> ttl_ms;  // its header x-cache-ttl, before the exchange's
};
std::optional<DeduplicationMark> deduplication_mark(const Message& message, const MessageFormats& formats);

}  // namespace millrace::broker
