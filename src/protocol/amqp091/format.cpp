#include "protocol/amqp091/format.hpp"

#include <algorithm>

#include "codec/amqp091/properties.hpp"
#include "protocol/amqp091/arguments.hpp"

namespace millrace::amqp091 {

namespace {

Properties properties_of(const broker::Message& message) noexcept {
  Properties properties;
  if (!parse_properties(message.header(), properties)) return {};
  return properties;
}

std::optional<std::string> copy(const std::optional<std::string_view>& text) {
  if (!text) return std::nullopt;
  return std::string(*text);
}

template <class Number>
std::optional<std::string> digits(const std::optional<Number>& number) {
  if (!number) return std::nullopt;
  return std::to_string(*number);
}

}  // namespace

void AmqpMessageFormat::headers(const broker::Message& message, broker::HeaderVisitor& visitor) const {
  const Properties properties = properties_of(message);
  if (!properties.headers) return;
  for (const TableEntry& entry : *properties.headers) {
    if (!visitor.header(entry.key, to_value(entry.value))) return;
  }
}

std::optional<broker::Value> AmqpMessageFormat::header(const broker::Message& message,
                                                       std::string_view key) const {
  const Properties properties = properties_of(message);
  if (!properties.headers) return std::nullopt;
  const auto value = find(*properties.headers, key);
  if (!value) return std::nullopt;
  return to_value(*value);
}

std::optional<std::string> AmqpMessageFormat::message_id(const broker::Message& message) const {
  return copy(properties_of(message).message_id);
}

std::optional<std::string> AmqpMessageFormat::correlation_id(const broker::Message& message) const {
  return copy(properties_of(message).correlation_id);
}

std::optional<std::string> AmqpMessageFormat::expiration_text(const broker::Message& message) const {
  return copy(properties_of(message).expiration);
}

std::optional<std::string> AmqpMessageFormat::property(const broker::Message& message,
                                                       std::string_view given) const {
  const Properties properties = properties_of(message);
  std::string name(given);
  std::replace(name.begin(), name.end(), '_', '-');
  if (name == "message-id") return copy(properties.message_id);
  if (name == "correlation-id") return copy(properties.correlation_id);
  if (name == "timestamp") return digits(properties.timestamp);
  if (name == "content-type") return copy(properties.content_type);
  if (name == "content-encoding") return copy(properties.content_encoding);
  if (name == "delivery-mode") return digits(properties.delivery_mode);
  if (name == "priority") return digits(properties.priority);
  if (name == "reply-to") return copy(properties.reply_to);
  if (name == "expiration") return copy(properties.expiration);
  if (name == "type") return copy(properties.type);
  if (name == "user-id") return copy(properties.user_id);
  if (name == "app-id") return copy(properties.app_id);
  if (name == "cluster-id") return copy(properties.cluster_id);
  return std::nullopt;
}

const broker::MessageFormat& message_format() noexcept {
  static const AmqpMessageFormat format;
  return format;
}

}  // namespace millrace::amqp091
