// A small seeded random generator (splitmix64) for simulation, jitter and hashing exchanges: the same seed
// gives the same numbers on every platform, which std's distributions do not promise. Not for secrets.
#pragma once

#include <cstdint>

namespace millrace {

class Prng {
 public:
  explicit Prng(std::uint64_t seed) noexcept : state_(seed) {}

  std::uint64_t next() noexcept {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }
  // Uniform in [0, bound); 0 for bound 0.
  std::uint64_t below(std::uint64_t bound) noexcept {
    return static_cast<std::uint64_t>((static_cast<Wide>(next()) * bound) >> 64);
  }
  bool one_in(std::uint64_t n) noexcept { return below(n) == 0; }
  // A generator of its own stream, so that one consumer's draws do not change another's luck.
  Prng fork(std::uint64_t stream) noexcept { return Prng(state_ ^ (stream * 0xd1342543de82ef95ull)); }

 private:
  __extension__ using Wide = unsigned __int128;
  std::uint64_t state_;
};

}  // namespace millrace
