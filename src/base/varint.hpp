// Unsigned LEB128 into a Buffer; Reader::varint reads it back.
#pragma once

#include "base/buffer.hpp"

namespace millrace {

inline void put_varint(Buffer& out, std::uint64_t value) {
  std::uint8_t* at = out.reserve(10);
  std::size_t count = 0;
  while (value >= 0x80) {
    at[count++] = static_cast<std::uint8_t>(value | 0x80);
    value >>= 7;
  }
  at[count++] = static_cast<std::uint8_t>(value);
  out.commit(count);
}

// The form of names in our own formats: Reader::sized_text reads it back.
inline void put_sized_text(Buffer& out, std::string_view text) {
  put_varint(out, text.size());
  out.append(text);
}

}  // namespace millrace
