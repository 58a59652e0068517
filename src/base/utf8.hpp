// UTF-8 (RFC 3629), and what is not.
#pragma once

#include <string>
#include <string_view>

namespace millrace {

inline constexpr char32_t kBrokenCharacter = 0xFFFFFFFF;

// The character at `at`, which moves behind it; kBrokenCharacter, and one byte on, where none is well-formed.
char32_t next_character(std::string_view text, std::size_t& at) noexcept;
bool is_utf8(std::string_view text) noexcept;
// With U+FFFD in place of what is not UTF-8, so that JSON can carry it.
std::string as_utf8(std::string_view text);

}  // namespace millrace
