#include "management/trace_headers.hpp"

#include <algorithm>

#include "broker/trace_context.hpp"

namespace millrace::management {
namespace {

using broker::kTraceParent;
using broker::kTraceState;
using broker::MessageProperties;
using broker::TraceContext;

const std::string* text_header(const MessageProperties& properties, std::string_view name) {
  if (!properties.headers) return nullptr;
  const broker::Value* value = properties.headers->find(name);
  return value == nullptr ? nullptr : value->as_text();
}

// What HTTP can say without an encoding that other programs would not know.
bool is_sayable(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

void put_context(MessageProperties& properties, std::string_view parent, std::string_view state) {
  if (!TraceContext::parse(parent)) return;
  if (!properties.headers) properties.headers.emplace();
  properties.headers->set(std::string(kTraceParent), broker::Value::text(std::string(parent)));
  if (state.empty() || state.size() > broker::kMaxTraceStateBytes || !is_sayable(state)) return;
  properties.headers->set(std::string(kTraceState), broker::Value::text(std::string(state)));
}

bool has_context(const MessageProperties& properties) {
  return properties.headers && properties.headers->find(kTraceParent) != nullptr;
}

}  // namespace

void take_trace_headers(const Headers& headers, MessageProperties& properties) {
  if (has_context(properties)) return;
  std::string parent, state;
  for (const auto& [name, value] : headers) {
    if (same_header(name, kTraceParent)) {
      if (!parent.empty()) return;  // whose would it be?
      parent = value;
    } else if (same_header(name, kTraceState)) {
      // Several are one list (§3.3.1.1).
      if (!state.empty()) state += ',';
      state += value;
    }
  }
  put_context(properties, parent, state);
}

void take_trace_of_event(MessageProperties& properties) {
  if (has_context(properties)) return;
  const std::string* parent = text_header(properties, "cloudEvents:traceparent");
  const std::string* state = text_header(properties, "cloudEvents:tracestate");
  if (parent == nullptr) return;
  // Copies: the headers that they are in are changed.
  put_context(properties, std::string(*parent), state == nullptr ? std::string() : std::string(*state));
}

const std::string* trace_parent_of(const MessageProperties& properties) {
  const std::string* parent = text_header(properties, kTraceParent);
  return parent != nullptr && TraceContext::parse(*parent) ? parent : nullptr;
}

const std::string* trace_state_of(const MessageProperties& properties) {
  const std::string* state = text_header(properties, kTraceState);
  const bool fits = state != nullptr && state->size() <= broker::kMaxTraceStateBytes && is_sayable(*state);
  return fits && trace_parent_of(properties) != nullptr ? state : nullptr;
}

void put_trace_headers(Headers& headers, const MessageProperties& properties) {
  if (const std::string* parent = trace_parent_of(properties)) headers.emplace_back(kTraceParent, *parent);
  if (const std::string* state = trace_state_of(properties)) headers.emplace_back(kTraceState, *state);
}

}  // namespace millrace::management
