#include "broker/node/tap.hpp"

#include <algorithm>

#include "broker/trace_context.hpp"

namespace millrace::broker {

void Tap::watch(std::uint64_t id, TraceFilter filter) {
  watches_.emplace_back(id, std::move(filter));
}

void Tap::unwatch(std::uint64_t id) {
  std::erase_if(watches_, [id](const auto& watch) { return watch.first == id; });
}

bool Tap::copies(std::string_view vhost) const noexcept {
  return std::find(copied_.begin(), copied_.end(), vhost) != copied_.end();
}

void Tap::copy_all(std::string_view vhost, bool on) {
  std::erase(copied_, vhost);
  if (on) copied_.emplace_back(vhost);
}

void Tap::describe(TraceEvent& event, std::string_view vhost, const Message& message,
                   const MessageFormat& format) {
  event.vhost = vhost;
  event.exchange = message.exchange();
  event.routing_key = message.routing_key();
  event.message_id = format.message_id(message).value_or(std::string());
  if (event.message_id.empty() && message.annotations()) {
    event.message_id = message.annotations()->message_id.value_or(std::string());
  }
  event.correlation_id = format.correlation_id(message).value_or(std::string());
  event.body_bytes = message.body().size();
}

std::optional<std::string> Tap::sampled_parent(const Message& message, const MessageFormat& format) {
  const std::optional<Value> value = format.header(message, kTraceParent);
  const std::string* text = value ? value->as_text() : nullptr;
  const auto context = text != nullptr ? TraceContext::parse(*text) : std::nullopt;
  if (!context || !context->sampled) return std::nullopt;
  return *text;
}

std::string Tap::trace_state(const Message& message, const MessageFormat& format) {
  const std::optional<Value> value = format.header(message, kTraceState);
  const std::string* text = value ? value->as_text() : nullptr;
  return text != nullptr && text->size() <= kMaxTraceStateBytes ? *text : std::string();
}

void Tap::flush() {
  if (!seen_.events.empty() || seen_.missed != 0) sink_(std::exchange(seen_, {}));
  if (!steps_.empty() || steps_missed_ != 0) {
    spans_(std::exchange(steps_, {}), std::exchange(steps_missed_, 0));
  }
}

}  // namespace millrace::broker
