#include "broker/queue/size_estimates.hpp"

#include <cmath>

namespace millrace::broker {
namespace {

void add(SizeEstimates::Estimate& estimate, double us) {
  // The first ones count in full, so that an unlucky beginning is soon made up for.
  ++estimate.samples;
  const double share = std::max(1 / static_cast<double>(estimate.samples), SizeEstimates::kShare);
  estimate.mean_us += (us - estimate.mean_us) * share;
}

}  // namespace

double SizeEstimates::mean_us(std::string_view name) const noexcept {
  const auto it = names_.find(name);
  return it == names_.end() ? all_.mean_us : it->second.mean_us;
}

const SizeEstimates::Estimate* SizeEstimates::learn(std::string_view name, double us) {
  add(all_, us);
  auto it = names_.find(name);
  if (it == names_.end()) {
    if (names_.size() == kMaxNames) return nullptr;
    it = names_.emplace(name, Estimate{}).first;
  }
  Estimate& estimate = it->second;
  add(estimate, us);
  if (std::abs(estimate.mean_us - estimate.noted_us) * 4 <= estimate.noted_us) return nullptr;
  estimate.noted_us = estimate.mean_us;
  return &estimate;
}

void SizeEstimates::restore(std::string_view name, double us, std::uint64_t samples) {
  if (names_.size() == kMaxNames && !names_.contains(name)) return;
  names_.insert_or_assign(std::string(name), Estimate{us, samples, us});
  add(all_, us);
}

}  // namespace millrace::broker
