// Writes the data types of AMQP 0-9-1 §4.2.5 through a bare pointer, into room that the caller has reserved.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "base/bytes.hpp"
#include "codec/amqp091/constants.hpp"

namespace millrace::amqp091::wire {

// Tags, keys and small bodies are a few bytes: two overlapping moves take less than a call of memcpy.
inline std::uint8_t* put_bytes(std::uint8_t* at, const void* from, std::size_t bytes) noexcept {
  const auto* source = static_cast<const std::uint8_t*>(from);
  if (bytes > 16) {
    std::memcpy(at, source, bytes);
  } else if (bytes >= 8) {
    std::uint64_t first, last;
    std::memcpy(&first, source, 8);
    std::memcpy(&last, source + bytes - 8, 8);
    std::memcpy(at, &first, 8);
    std::memcpy(at + bytes - 8, &last, 8);
  } else if (bytes >= 4) {
    std::uint32_t first, last;
    std::memcpy(&first, source, 4);
    std::memcpy(&last, source + bytes - 4, 4);
    std::memcpy(at, &first, 4);
    std::memcpy(at + bytes - 4, &last, 4);
  } else if (bytes != 0) {
    at[0] = source[0];
    at[bytes / 2] = source[bytes / 2];
    at[bytes - 1] = source[bytes - 1];
  }
  return at + bytes;
}

template <class T>
std::uint8_t* put(std::uint8_t* at, T value) noexcept {
  store_be(at, value);
  return at + sizeof value;
}

// Only texts of ours (reply texts) can be too long; they are cut, as RabbitMQ cuts them.
inline std::size_t short_text_bytes(std::string_view text) noexcept {
  return 1 + std::min(text.size(), kShortTextMax);
}
inline std::uint8_t* put_short_text(std::uint8_t* at, std::string_view text) noexcept {
  const std::size_t bytes = std::min(text.size(), kShortTextMax);
  *at = static_cast<std::uint8_t>(bytes);
  return put_bytes(at + 1, text.data(), bytes);
}

inline std::size_t long_bytes(ByteView bytes) noexcept {
  return 4 + bytes.size();
}
inline std::uint8_t* put_long_bytes(std::uint8_t* at, ByteView bytes) noexcept {
  at = put(at, static_cast<std::uint32_t>(bytes.size()));
  return put_bytes(at, bytes.data(), bytes.size());
}

inline std::uint8_t* put_frame_header(std::uint8_t* at, FrameType type, std::uint16_t channel,
                                      std::uint32_t payload_bytes) noexcept {
  at = put(at, static_cast<std::uint8_t>(type));
  at = put(at, channel);
  return put(at, payload_bytes);
}

}  // namespace millrace::amqp091::wire
