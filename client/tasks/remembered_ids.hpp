// The last so many strings that were added.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

namespace millrace::tasks {

// Used under its owner's lock.
class RememberedIds {
 public:
  explicit RememberedIds(std::size_t most) : most_(most) {}

  void add(std::string id) {
    if (known_.contains(id)) return;
    order_.push_back(std::move(id));
    known_.insert(order_.back());
    if (order_.size() <= most_) return;
    known_.erase(order_.front());
    order_.pop_front();
  }
  bool contains(std::string_view id) const { return known_.contains(id); }
  const std::deque<std::string>& in_order() const noexcept { return order_; }

 private:
  const std::size_t most_;
  std::deque<std::string> order_;
  std::unordered_set<std::string_view> known_;  // those of order_, which stay where they are
};

}  // namespace millrace::tasks
