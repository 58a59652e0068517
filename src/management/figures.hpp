// Two looks at the node, and the rates between them.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "broker/statistics.hpp"

namespace millrace::management {

struct Figures {
  std::shared_ptr<const broker::NodeStatistics> now;     // never null
  std::shared_ptr<const broker::NodeStatistics> before;  // null at the first look

  // In a second, between the two looks.
  double rate(std::uint64_t count_now, std::uint64_t count_before) const noexcept {
    if (!before || count_now < count_before) return 0;
    const double seconds = std::chrono::duration<double>(now->taken - before->taken).count();
    return seconds > 0 ? static_cast<double>(count_now - count_before) / seconds : 0;
  }
  const broker::QueueStatistics& of(broker::QueueId queue) const noexcept { return find(now.get(), queue); }
  const broker::QueueStatistics& before_of(broker::QueueId queue) const noexcept {
    // One that was not there counts from nothing.
    return find(before.get(), queue);
  }

 private:
  static const broker::QueueStatistics& find(const broker::NodeStatistics* in,
                                             broker::QueueId queue) noexcept {
    static const broker::QueueStatistics none;
    if (in == nullptr) return none;
    const auto found = in->queues.find(queue.value);
    return found == in->queues.end() ? none : found->second;
  }
};

}  // namespace millrace::management
