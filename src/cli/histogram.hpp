// Latencies, counted in buckets that are at most 1/32 wide of what they hold.
#pragma once

#include <array>
#include <cstdint>

namespace millrace::cli {

class Histogram {
 public:
  void add(std::uint64_t value) noexcept;
  void add(const Histogram& other) noexcept;
  std::uint64_t count() const noexcept { return count_; }
  std::uint64_t max() const noexcept { return max_; }
  // The value that `part` of all (0.99) do not exceed, to a bucket's upper end; 0 when there is none.
  std::uint64_t percentile(double part) const noexcept;

 private:
  static constexpr unsigned kSteps = 32;  // to each power of two
  std::array<std::uint64_t, 64 * kSteps> buckets_{};
  std::uint64_t count_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace millrace::cli
