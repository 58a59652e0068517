#include "base/crc32c.hpp"

#include <array>

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
__attribute__((target("sse4.2"))) std::uint32_t crc32c_sse42(std::uint32_t crc, ByteView bytes) noexcept {
  std::uint64_t state = ~crc;
  const std::uint8_t* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; left -= 8, at += 8) state = __builtin_ia32_crc32di(state, load_le<std::uint64_t>(at));
  auto state32 = static_cast<std::uint32_t>(state);
  for (; left != 0; --left, ++at) state32 = __builtin_ia32_crc32qi(state32, *at);
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
  static const bool has_instruction = __builtin_cpu_supports("sse4.2");
  if (has_instruction) return crc32c_sse42(crc, bytes);
#endif
  return crc32c_portable(crc, bytes);
}

}  // namespace millrace
