// Distributed tracing by W3C Trace Context (https://www.w3.org/TR/trace-context/): which trace a message
// belongs to, as its headers "traceparent" and "tracestate" say.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace millrace::broker {

inline constexpr std::string_view kTraceParent = "traceparent";
inline constexpr std::string_view kTraceState = "tracestate";
// What is read of a state; a longer one is not passed on (§3.3.1.5 asks for 512 at least).
inline constexpr std::size_t kMaxTraceStateBytes = 2048;

struct TraceContext {
  std::string_view trace_id;   // 32 lower-case hexadecimal digits, not all 0
  std::string_view parent_id;  // 16 likewise
  bool sampled = false;        // whoever began the trace records it

  // Views into the text. None: it is malformed, and the trace is to be taken for not there (§4.3). Later
  // versions than 00 are read as far as 00 goes (§4.4).
  static std::optional<TraceContext> parse(std::string_view text) noexcept;
};

}  // namespace millrace::broker
