// How the core looks into messages that came in by AMQP 0-9-1.
#pragma once

#include "broker/message.hpp"

namespace millrace::amqp091 {

// Reads the property block each time it is asked; stateless, any thread. A block that cannot be read counts
// as empty.
class AmqpMessageFormat final : public broker::MessageFormat {
 public:
  void headers(const broker::Message& message, broker::HeaderVisitor& visitor) const override;
  std::optional<broker::Value> header(const broker::Message& message, std::string_view key) const override;
  std::optional<std::string> message_id(const broker::Message& message) const override;
  std::optional<std::string> correlation_id(const broker::Message& message) const override;
  std::optional<std::string> expiration_text(const broker::Message& message) const override;
  // By the names of AMQP 0-9-1 with hyphens or underscores: message-id, correlation_id, timestamp, app-id, …
  std::optional<std::string> property(const broker::Message& message, std::string_view name) const override;
  broker::MessageProperties delivered(const broker::Delivery& delivery) const override;
  bool put_header(Buffer& out, const broker::MessageProperties& properties) const override;
};

// The one instance that broker::MessageFormats wants.
const broker::MessageFormat& message_format() noexcept;

}  // namespace millrace::amqp091
