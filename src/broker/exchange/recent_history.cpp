#include "broker/exchange/recent_history.hpp"

#include <algorithm>

namespace millrace::broker {
namespace {

constexpr std::string_view kLength = "x-recent-history-length";
constexpr std::string_view kNoStore = "x-recent-history-no-store";

std::size_t length_of(const ExchangeSpec& spec) noexcept {
  const Value* value = spec.arguments.find(kLength);
  const std::int64_t length = value == nullptr ? 0 : value->as_integer().value_or(0);
  if (length <= 0) return RecentHistory::kDefaultLength;
  return std::min(static_cast<std::size_t>(length), RecentHistory::kMaxLength);
}

}  // namespace

result<void> RecentHistoryExchange::check_arguments(const ExchangeSpec& spec) {
  const Value* value = spec.arguments.find(kLength);
  if (value == nullptr || value->as_integer().value_or(0) > 0) return {};
  return fail(Errc::precondition_failed,
              "Invalid argument, 'x-recent-history-length' must be a positive integer");
}

RecentHistory::RecentHistory(const ExchangeSpec& spec) : length_(length_of(spec)) {}

bool RecentHistory::remember(MessageRef message, const MessageFormats& formats) {
  const std::optional<Value> no_store = formats.of(*message).header(*message, kNoStore);
  if (no_store && no_store->as_boolean().value_or(false)) return false;
  const std::size_t bytes = message->footprint();
  if (bytes > kMaxBytes) return false;
  messages_.push_back(std::move(message));
  bytes_ += bytes;
  while (messages_.size() > length_ || bytes_ > kMaxBytes) {
    bytes_ -= messages_.front()->footprint();
    messages_.pop_front();
  }
  return true;
}

}  // namespace millrace::broker
