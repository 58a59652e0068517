// How large the bodies of published messages are, in RabbitMQ's buckets.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace millrace::broker {

struct MessageSizes {
  static constexpr std::array<std::uint64_t, 8> kEnds{100,       1'000,      10'000,     100'000,
                                                      1'000'000, 10'000'000, 50'000'000, 100'000'000};

  std::array<std::uint64_t, kEnds.size() + 1> buckets{};  // up to and with each end; the last: all beyond
  std::uint64_t bytes = 0;

  void add(std::uint64_t size) noexcept {
    std::size_t bucket = 0;
    while (bucket < kEnds.size() && size > kEnds[bucket]) ++bucket;
    ++buckets[bucket];
    bytes += size;
  }
  MessageSizes& operator+=(const MessageSizes& other) noexcept {
    for (std::size_t i = 0; i < buckets.size(); ++i) buckets[i] += other.buckets[i];
    bytes += other.bytes;
    return *this;
  }
};

}  // namespace millrace::broker
