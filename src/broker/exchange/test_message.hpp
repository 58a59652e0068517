// Messages for tests of exchanges: their header block is our own form of the headers.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/buffer.hpp"
#include "base/reader.hpp"
#include "broker/exchange/exchange.hpp"

namespace millrace::broker::test {

class TestFormat final : public MessageFormat {
 public:
  static Arguments headers_of(const Message& message) {
    Reader in(message.header());
    return read_arguments(in);
  }
  void headers(const Message& message, HeaderVisitor& visitor) const override {
    for (const Argument& header : headers_of(message)) {
      if (!visitor.header(header.key, header.value)) return;
    }
  }
  std::optional<Value> header(const Message& message, std::string_view key) const override {
    const Arguments headers = headers_of(message);
    const Value* value = headers.find(key);
    return value == nullptr ? std::nullopt : std::optional(*value);
  }
  std::optional<std::string> message_id(const Message& message) const override {
    return property(message, "message_id");
  }
  std::optional<std::string> correlation_id(const Message& message) const override {
    return property(message, "correlation_id");
  }
  std::optional<std::string> expiration_text(const Message&) const override { return std::nullopt; }
  // Headers stand in for properties.
  std::optional<std::string> property(const Message& message, std::string_view name) const override {
    const std::optional<Value> value = header(message, name);
    return value && value->as_text() != nullptr ? std::optional(*value->as_text()) : std::nullopt;
  }
};

inline const MessageFormats& formats() {
  static const TestFormat format;
  static const MessageFormats all{{&format, &format}};
  return all;
}

inline Ref<Message> message_with(const Arguments& headers, std::size_t body_bytes = 0,
                                 std::int64_t timestamp_ms = -1) {
  Buffer block;
  put_arguments(block, headers);
  Message::Fields fields;
  fields.timestamp_ms = timestamp_ms;
  fields.header = block.view();
  const std::string body(body_bytes, 'x');
  return Message::create(fields, as_bytes(body));
}

inline ExchangeSpec exchange_spec(std::string_view type, Arguments with = {}) {
  ExchangeSpec spec;
  spec.vhost = "/";
  spec.name = "x";
  spec.type = type;
  spec.arguments = std::move(with);
  return spec;
}

inline Target queue_target(std::uint64_t id) {
  return {{QueueId(id), ShardId(0)}, nullptr};
}

inline BindingSpec binding_to(std::uint64_t id, std::string_view key, Arguments with = {}) {
  BindingSpec binding;
  binding.vhost = "/";
  binding.source = "x";
  binding.destination = "q" + std::to_string(id);
  binding.routing_key = key;
  binding.arguments = std::move(with);
  return binding;
}

// The ids of the queues that one key and message lead to, sorted; repeats are kept.
inline std::vector<std::uint64_t> routed(Exchange& exchange, std::string_view key, const Message& message,
                                         bool* complete = nullptr) {
  Prng random(1);
  Targets found;
  const bool done = exchange.route({key, &message, &formats(), &random}, found);
  if (complete != nullptr) *complete = done;
  std::vector<std::uint64_t> ids;
  for (const Target& target : found) ids.push_back(target.queue.id.value);
  std::sort(ids.begin(), ids.end());
  return ids;
}

}  // namespace millrace::broker::test
