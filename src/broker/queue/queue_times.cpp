#include "broker/queue/queue_times.hpp"

namespace millrace::broker {

std::shared_ptr<const LatencyCounts> QueueTimes::look(Kept* kept) {
  if (kept == nullptr) return nullptr;
  if (!kept->seen || kept->seen->count != kept->histogram.count) {
    kept->seen = std::make_shared<const LatencyCounts>(kept->histogram);
  }
  return kept->seen;
}

QueueTimesStatistics QueueTimes::look(std::int64_t now_us) {
  pass(now_us);
  QueueTimesStatistics seen;
  seen.age_us = static_cast<std::uint64_t>(at_us_ - begun_us_);
  seen.ready_us = ready_us_;
  seen.unacked_us = unacked_us_;
  seen.busy_us = busy_us_;
  seen.open_us = open_us_;
  seen.dropped_us = dropped_us_;
  seen.waited = look(waited_.get());
  seen.held = look(held_.get());
  return seen;
}

void QueueTimes::add_to(LatencyHistogram& waited, LatencyHistogram& held) const noexcept {
  if (waited_) waited += waited_->histogram;
  if (held_) held += held_->histogram;
}

}  // namespace millrace::broker
