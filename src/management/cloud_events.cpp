#include "management/cloud_events.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "base/base64.hpp"
#include "base/utf8.hpp"
#include "codec/json/parse.hpp"
#include "management/items.hpp"
#include "management/json_values.hpp"
#include "management/message_headers.hpp"
#include "management/trace_headers.hpp"
#include "management/uri.hpp"

namespace millrace::management {
namespace {

namespace json = boost::json;
using broker::MessageProperties;

constexpr std::string_view kPrefix = "cloudEvents:";
constexpr std::string_view kJmsPrefix = "cloudEvents_";
constexpr std::string_view kRequired[] = {"id", "source", "specversion", "type"};

// Lower-case letters and digits (CloudEvents §Attribute Naming Convention).
bool is_name(std::string_view name) noexcept {
  for (const char c : name) {
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))) return false;
  }
  return !name.empty();
}

std::string_view media_type(std::string_view header) noexcept {
  header = header.substr(0, header.find(';'));
  while (header.ends_with(' ') || header.ends_with('\t')) header.remove_suffix(1);
  while (header.starts_with(' ') || header.starts_with('\t')) header.remove_prefix(1);
  return header;
}

bool is_json(std::string_view content_type) noexcept {
  const std::string_view type = media_type(content_type);
  const std::size_t slash = type.find('/');
  if (slash == std::string_view::npos) return false;
  const std::string_view kind = type.substr(slash + 1);
  return same_header(kind, "json") || (kind.size() > 5 && same_header(kind.substr(kind.size() - 5), "+json"));
}

result<void> check(const broker::Arguments& headers) {
  for (const std::string_view name : kRequired) {
    const broker::Value* value = headers.find(std::string(kPrefix) + std::string(name));
    if (value == nullptr || value->as_text()->empty()) {
      return fail(Errc::invalid_argument, "a CloudEvent must have '" + std::string(name) + "'");
    }
  }
  if (*headers.find("cloudEvents:specversion")->as_text() != "1.0") {
    return fail(Errc::invalid_argument, "CloudEvents of another version than 1.0 are not known");
  }
  return {};
}

void add_attribute(broker::Arguments& headers, std::string_view name, std::string text) {
  headers.set(std::string(kPrefix) + std::string(name), broker::Value::text(std::move(text)));
}

std::string_view attribute_name(std::string_view header) noexcept {
  return header.substr(kPrefix.size());
}

std::string attribute_text(const broker::Value& value) {
  if (const std::string* text = value.as_text()) return as_utf8(*text);
  return json::serialize(json_from_value(value));
}

// What the body is, behind the attributes of an event's JSON: as it stands where it is JSON.
std::string data_member(std::string_view body, const std::optional<std::string>& content_type) {
  if (body.empty()) return {};
  if (content_type && is_json(*content_type)) {
    boost::system::error_code malformed;
    json::parse(body, malformed);
    if (!malformed) return ",\"data\":" + std::string(body);
  }
  const bool is_text = content_type && media_type(*content_type).starts_with("text/");
  if (is_text && is_utf8(body)) return ",\"data\":" + json::serialize(json::string(body));
  return ",\"data_base64\":\"" + encode_base64(body) + "\"";
}

void put_attributes(json::object& event, const broker::Arguments& headers) {
  for (const broker::Argument& header : headers) {
    if (!is_cloud_attribute(header.key)) continue;
    const std::string_view name = attribute_name(header.key);
    if (is_name(name) && name != "data") event[name] = attribute_text(header.value);
  }
}

// A message that is no event, as one.
void put_made_up(json::object& event, const broker::Delivery& delivery, const MessageProperties& properties,
                 std::string_view vhost, std::string_view queue) {
  const broker::Message& message = *delivery.message;
  event["specversion"] = "1.0";
  event["id"] = properties.message_id ? as_utf8(*properties.message_id) : std::to_string(delivery.seq);
  event["source"] = "/vhosts/" + quote(vhost) + "/queues/" + quote(queue);
  event["type"] = properties.type && !properties.type->empty() ? as_utf8(*properties.type)
                                                               : std::string("millrace.message");
  if (!message.routing_key().empty()) event["subject"] = as_utf8(message.routing_key());
  const std::int64_t ms = message.timestamp_ms() >= 0 ? message.timestamp_ms() : message.received_ms();
  event["time"] = time_text(ms);
}

}  // namespace

bool is_media_type(std::string_view header, std::string_view type) noexcept {
  return same_header(media_type(header), type);
}

bool is_cloud_attribute(std::string_view header) noexcept {
  return header.starts_with(kPrefix) || header.starts_with(kJmsPrefix);
}

