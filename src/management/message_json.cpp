#include "management/message_json.hpp"

#include <algorithm>
#include <boost/json/object.hpp>

#include "base/base64.hpp"
#include "base/utf8.hpp"
#include "management/fields.hpp"
#include "management/json_values.hpp"
#include "management/uri.hpp"

namespace millrace::management {

namespace json = boost::json;

namespace {

using Properties = broker::MessageProperties;

struct TextProperty {
  std::string_view name;
  std::optional<std::string> Properties::*member;
};
constexpr TextProperty kTexts[] = {
    {"content_type", &Properties::content_type},
    {"content_encoding", &Properties::content_encoding},
    {"correlation_id", &Properties::correlation_id},
    {"reply_to", &Properties::reply_to},
    {"expiration", &Properties::expiration},
    {"message_id", &Properties::message_id},
    {"type", &Properties::type},
    {"user_id", &Properties::user_id},
    {"app_id", &Properties::app_id},
    {"cluster_id", &Properties::cluster_id},
};

}  // namespace

json::object json_from_properties(const Properties& properties) {
  json::object item;
  for (const TextProperty& text : kTexts) {
    if (properties.*text.member) item[text.name] = as_utf8(*(properties.*text.member));
  }
  if (properties.timestamp) item["timestamp"] = *properties.timestamp;
  if (properties.priority) item["priority"] = *properties.priority;
  if (properties.delivery_mode) item["delivery_mode"] = *properties.delivery_mode;
  if (properties.headers) item["headers"] = json_from_arguments(*properties.headers);
  return item;
}

Properties properties_from_json(Fields& fields) {
  Properties properties;
  for (const TextProperty& text : kTexts) properties.*text.member = fields.optional_text(text.name);
  const auto octet = [&](std::string_view name) -> std::optional<std::uint8_t> {
    if (fields.find(name) == nullptr) return std::nullopt;
    const std::int64_t number = fields.number(name, 0);
    return static_cast<std::uint8_t>(std::clamp<std::int64_t>(number, 0, 255));
  };
  properties.delivery_mode = octet("delivery_mode");
  properties.priority = octet("priority");
  if (fields.find("timestamp") != nullptr) {
    properties.timestamp =
        static_cast<std::uint64_t>(std::max<std::int64_t>(0, fields.number("timestamp", 0)));
  }
  if (fields.find("headers") != nullptr) properties.headers = fields.arguments("headers");
  return properties;
}

json::object message_item(const broker::Delivery& delivery, const Properties& properties,
                          std::uint64_t shown_max, bool base64) {
  const broker::Message& message = *delivery.message;
  const std::string_view whole = as_text(message.body());
  const std::string_view shown = whole.substr(0, shown_max);
  // A character cut in the middle is no reason to show the rest in base64, but then it is not text either.
  const bool as_text_is = !base64 && is_utf8(shown);
  json::object item;
  item["payload_bytes"] = whole.size();
  item["redelivered"] = delivery.redelivered;
  item["exchange"] = as_utf8(message.exchange());
  item["routing_key"] = as_utf8(message.routing_key());
  item["properties"] = json_from_properties(properties);
  item["payload"] = as_text_is ? std::string(shown) : encode_base64(shown);
  item["payload_encoding"] = as_text_is ? "string" : "base64";
  return item;
}

}  // namespace millrace::management
