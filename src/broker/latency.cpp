#include "broker/latency.hpp"

namespace millrace::broker {

LatencyHistogram& LatencyHistogram::operator+=(const LatencyHistogram& other) noexcept {
  for (unsigned i = 0; i < kLatencyBuckets; ++i) buckets[i] += other.buckets[i];
  count += other.count;
  sum_us += other.sum_us;
  return *this;
}

LatencyCounts::LatencyCounts(const LatencyHistogram& histogram)
    : count(histogram.count), sum_us(histogram.sum_us) {
  const auto is_used = [](std::uint64_t n) { return n != 0; };
  const auto begin = std::find_if(histogram.buckets.begin(), histogram.buckets.end(), is_used);
  const auto end = std::find_if(histogram.buckets.rbegin(), histogram.buckets.rend(), is_used).base();
  if (begin >= end) return;
  first = static_cast<unsigned>(begin - histogram.buckets.begin());
  buckets.assign(begin, end);
}

void LatencyCounts::add_to(LatencyHistogram& sum) const noexcept {
  for (std::size_t i = 0; i < buckets.size(); ++i) sum.buckets[first + i] += buckets[i];
  sum.count += count;
  sum.sum_us += sum_us;
}

LatencyCounts LatencyCounts::since(const LatencyCounts& before) const {
  LatencyCounts made = *this;
  // A queue that was deleted and declared again counts from nothing.
  if (before.count > count) return made;
  for (std::size_t i = 0; i < made.buckets.size(); ++i) {
    made.buckets[i] -= std::min(made.buckets[i], before.at(first + static_cast<unsigned>(i)));
  }
  made.count -= before.count;
  made.sum_us -= std::min(made.sum_us, before.sum_us);
  return made;
}

double LatencyCounts::mean_us() const noexcept {
  return count == 0 ? 0 : static_cast<double>(sum_us) / static_cast<double>(count);
}

double LatencyCounts::quantile_us(double part) const noexcept {
  if (count == 0) return 0;
  const double wanted = part * static_cast<double>(count);
  double passed = 0;
  for (std::size_t i = 0; i < buckets.size(); ++i) {
    const auto here = static_cast<double>(buckets[i]);
    if (here == 0 || passed + here < wanted) {
      passed += here;
      continue;
    }
    const unsigned bucket = first + static_cast<unsigned>(i);
    const auto begin = static_cast<double>(bucket == 0 ? 0 : latency_bucket_end(bucket - 1));
    const auto end = static_cast<double>(latency_bucket_end(bucket));
    const double within = here < 2 ? 0.5 : std::max(wanted - passed, 0.0) / here;
    return begin + (end - begin) * within;
  }
  return static_cast<double>(latency_bucket_end(first + static_cast<unsigned>(buckets.size()) - 1));
}

}  // namespace millrace::broker
