#include "management/message_headers.hpp"

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "base/number.hpp"
#include "base/percent.hpp"
#include "management/cloud_events.hpp"
#include "management/json_values.hpp"
#include "management/uri.hpp"

namespace millrace::management {
namespace {

using Properties = broker::MessageProperties;

struct TextHeader {
  std::string_view header;
  std::optional<std::string> Properties::*member;
};
constexpr TextHeader kTexts[] = {
    {"Content-Type", &Properties::content_type},
    {"Content-Encoding", &Properties::content_encoding},
    {"Millrace-Correlation-Id", &Properties::correlation_id},
    {"Millrace-Reply-To", &Properties::reply_to},
    {"Millrace-Expiration", &Properties::expiration},
    {"Millrace-Message-Id", &Properties::message_id},
    {"Millrace-Type", &Properties::type},
    {"Millrace-User-Id", &Properties::user_id},
    {"Millrace-App-Id", &Properties::app_id},
    {"Millrace-Cluster-Id", &Properties::cluster_id},
};
constexpr std::string_view kPriority = "Millrace-Priority";
constexpr std::string_view kDeliveryMode = "Millrace-Delivery-Mode";
constexpr std::string_view kTimestamp = "Millrace-Timestamp";
constexpr std::string_view kHeader = "Millrace-Header-";

bool is_plain(char c) noexcept {
  return c > 0x20 && c < 0x7f && c != '"' && c != '%';
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

result<std::uint64_t> number(std::string_view header, std::string_view text, std::uint64_t highest) {
  const auto value = whole_number<std::uint64_t>(text);
  if (!value || *value > highest) {
    return fail(Errc::invalid_argument,
                std::string(header) + " must be a number from 0 to " + std::to_string(highest));
  }
  return *value;
}

std::string text_of(const broker::Value& value) {
  if (const std::string* text = value.as_text()) return *text;
  return boost::json::serialize(json_from_value(value));
}

}  // namespace

std::string encode_header(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (is_plain(c)) {
      out += c;
    } else {
      put_percent(out, c);
    }
  }
  return out;
}

result<std::string> decode_header(std::string_view text) {
  auto decoded = decode_percent(text);
  if (!decoded) return fail(Errc::invalid_argument, "a percent sign without two digits");
  return std::move(*decoded);
}

bool is_token(std::string_view name) noexcept {
  for (const char c : name) {
    const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!word && std::string_view("!#$%&'*+-.^_`|~").find(c) == std::string_view::npos) return false;
  }
  return !name.empty();
}

result<Properties> properties_from_headers(const Headers& headers) {
  Properties properties;
  properties.delivery_mode = std::uint8_t{2};
  broker::Arguments own;
  for (const auto& [name, value] : headers) {
    const bool ours = name.size() > 9 && same_header(std::string_view(name).substr(0, 9), "Millrace-");
    auto text = ours ? decode_header(value) : result<std::string>(value);
    if (text.has_error()) return fail(Errc::invalid_argument, name + ": " + text.error().text);
    bool found = false;
    for (const TextHeader& one : kTexts) {
      if (!same_header(name, one.header)) continue;
      properties.*one.member = *text;
      found = true;
    }
    if (found || !ours) continue;
    if (name.size() > kHeader.size() &&
        same_header(std::string_view(name).substr(0, kHeader.size()), kHeader)) {
      own.set(lower(std::string_view(name).substr(kHeader.size())), broker::Value::text(std::move(*text)));
    } else if (same_header(name, kPriority)) {
      const auto priority = number(kPriority, *text, 255);
      if (priority.has_error()) return priority.error();
      properties.priority = static_cast<std::uint8_t>(*priority);
    } else if (same_header(name, kDeliveryMode)) {
      const auto mode = number(kDeliveryMode, *text, 2);
      if (mode.has_error()) return mode.error();
      properties.delivery_mode = static_cast<std::uint8_t>(*mode);
    } else if (same_header(name, kTimestamp)) {
      const auto seconds = number(kTimestamp, *text, INT64_MAX / 1000);
      if (seconds.has_error()) return seconds.error();
      properties.timestamp = *seconds;
    } else {
      return fail(Errc::invalid_argument, "there is no header " + name);
    }
  }
  if (!own.empty()) properties.headers = std::move(own);
  return properties;
}

void put_properties(Headers& headers, const Properties& properties) {
  for (const TextHeader& one : kTexts) {
    if (properties.*one.member && !one.header.starts_with("Content-")) {
      headers.emplace_back(one.header, encode_header(*(properties.*one.member)));
    }
  }
  if (properties.content_encoding && is_token(*properties.content_encoding)) {
    headers.emplace_back("Content-Encoding", *properties.content_encoding);
  }
  if (properties.priority) headers.emplace_back(kPriority, std::to_string(*properties.priority));
  if (properties.delivery_mode)
    headers.emplace_back(kDeliveryMode, std::to_string(*properties.delivery_mode));
  if (properties.timestamp) headers.emplace_back(kTimestamp, std::to_string(*properties.timestamp));
  if (!properties.headers) return;
  std::size_t bytes = 0;
  for (const broker::Argument& header : *properties.headers) {
    if (!is_token(header.key) || is_cloud_attribute(header.key)) continue;
    std::string text = encode_header(text_of(header.value));
    bytes += header.key.size() + text.size();
    if (bytes > kMaxHeaderBytes) return;
    headers.emplace_back(std::string(kHeader) + header.key, std::move(text));
  }
}

}  // namespace millrace::management
