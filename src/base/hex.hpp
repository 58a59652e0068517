// Numbers and bytes in lower-case hexadecimal digits.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace {

inline constexpr std::string_view kHexDigits = "0123456789abcdef";

// The last `digits` of it, leading zeroes and all.
inline void put_hex(std::string& text, std::uint64_t number, unsigned digits = 16) {
  for (unsigned left = digits; left-- > 0;) text += kHexDigits[(number >> (4 * left)) & 15];
}

inline std::string to_hex(std::uint64_t number, unsigned digits = 16) {
  std::string text;
  put_hex(text, number, digits);
  return text;
}

}  // namespace millrace
