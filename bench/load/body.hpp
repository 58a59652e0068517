// What a message body says about itself: who sent it, its number, and when; then bytes that are known
// beforehand.
//
//   producer u32 | sequence u64 | sent u32 | filler
//
// `sent` counts units of 100 ns and wraps after seven minutes, which no latency of interest exceeds.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "base/bytes.hpp"

namespace millrace::load {

inline constexpr std::size_t kBodyHeadBytes = 16;

struct BodyHead {
  std::uint32_t producer = 0;
  std::uint64_t sequence = 0;
  std::uint32_t sent = 0;
};

inline std::uint32_t sent_units(std::uint64_t ns) noexcept {
  return static_cast<std::uint32_t>(ns / 100);
}
inline std::uint64_t latency_ns(std::uint32_t sent, std::uint64_t now) noexcept {
  return std::uint64_t{sent_units(now) - sent} * 100;
}

inline void put_head(std::uint8_t* at, const BodyHead& head) noexcept {
  store_be(at, head.producer);
  store_be(at + 4, head.sequence);
  store_be(at + 12, head.sent);
}
inline BodyHead get_head(const std::uint8_t* at) noexcept {
  return {load_be<std::uint32_t>(at), load_be<std::uint64_t>(at + 4), load_be<std::uint32_t>(at + 12)};
}

// What --shortest-first says of a message in x-size: no two of a producer's are alike, and they come in no
// order.
inline std::uint32_t job_size(const BodyHead& head) noexcept {
  auto mixed = static_cast<std::uint32_t>(head.sequence);
  mixed = (mixed ^ (mixed >> 16)) * 0x7feb352du;
  mixed = (mixed ^ (mixed >> 15)) * 0x846ca68bu;
  return mixed ^ (mixed >> 16);
}

// A body of `size` bytes with an empty head; its filler differs from place to place, so a shifted body is
// noticed.
inline std::vector<std::uint8_t> body_pattern(std::size_t size) {
  std::vector<std::uint8_t> body(size);
  for (std::size_t i = kBodyHeadBytes; i < size; ++i)
    body[i] = static_cast<std::uint8_t>(i * 31 + (i >> 8) + 7);
  return body;
}

}  // namespace millrace::load
