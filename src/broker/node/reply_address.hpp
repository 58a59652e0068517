// Direct reply-to addresses: amq.rabbitmq.reply-to.<shard, connection, consumer, secret in hexadecimal>. Who
// knows one may send to it; the secret keeps it from being guessed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "broker/ids.hpp"

namespace millrace::broker {

inline constexpr std::string_view kReplyAddressPrefix = "amq.rabbitmq.reply-to";

struct ReplyAddress {
  ShardId shard;
  ConnectionId connection;
  ConsumerId consumer;
  std::uint64_t secret = 0;

  std::string text() const;
  // Absent: not such an address.
  static std::optional<ReplyAddress> parse(std::string_view text);
};

}  // namespace millrace::broker
