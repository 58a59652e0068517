// Targets that share a binding key: each once, however many bindings lead to it. Small lists are searched,
// larger ones indexed, so that unbinding ten thousand queues one by one stays cheap.
#pragma once

#include <boost/container/small_vector.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <memory>

#include "broker/exchange/exchange.hpp"

namespace millrace::broker {

struct TargetHash {
  std::size_t operator()(const Target& target) const noexcept {
    const auto id = target.queue.id.value ^ (reinterpret_cast<std::uintptr_t>(target.exchange) << 1);
    return static_cast<std::size_t>(id * 0x9e3779b97f4a7c15ull);
  }
};

class TargetList {
 public:
  void add(const Target& target);
  void remove(const Target& target);  // takes back one add()
  bool empty() const noexcept { return entries_.empty(); }
  std::size_t size() const noexcept { return entries_.size(); }
  void append_to(Targets& out) const;
  const Target& at(std::size_t i) const noexcept { return entries_[i].target; }  // in no order

 private:
  struct Entry {
    Target target;
    std::uint32_t bindings = 0;
  };
  using Index = boost::unordered_flat_map<Target, std::uint32_t, TargetHash>;
  static constexpr std::size_t kIndexedFrom = 64;

  Entry* find(const Target& target) noexcept;

  boost::container::small_vector<Entry, 1> entries_;
  std::unique_ptr<Index> index_;  // once there are kIndexedFrom entries
};

}  // namespace millrace::broker
