#include "base/utf8.hpp"

namespace millrace {

char32_t next_character(std::string_view text, std::size_t& at) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(at);
  if (lead < 0x80) return ++at, lead;
  const std::size_t length = lead >= 0xF5 ? 0 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 0;
  if (length == 0 || at + length > text.size()) return ++at, kBrokenCharacter;
  char32_t character = lead & (0xFF >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xC0) != 0x80) return ++at, kBrokenCharacter;
    character = character << 6 | (byte(at + i) & 0x3F);
  }
  constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (character < kLeast[length] || character > 0x10FFFF || (character >= 0xD800 && character < 0xE000)) {
    return ++at, kBrokenCharacter;
  }
  at += length;
  return character;
}

bool is_utf8(std::string_view text) noexcept {
  for (std::size_t at = 0; at < text.size();) {
    if (next_character(text, at) == kBrokenCharacter) return false;
  }
  return true;
}

std::string as_utf8(std::string_view text) {
  if (is_utf8(text)) return std::string(text);
  std::string fixed;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const bool broken = next_character(text, at) == kBrokenCharacter;
    fixed += broken ? std::string_view("\xef\xbf\xbd") : text.substr(begin, at - begin);
  }
  return fixed;
}

}  // namespace millrace
