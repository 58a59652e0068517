#include "client/tasks/retry_pause.hpp"

#include <algorithm>
#include <cmath>

namespace millrace::tasks {

Milliseconds pause_before_retry(const TaskOptions& options, std::int64_t retries, Prng& random) {
  const double longest = static_cast<double>(options.retry_longest.count());
  const double grown = static_cast<double>(options.retry_first.count()) *
                       std::pow(options.retry_factor, static_cast<double>(retries));
  const double pause = std::min(grown, longest);
  constexpr std::uint64_t kSteps = 1'000'000;
  const double drawn = static_cast<double>(random.below(kSteps + 1)) / kSteps;
  return Milliseconds(
      static_cast<std::int64_t>(pause * (1 - std::clamp(options.retry_jitter, 0.0, 1.0) * drawn)));
}

}  // namespace millrace::tasks
