#include "cli/histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace millrace::cli {
namespace {

constexpr unsigned kStepBits = 5;

// Values below 32 have a bucket each; above, the five bits behind the first choose.
std::size_t bucket_of(std::uint64_t value) noexcept {
  if (value < 32) return value;
  const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - 1 - kStepBits;
  return (shift + 1) * 32 + ((value >> shift) & 31);
}

std::uint64_t upper_end(std::size_t bucket) noexcept {
  if (bucket < 32) return bucket;
  const unsigned shift = static_cast<unsigned>(bucket / 32) - 1;
  return ((32 + bucket % 32 + 1) << shift) - 1;
}

}  // namespace

void Histogram::add(std::uint64_t value) noexcept {
  ++buckets_[bucket_of(value)];
  ++count_;
  max_ = std::max(max_, value);
}

void Histogram::add(const Histogram& other) noexcept {
  for (std::size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
}

std::uint64_t Histogram::percentile(double part) const noexcept {
  if (count_ == 0) return 0;
  const auto wanted =
      std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::ceil(part * static_cast<double>(count_))));
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    below += buckets_[i];
    if (below >= wanted) return std::min(max_, upper_end(i));
  }
  return max_;
}

}  // namespace millrace::cli
