#include "broker/trace_context.hpp"

#include <algorithm>

namespace millrace::broker {
namespace {

constexpr std::size_t kVersion00Bytes = 55;  // "00-" trace "-" parent "-" flags

bool is_hex(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_zero(std::string_view text) noexcept {
  return text.find_first_not_of('0') == std::string_view::npos;
}

bool is_odd(char digit) noexcept {
  return (digit <= '9' ? digit - '0' : digit - 'a' + 10) % 2 == 1;
}

}  // namespace

std::optional<TraceContext> TraceContext::parse(std::string_view text) noexcept {
  if (text.size() < kVersion00Bytes || text[2] != '-' || text[35] != '-' || text[52] != '-') return {};
  const std::string_view version = text.substr(0, 2);
  const std::string_view flags = text.substr(53, 2);
  TraceContext context{text.substr(3, 32), text.substr(36, 16), is_odd(flags[1])};
  if (!is_hex(version) || !is_hex(context.trace_id) || !is_hex(context.parent_id) || !is_hex(flags))
    return {};
  if (is_zero(context.trace_id) || is_zero(context.parent_id) || version == "ff") return {};
  if (text.size() > kVersion00Bytes && (version == "00" || text[kVersion00Bytes] != '-')) return {};
  return context;
}

}  // namespace millrace::broker
