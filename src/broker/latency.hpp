// How long something took, counted in buckets whose width is at most a quarter of what they hold: from one
// microsecond to more than a day in 144 numbers.
//
// LatencyHistogram is where a queue counts, one addition a message. LatencyCounts is what those who look on
// are given: the same at one moment, without the empty buckets before and behind.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <vector>

namespace millrace::broker {

// Buckets 0 to 3 hold one microsecond each; from there on four make a power of two. What is longer than the
// last one holds (2^37 µs, 38 hours) is counted there.
inline constexpr unsigned kLatencyBuckets = 144;

constexpr unsigned latency_bucket(std::int64_t us) noexcept {
  if (us < 4) return us < 0 ? 0 : static_cast<unsigned>(us);
  const unsigned exponent = static_cast<unsigned>(std::bit_width(static_cast<std::uint64_t>(us))) - 1;
  const unsigned quarter = static_cast<unsigned>(us >> (exponent - 2)) & 3;
  return std::min((exponent - 1) * 4 + quarter, kLatencyBuckets - 1);
}

// The least that is too long for the bucket, in microseconds.
constexpr std::uint64_t latency_bucket_end(unsigned bucket) noexcept {
  const auto begin = [](unsigned b) -> std::uint64_t {
    return b < 4 ? b : std::uint64_t{4 + b % 4} << (b / 4 - 1);
  };
  return begin(bucket + 1);
}

struct LatencyHistogram {
  std::array<std::uint64_t, kLatencyBuckets> buckets{};
  std::uint64_t count = 0;
  std::uint64_t sum_us = 0;

  void add(std::int64_t us, std::uint64_t messages = 1) noexcept {
    buckets[latency_bucket(us)] += messages;
    count += messages;
    sum_us += static_cast<std::uint64_t>(std::max<std::int64_t>(us, 0)) * messages;
  }
  LatencyHistogram& operator+=(const LatencyHistogram& other) noexcept;
};

struct LatencyCounts {
  unsigned first = 0;  // the bucket that `buckets` begins with
  std::vector<std::uint64_t> buckets;
  std::uint64_t count = 0;
  std::uint64_t sum_us = 0;

  LatencyCounts() = default;
  explicit LatencyCounts(const LatencyHistogram& histogram);

  std::uint64_t at(unsigned bucket) const noexcept {
    return bucket < first || bucket - first >= buckets.size() ? 0 : buckets[bucket - first];
  }
  void add_to(LatencyHistogram& sum) const noexcept;
  // What came since `before`, an earlier look at the same histogram.
  LatencyCounts since(const LatencyCounts& before) const;

  // In microseconds; 0 when there is nothing. A quantile is somewhere in its bucket: in the middle, were it
  // alone there.
  double mean_us() const noexcept;
  double quantile_us(double part) const noexcept;
};

}  // namespace millrace::broker
