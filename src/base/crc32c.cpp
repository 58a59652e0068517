#include "base/crc32c.hpp"

#include <array>
#include <cstddef>

#if defined(__x86_64__)
#include <nmmintrin.h>
#include <wmmintrin.h>
#endif

namespace millrace {
namespace {

constexpr std::uint32_t kPolynomialReflected = 0x82f63b78;

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? kPolynomialReflected : 0);
    table[byte] = crc;
  }
  return table;
}
constexpr auto kTable = make_table();

#if defined(__x86_64__)
#define MILLRACE_CRC_TARGET __attribute__((target("sse4.2,pclmul")))

// x^n modulo the polynomial, bits reflected.
constexpr std::uint32_t power_of_x(std::size_t n) {
  std::uint32_t power = 0x8000'0000;
  for (; n != 0; --n) power = (power >> 1) ^ ((power & 1) ? kPolynomialReflected : 0);
  return power;
}

// A carry-less product of two reflected values is too high by one power of x, and the instruction multiplies
// what it is given by x^32.
constexpr std::uint32_t past_bytes(std::size_t bytes) {
  return power_of_x(bytes * 8 - 33);
}

MILLRACE_CRC_TARGET inline std::uint64_t multiply(std::uint64_t a, std::uint32_t b) noexcept {
  return static_cast<std::uint64_t>(_mm_cvtsi128_si64(_mm_clmulepi64_si128(
      _mm_cvtsi64_si128(static_cast<long long>(a)), _mm_cvtsi64_si128(static_cast<long long>(b)), 0)));
}

// The instruction has a latency of three cycles and a throughput of one: three lanes side by side take as
// long as one. They are joined by moving the first two past the bytes that follow them.
template <std::size_t kLane>
MILLRACE_CRC_TARGET std::uint64_t take_lanes(std::uint64_t state, const std::uint8_t*& at,
                                             std::size_t& left) noexcept {
  for (; left >= 3 * kLane; left -= 3 * kLane, at += 3 * kLane) {
    std::uint64_t second = 0;
    std::uint64_t third = 0;
    for (std::size_t i = 0; i < kLane; i += 8) {
      state = _mm_crc32_u64(state, load_le<std::uint64_t>(at + i));
      second = _mm_crc32_u64(second, load_le<std::uint64_t>(at + kLane + i));
      third = _mm_crc32_u64(third, load_le<std::uint64_t>(at + 2 * kLane + i));
    }
    state = _mm_crc32_u64(0, multiply(state, past_bytes(2 * kLane)) ^ multiply(second, past_bytes(kLane))) ^
            third;
  }
  return state;
}

MILLRACE_CRC_TARGET std::uint32_t crc32c_sse42(std::uint32_t crc, ByteView bytes) noexcept {
  std::uint64_t state = ~crc;
  const std::uint8_t* at = bytes.data();
  std::size_t left = bytes.size();
  state = take_lanes<1024>(state, at, left);
  state = take_lanes<256>(state, at, left);
  state = take_lanes<64>(state, at, left);
  for (; left >= 8; left -= 8, at += 8) state = _mm_crc32_u64(state, load_le<std::uint64_t>(at));
  auto state32 = static_cast<std::uint32_t>(state);
  for (; left != 0; --left, ++at) state32 = _mm_crc32_u8(state32, *at);
  return ~state32;
}
#endif

}  // namespace

std::uint32_t crc32c_portable(std::uint32_t crc, ByteView bytes) noexcept {
  crc = ~crc;
  for (const std::uint8_t byte : bytes) crc = (crc >> 8) ^ kTable[(crc ^ byte) & 0xff];
  return ~crc;
}

std::uint32_t crc32c(std::uint32_t crc, ByteView bytes) noexcept {
#if defined(__x86_64__)
  static const bool has_instructions = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
  if (has_instructions) return crc32c_sse42(crc, bytes);
#endif
  return crc32c_portable(crc, bytes);
}

}  // namespace millrace
