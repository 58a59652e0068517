// Views of bytes and fixed-width integers in both byte orders.
//
// Text and names are std::string_view; raw data is ByteView. Neither owns anything.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace millrace {

using ByteView = std::span<const std::uint8_t>;

inline ByteView as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

static_assert(std::endian::native == std::endian::little,
              "the on-disk formats are written for little-endian hosts");

template <class T>
T byte_swap(T value) noexcept {
  if constexpr (sizeof(T) == 1) return value;
  if constexpr (sizeof(T) == 2) return static_cast<T>(__builtin_bswap16(static_cast<std::uint16_t>(value)));
  if constexpr (sizeof(T) == 4) return static_cast<T>(__builtin_bswap32(static_cast<std::uint32_t>(value)));
  if constexpr (sizeof(T) == 8) return static_cast<T>(__builtin_bswap64(static_cast<std::uint64_t>(value)));
}

// Network order, as AMQP, MQTT and Kafka use it.
template <class T>
T load_be(const std::uint8_t* at) noexcept {
  T value;
  std::memcpy(&value, at, sizeof value);
  return byte_swap(value);
}
template <class T>
void store_be(std::uint8_t* at, T value) noexcept {
  value = byte_swap(value);
  std::memcpy(at, &value, sizeof value);
}

// Little-endian, as everything of ours on disk.
template <class T>
T load_le(const std::uint8_t* at) noexcept {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}
template <class T>
void store_le(std::uint8_t* at, T value) noexcept {
  std::memcpy(at, &value, sizeof value);
}

}  // namespace millrace
