#include "cli/message_json.hpp"

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "base/base64.hpp"
#include "base/number.hpp"
#include "base/utf8.hpp"
#include "cli/given.hpp"
#include "cli/json_or_text.hpp"
#include "cli/stop.hpp"
#include "cli/text.hpp"

namespace millrace::cli {

namespace json = boost::json;

namespace {

struct TextProperty {
  std::string_view name;
  std::string Message::*member;
};
constexpr TextProperty kTexts[] = {
    {"content_type", &Message::content_type},
    {"content_encoding", &Message::content_encoding},
    {"correlation_id", &Message::correlation_id},
    {"reply_to", &Message::reply_to},
    {"message_id", &Message::message_id},
    {"type", &Message::type},
    {"user_id", &Message::user_id},
    {"app_id", &Message::app_id},
};

json::string text_of(const std::string& bytes) {
  return json::string(is_utf8(bytes) ? bytes : printable(bytes));
}

json::value json_of_field(const Field& field);

json::object json_of_table(const FieldTable& table) {
  json::object object;
  for (const auto& [name, value] : table) object[text_of(name)] = json_of_field(value);
  return object;
}

json::value json_of_field(const Field& field) {
  if (const auto* flag = field.as<bool>()) return *flag;
  if (const auto* whole = field.as<std::int64_t>()) return *whole;
  if (const auto* fraction = field.as<double>()) return *fraction;
  if (const auto* text = field.as<std::string>()) return text_of(*text);
  if (const auto* time = field.as<Timestamp>()) return time->seconds;
  if (const auto* table = field.as<FieldTable>()) return json_of_table(*table);
  if (const auto* list = field.as<FieldList>()) {
    json::array array;
    for (const Field& one : *list) array.push_back(json_of_field(one));
    return array;
  }
  return nullptr;
}

Field field_of(const json::value& value) {
  if (value.is_bool()) return value.get_bool();
  if (value.is_int64()) return value.get_int64();
  if (value.is_uint64()) return static_cast<double>(value.get_uint64());
  if (value.is_double()) return value.get_double();
  if (value.is_string()) return std::string(value.get_string());
  if (value.is_array()) {
    FieldList list;
    for (const json::value& one : value.get_array()) list.push_back(field_of(one));
    return list;
  }
  if (value.is_object()) {
    FieldTable table;
    for (const auto& [name, one] : value.get_object()) table[std::string(name)] = field_of(one);
    return table;
  }
  return {};
}

std::int64_t number_of(const std::string& name, const std::string& text, std::int64_t most) {
  const auto value = whole_number<std::int64_t>(text);
  if (!value || *value < 0 || *value > most) {
    throw Stop(kBadUse, "the property " + name + " is a number from 0 to " + std::to_string(most) +
                            ", not '" + text + "'");
  }
  return *value;
}

}  // namespace

json::object json_of(const Delivery& delivery) {
  const Message& message = delivery.message();
  json::object properties;
  for (const auto& [name, member] : kTexts) {
    if (!(message.*member).empty()) properties[name] = text_of(message.*member);
  }
  if (message.expiration.count() >= 0) properties["expiration"] = std::to_string(message.expiration.count());
  if (message.timestamp != 0) properties["timestamp"] = message.timestamp;
  if (message.priority != 0) properties["priority"] = message.priority;
  properties["delivery_mode"] = message.persistent ? 2 : 1;
  if (!message.headers.empty()) properties["headers"] = json_of_table(message.headers);
  const bool as_text = is_utf8(message.body);
  json::object item;
  item["exchange"] = text_of(delivery.exchange());
  item["routing_key"] = text_of(delivery.routing_key());
  item["redelivered"] = delivery.redelivered();
  item["properties"] = std::move(properties);
  item["payload_bytes"] = message.body.size();
  item["payload"] = as_text ? message.body : encode_base64(message.body);
  item["payload_encoding"] = as_text ? "string" : "base64";
  return item;
}

void set_property(Message& message, const std::string& pair) {
  const auto [name, value] = split_pair(pair, "--property");
  for (const auto& [known, member] : kTexts) {
    if (known == name) {
      message.*member = value;
      return;
    }
  }
  if (name == "expiration") {
    message.expiration = std::chrono::milliseconds(number_of(name, value, INT64_C(1) << 40));
  } else if (name == "timestamp") {
    message.timestamp = number_of(name, value, INT64_C(1) << 40);
  } else if (name == "priority") {
    message.priority = static_cast<std::uint8_t>(number_of(name, value, 255));
  } else if (name == "delivery_mode") {
    message.persistent = number_of(name, value, 2) == 2;
  } else {
    throw Stop(kBadUse,
               "there is no property '" + name +
                   "': content_type, content_encoding, correlation_id, reply_to, message_id, type, user_id, "
                   "app_id, expiration, timestamp, priority, delivery_mode (or is it a --header?)");
  }
}

void set_header(Message& message, const std::string& pair) {
  const auto [name, value] = split_pair(pair, "--header");
  message.headers[name] = field_of(json_or_text(value));
}

}  // namespace millrace::cli