result<bool> take_cloud_headers(const Headers& headers, MessageProperties& properties) {
  broker::Arguments attributes;
  if (properties.headers) attributes = *properties.headers;
  bool is_event = false;
  for (const auto& [header, value] : headers) {
    if (header.size() <= 3 || !same_header(std::string_view(header).substr(0, 3), "ce-")) continue;
    std::string name = header.substr(3);
    for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if (!is_name(name)) return fail(Errc::invalid_argument, "'" + name + "' is no name of an attribute");
    auto text = decode_header(value);
    if (text.has_error()) return fail(Errc::invalid_argument, header + ": " + text.error().text);
    is_event = is_event || name == "specversion";
    add_attribute(attributes, name, std::move(*text));
  }
  if (!is_event) return false;
  if (auto ok = check(attributes); ok.has_error()) return ok.error();
  properties.headers = std::move(attributes);
  return true;
}

result<CloudMessage> message_from_cloud_event(const json::value& event) {
  if (!event.is_object()) return fail(Errc::invalid_argument, "a CloudEvent is a JSON object");
  CloudMessage message;
  message.properties.delivery_mode = std::uint8_t{2};
  broker::Arguments attributes;
  const json::value* data = nullptr;
  const json::value* data_base64 = nullptr;
  for (const auto& [key, value] : event.get_object()) {
    const std::string_view name = key;
    if (value.is_null()) continue;
    if (name == "data") {
      data = &value;
    } else if (name == "data_base64") {
      data_base64 = &value;
    } else if (name == "datacontenttype" && value.is_string()) {
      message.properties.content_type = std::string(value.get_string());
    } else if (!is_name(name) || value.is_object() || value.is_array()) {
      return fail(Errc::invalid_argument, "'" + std::string(name) + "' is no attribute of a CloudEvent");
    } else {
      add_attribute(attributes, name,
                    value.is_string() ? std::string(value.get_string()) : json::serialize(value));
    }
  }
  if (auto ok = check(attributes); ok.has_error()) return ok.error();
  message.properties.headers = std::move(attributes);
  if (data != nullptr && data_base64 != nullptr) {
    return fail(Errc::invalid_argument, "a CloudEvent has 'data' or 'data_base64', not both");
  }
  if (data_base64 != nullptr) {
    auto decoded = data_base64->is_string() ? decode_base64(std::string_view(data_base64->get_string()))
                                            : std::optional<std::string>();
    if (!decoded) return fail(Errc::invalid_argument, "'data_base64' is not base64");
    message.body = std::move(*decoded);
  } else if (data != nullptr) {
    // Without a type the data is JSON (JSON Event Format §3.1.1).
    if (!message.properties.content_type) message.properties.content_type = "application/json";
    const bool as_it_is = data->is_string() && !is_json(*message.properties.content_type);
    message.body = as_it_is ? std::string(data->get_string()) : json::serialize(*data);
  }
  return message;
}

std::string cloud_event_text(const broker::Delivery& delivery, const MessageProperties& properties,
                             std::string_view vhost, std::string_view queue, std::string_view token) {
  const std::string_view body = as_text(delivery.message->body());
  if (properties.content_type && is_media_type(*properties.content_type, kCloudEvent)) {
    boost::system::error_code malformed;
    json::value event = codec::parse_json(body, malformed);
    if (!malformed && event.is_object()) {
      event.get_object()["millracetoken"] = token;
      return json::serialize(event);
    }
  }
  json::object event;
  if (properties.headers) put_attributes(event, *properties.headers);
  if (!event.contains("specversion")) {
    event.clear();
    put_made_up(event, delivery, properties, vhost, queue);
  }
  // The extension for distributed tracing: an event that says where it began keeps that.
  if (const std::string* parent = trace_parent_of(properties); parent && !event.contains("traceparent")) {
    event["traceparent"] = *parent;
    if (const std::string* state = trace_state_of(properties)) event["tracestate"] = *state;
  }
  if (properties.content_type) event["datacontenttype"] = as_utf8(*properties.content_type);
  event["millracetoken"] = token;
  std::string text = json::serialize(event);
  text.pop_back();
  return text + data_member(body, properties.content_type) + "}";
}

void put_cloud_headers(Headers& headers, const MessageProperties& properties) {
  if (!properties.headers) return;
  std::size_t bytes = 0;
  for (const broker::Argument& header : *properties.headers) {
    if (!is_cloud_attribute(header.key) || !is_name(attribute_name(header.key))) continue;
    std::string text = encode_header(attribute_text(header.value));
    bytes += header.key.size() + text.size();
    if (bytes > kMaxHeaderBytes) return;
    headers.emplace_back("ce-" + std::string(attribute_name(header.key)), std::move(text));
  }
}

}  // namespace millrace::management
