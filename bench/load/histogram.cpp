#include "load/histogram.hpp"

#include <algorithm>
#include <cmath>

namespace millrace::load {

std::uint64_t Histogram::quantile(double q) const noexcept {
  if (count_ == 0) return 0;
  const auto wanted = static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(count_)));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    seen += counts_[i];
    if (seen < wanted) continue;
    if (i < (2u << kSubBits)) return std::min<std::uint64_t>(i, max_);
    const std::size_t shift = (i >> kSubBits) - 1;
    const std::uint64_t low = static_cast<std::uint64_t>(i - (shift << kSubBits)) << shift;
    return std::min(low + (std::uint64_t{1} << shift) - 1, max_);
  }
  return max_;
}

}  // namespace millrace::load
