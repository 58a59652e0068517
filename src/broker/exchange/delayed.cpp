#include "broker/exchange/delayed.hpp"

#include "base/number.hpp"

namespace millrace::broker {
namespace {

constexpr std::string_view kType = "x-delayed-type";

ExchangeSpec inner_spec(const ExchangeSpec& spec) {
  ExchangeSpec inner = spec;
  inner.type = *spec.arguments.find(kType)->as_text();
  return inner;
}

}  // namespace

DelayedExchange::DelayedExchange(ExchangeSpec spec)
    : Exchange(std::move(spec)), inner_(make_exchange(inner_spec(this->spec()))) {}

result<void> DelayedExchange::check_arguments(const ExchangeSpec& spec) {
  const Value* type = spec.arguments.find(kType);
  if (type == nullptr || type->as_text() == nullptr) {
    return fail(Errc::precondition_failed,
                "Invalid argument, 'x-delayed-type' must be an existing exchange type");
  }
  // Before the inner check, which would recurse as deep as its caller likes.
  for (const std::string_view other : {"x-delayed-message", "x-recent-history", "x-message-deduplication"}) {
    if (*type->as_text() == other) {
      return fail(Errc::precondition_failed,
                  "Invalid argument, 'x-delayed-type' can't be '" + std::string(other) + "'");
    }
  }
  if (!exchange_type_exists(*type->as_text())) {
    return fail(Errc::precondition_failed,
                "Invalid argument, 'x-delayed-type' must be an existing exchange type");
  }
  return check_exchange_type(inner_spec(spec));
}

std::int64_t delay_ms_of(const Message& message, const MessageFormats& formats) {
  if (message.annotations() != nullptr && message.annotations()->delayed_ms != 0) return 0;
  const std::optional<Value> header = formats.of(message).header(message, "x-delay");
  if (!header) return 0;
  std::int64_t delay = header->as_integer().value_or(0);
  if (const std::string* text = header->as_text()) {
    delay = whole_number<std::int64_t>(*text).value_or(0);
  }
  return delay < 0 || delay > kMaxDelayMs ? 0 : delay;
}

}  // namespace millrace::broker
