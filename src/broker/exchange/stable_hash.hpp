// The hash that hashing exchanges choose by: the same on every shard, platform and start, because a key must
// find its queue again after a restart. Its values are as good as stored: never change it.
#pragma once

#include <cstdint>
#include <string_view>

namespace millrace::broker {

inline std::uint64_t mix_bits(std::uint64_t z) noexcept {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

// FNV-1a, finished so that every bit counts.
inline std::uint64_t stable_hash(std::string_view text) noexcept {
  std::uint64_t sum = 0xcbf29ce484222325ull;
  for (const char c : text) sum = (sum ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return mix_bits(sum);
}

}  // namespace millrace::broker
