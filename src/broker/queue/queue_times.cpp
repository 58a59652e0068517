#include "broker/queue/queue_times.hpp"

#include <utility>

namespace millrace::broker {

void QueueTimes::Counting::flush() {
  if (messages_ == 0) return;
  if (!kept_) kept_ = std::make_unique<Kept>();
  kept_->histogram.add(us_, std::exchange(messages_, 0));
}

std::shared_ptr<const LatencyCounts> QueueTimes::Counting::look() {
  flush();
  if (!kept_) return nullptr;
  if (!kept_->seen || kept_->seen->count != kept_->histogram.count) {
    kept_->seen = std::make_shared<const LatencyCounts>(kept_->histogram);
  }
  return kept_->seen;
}

void QueueTimes::Counting::add_to(LatencyHistogram& sum) {
  flush();
  if (kept_) sum += kept_->histogram;
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
  seen.waited = waited_.look();
  seen.held = held_.look();
  return seen;
}

void QueueTimes::add_to(LatencyHistogram& waited, LatencyHistogram& held) {
  waited_.add_to(waited);
  held_.add_to(held);
}

}  // namespace millrace::broker
