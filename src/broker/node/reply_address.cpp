#include "broker/node/reply_address.hpp"

#include <array>
#include <charconv>

namespace millrace::broker {

std::string ReplyAddress::text() const {
  std::string text(kReplyAddressPrefix);
  char separator = '.';
  for (const std::uint64_t part : {std::uint64_t{shard.value}, connection.value, consumer.value, secret}) {
    std::array<char, 16> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), part, 16).ptr;
    text += separator;
    text.append(digits.data(), end);
    separator = '-';
  }
  return text;
}

std::optional<ReplyAddress> ReplyAddress::parse(std::string_view text) {
  if (!text.starts_with(kReplyAddressPrefix) || text.size() <= kReplyAddressPrefix.size()) return {};
  text.remove_prefix(kReplyAddressPrefix.size());
  std::array<std::uint64_t, 4> parts{};
  char separator = '.';
  for (std::uint64_t& part : parts) {
    if (text.empty() || text.front() != separator) return {};
    text.remove_prefix(1);
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), part, 16);
    if (failed != std::errc()) return {};
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    separator = '-';
  }
  if (!text.empty() || parts[0] > UINT16_MAX) return {};
  ReplyAddress address;
  address.shard = ShardId(static_cast<std::uint16_t>(parts[0]));
  address.connection = ConnectionId(parts[1]);
  address.consumer = ConsumerId(parts[2]);
  address.secret = parts[3];
  return address;
}

}  // namespace millrace::broker
