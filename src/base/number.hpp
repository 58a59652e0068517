// Numbers in text.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

namespace millrace {

// A decimal number and nothing else: no sign for unsigned types, no '+', no space. None also when it does not
// fit.
template <class Number>
std::optional<Number> whole_number(std::string_view text) noexcept {
  Number number = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number);
  if (error != std::errc() || end != last) return std::nullopt;
  return number;
}

}  // namespace millrace
