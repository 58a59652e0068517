#include "client/src/fields.hpp"

#include <charconv>
#include <string>

#include "codec/amqp091/constants.hpp"
#include "codec/amqp091/table_builder.hpp"
#include "millrace/error.hpp"

namespace millrace::client {

namespace amqp = millrace::amqp091;

namespace {

// The codec allows kMaxTableDepth levels in all; a value inside needs one.
constexpr unsigned kDepthMax = amqp::kMaxTableDepth - 1;

void write_value(amqp::TableBuilder& out, const std::string* key, const Field& field, unsigned depth);

void write_entries(amqp::TableBuilder& out, const FieldTable& table, unsigned depth) {
  for (const auto& [key, field] : table) {
    check_short_text("the name of a header or argument", key);
    write_value(out, &key, field, depth);
  }
}

struct ValueWriter {
  amqp::TableBuilder& out;
  const std::string* key;
  unsigned depth;

  void operator()(std::monostate) const { key ? out.put_raw(*key, 'V', {}) : out.put_raw('V', {}); }
  void operator()(bool value) const { key ? out.put_bool(*key, value) : out.put_bool(value); }
  // As int32 where it fits: RabbitMQ's own clients send arguments so.
  void operator()(std::int64_t value) const {
    if (value == static_cast<std::int32_t>(value))
      key ? out.put_int(*key, static_cast<std::int32_t>(value))
          : out.put_int(static_cast<std::int32_t>(value));
    else
      key ? out.put_long(*key, value) : out.put_long(value);
  }
  void operator()(double value) const { key ? out.put_double(*key, value) : out.put_double(value); }
  void operator()(const std::string& value) const { key ? out.put_text(*key, value) : out.put_text(value); }
  void operator()(Timestamp value) const {
    const auto seconds = static_cast<std::uint64_t>(value.seconds);
    key ? out.put_timestamp(*key, seconds) : out.put_timestamp(seconds);
  }
  void operator()(const FieldList& list) const {
    key ? out.begin_array(*key) : out.begin_array();
    for (const Field& field : list) write_value(out, nullptr, field, depth + 1);
    out.end_array();
  }
  void operator()(const FieldTable& table) const {
    key ? out.begin_table(*key) : out.begin_table();
    write_entries(out, table, depth + 1);
    out.end_table();
  }
};

void write_value(amqp::TableBuilder& out, const std::string* key, const Field& field, unsigned depth) {
  if (depth >= kDepthMax)
    throw ClientError(ErrorKind::invalid_argument,
                      "headers are nested deeper than " + std::to_string(kDepthMax));
  std::visit(ValueWriter{out, key, depth}, field.value());
}

Field read_value(const amqp::ValueView& value) {
  if (const auto text = value.as_text()) return *text;
  if (const auto boolean = value.as_bool()) return *boolean;
  if (const auto integer = value.as_integer()) return *integer;
  if (const auto number = value.as_double()) return *number;
  if (const auto time = value.as_timestamp()) return Timestamp{static_cast<std::int64_t>(*time)};
  if (const auto table = value.as_table()) return read_table(*table);
  if (const auto array = value.as_array()) {
    FieldList list;
    for (const amqp::ValueView& element : *array) list.push_back(read_value(element));
    return list;
  }
  return {};
}

void set(std::optional<std::string_view>& property, std::string_view what, const std::string& text) {
  if (text.empty()) return;
  check_short_text(what, text);
  property = text;
}

}  // namespace

void check_short_text(std::string_view what, std::string_view text) {
  if (text.size() > amqp::kShortTextMax)
    throw ClientError(ErrorKind::invalid_argument,
                      std::string(what) + " '" + std::string(text.substr(0, 40)) + "...' has " +
                          std::to_string(text.size()) + " bytes; AMQP 0-9-1 allows 255");
}

void write_table(Buffer& out, const FieldTable& table) {
  amqp::TableBuilder builder(out);
  write_entries(builder, table, 1);
}

FieldTable read_table(amqp::TableView table) {
  FieldTable fields;
  for (const amqp::TableEntry& entry : table) fields.emplace(entry.key, read_value(entry.value));
  return fields;
}

void write_message_properties(Buffer& out, const Message& message) {
  amqp::Properties properties;
  set(properties.content_type, "content_type", message.content_type);
  set(properties.content_encoding, "content_encoding", message.content_encoding);
  set(properties.correlation_id, "correlation_id", message.correlation_id);
  set(properties.reply_to, "reply_to", message.reply_to);
  set(properties.message_id, "message_id", message.message_id);
  set(properties.type, "type", message.type);
  set(properties.user_id, "user_id", message.user_id);
  set(properties.app_id, "app_id", message.app_id);
  properties.delivery_mode = message.persistent ? 2 : 1;
  if (message.priority != 0) properties.priority = message.priority;
  if (message.timestamp != 0) properties.timestamp = static_cast<std::uint64_t>(message.timestamp);
  std::string expiration;
  if (message.expiration.count() >= 0)
    properties.expiration = expiration = std::to_string(message.expiration.count());
  Buffer headers;
  if (!message.headers.empty()) {
    write_table(headers, message.headers);
    properties.headers = amqp::TableView{headers.view()};
  }
  amqp::write_properties(out, properties);
}

bool read_message_properties(ByteView raw, Message& message) {
  amqp::Properties properties;
  if (!amqp::parse_properties(raw, properties)) return false;
  const auto take = [](std::string& to, const std::optional<std::string_view>& from) {
    if (from) to = *from;
  };
  take(message.content_type, properties.content_type);
  take(message.content_encoding, properties.content_encoding);
  take(message.correlation_id, properties.correlation_id);
  take(message.reply_to, properties.reply_to);
  take(message.message_id, properties.message_id);
  take(message.type, properties.type);
  take(message.user_id, properties.user_id);
  take(message.app_id, properties.app_id);
  message.persistent = properties.delivery_mode.value_or(1) == 2;
  message.priority = properties.priority.value_or(0);
  message.timestamp = static_cast<std::int64_t>(properties.timestamp.value_or(0));
  if (properties.headers) message.headers = read_table(*properties.headers);
  if (properties.expiration) {
    std::int64_t expiration = -1;
    const std::string_view text = *properties.expiration;
    std::from_chars(text.data(), text.data() + text.size(), expiration);
    message.expiration = std::chrono::milliseconds(expiration);
  }
  return true;
}

}  // namespace millrace::client
