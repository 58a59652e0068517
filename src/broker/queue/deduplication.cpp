#include "broker/queue/deduplication.hpp"

#include <algorithm>

namespace millrace::broker {

bool DeduplicationWindow::seen(std::string_view value, std::int64_t now_ms, std::size_t size,
                               std::optional<std::int64_t> ttl_ms) {
  const std::int64_t until = ttl_ms ? now_ms + *ttl_ms : INT64_MAX;
  if (const auto it = deadlines_.find(value); it != deadlines_.end()) {
    if (now_ms < it->second.ms) return true;
    deadlines_.erase(it);
  }
  const std::size_t room = size == 0 ? kMaxEntries : std::min(size, kMaxEntries);
  while (deadlines_.size() >= room) drop_oldest();
  deadlines_.emplace(std::string(value), Until{until, next_number_});
  order_.push_back({std::string(value), next_number_++});
  // Forgotten values leave their place in the order behind; it must not outgrow what is remembered.
  while (order_.size() > 2 * deadlines_.size() + 16) drop_oldest();
  return false;
}

void DeduplicationWindow::forget(std::string_view value) {
  if (const auto it = deadlines_.find(value); it != deadlines_.end()) deadlines_.erase(it);
}

void DeduplicationWindow::drop_oldest() {
  const auto it = deadlines_.find(order_.front().value);
  if (it != deadlines_.end() && it->second.number == order_.front().number) deadlines_.erase(it);
  order_.pop_front();
}

}  // namespace millrace::broker
