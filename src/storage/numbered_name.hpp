// Names of numbered files: a prefix and 16 hexadecimal digits, so that the order of names is the order of
// numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/hex.hpp"

namespace millrace::storage {

inline std::string numbered_name(std::string_view prefix, std::uint64_t number) {
  std::string name(prefix);
  put_hex(name, number);
  return name;
}

// The number of a name of exactly that form; none for any other.
inline std::optional<std::uint64_t> number_of(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix) || name.size() != prefix.size() + 16) return std::nullopt;
  std::uint64_t number = 0;
  for (const char digit : name.substr(prefix.size())) {
    const std::size_t value = kHexDigits.find(digit);
    if (value == std::string_view::npos) return std::nullopt;
    number = number << 4 | value;
  }
  return number;
}

}  // namespace millrace::storage
