// Percent-encoding (RFC 3986 §2.1).
#pragma once

#include <string>
#include <string_view>

namespace millrace {

// Appends %XX.
inline void put_percent(std::string& to, char c) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  const auto byte = static_cast<unsigned char>(c);
  to += '%';
  to += kDigits[byte >> 4];
  to += kDigits[byte & 15];
}

// Appends the text; letters, digits and "-._~" (RFC 3986 §2.3) as they are.
inline void put_percent_encoded(std::string& to, std::string_view text) {
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      to += c;
    } else {
      put_percent(to, c);
    }
  }
}

}  // namespace millrace
