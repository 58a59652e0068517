#include "broker/exchange/deduplicating.hpp"

namespace millrace::broker {
namespace {

constexpr std::string_view kSize = "x-cache-size";
constexpr std::string_view kTtl = "x-cache-ttl";
constexpr std::string_view kPersistence = "x-cache-persistence";

// Values of different types are different: 1 is not "1".
std::string text_of(const Value& value) {
  if (const std::string* text = value.as_text()) return 's' + *text;
  return 'v' + value.describe();
}

}  // namespace

result<void> DeduplicatingExchange::check_arguments(const ExchangeSpec& spec) {
  const Value* size = spec.arguments.find(kSize);
  if (size == nullptr || size->as_integer().value_or(0) < 1) {
    return fail(Errc::precondition_failed,
                "Missing or invalid argument, 'x-cache-size' must be an integer greater than 0");
  }
  const Value* ttl = spec.arguments.find(kTtl);
  if (ttl != nullptr && ttl->as_integer().value_or(0) < 1) {
    return fail(Errc::precondition_failed,
                "Invalid argument, 'x-cache-ttl' must be an integer greater than 0");
  }
  const Value* persistence = spec.arguments.find(kPersistence);
  if (persistence != nullptr) {
    const std::string* text = persistence->as_text();
    if (text == nullptr || (*text != "memory" && *text != "disk")) {
      return fail(Errc::precondition_failed,
                  "Invalid argument, 'x-cache-persistence' must be either 'memory' or 'disk'");
    }
  }
  return {};
}

DeduplicationBounds deduplication_bounds(const ExchangeSpec& spec) noexcept {
  DeduplicationBounds bounds;
  if (const Value* size = spec.arguments.find(kSize))
    bounds.size = static_cast<std::size_t>(size->as_integer().value_or(0));
  if (const Value* ttl = spec.arguments.find(kTtl)) bounds.ttl_ms = ttl->as_integer();
  return bounds;
}

std::optional<DeduplicationMark> deduplication_mark(const Message& message, const MessageFormats& formats) {
  const MessageFormat& format = formats.of(message);
  const std::optional<Value> value = format.header(message, "x-deduplication-header");
  if (!value) return std::nullopt;
  DeduplicationMark mark;
  mark.value = text_of(*value);
  const std::optional<Value> ttl = format.header(message, kTtl);
  if (ttl && ttl->as_integer().value_or(0) > 0) mark.ttl_ms = ttl->as_integer();
  return mark;
}

}  // namespace millrace::broker
