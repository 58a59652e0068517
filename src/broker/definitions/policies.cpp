#include "broker/definitions/policies.hpp"

#include <algorithm>

namespace millrace::broker {

void Policies::put(PolicySpec policy) {
  remove(policy.name, policy.is_operator);
  const auto at = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& other) {
    return other.policy.priority < policy.priority ||
           (other.policy.priority == policy.priority && other.policy.name > policy.name);
  });
  Pattern pattern(policy.pattern);
  entries_.insert(at, Entry{std::move(policy), std::move(pattern)});
}

void Policies::remove(std::string_view name, bool is_operator) {
  std::erase_if(entries_, [&](const Entry& entry) {
    return entry.policy.name == name && entry.policy.is_operator == is_operator;
  });
}

const PolicySpec* Policies::of_queue(const QueueSpec& queue, bool is_operator) const {
  if (entries_.empty()) return nullptr;
  const Value* type = queue.arguments.find("x-queue-type");
  const std::string own = (type && type->as_text() ? *type->as_text() : std::string("classic")) + "_queues";
  for (const Entry& entry : entries_) {
    const PolicySpec& policy = entry.policy;
    if (policy.is_operator != is_operator) continue;
    if (policy.apply_to != "all" && policy.apply_to != "queues" && policy.apply_to != own) continue;
    if (entry.pattern.search(queue.name)) return &policy;
  }
  return nullptr;
}

const PolicySpec* Policies::of_exchange(std::string_view name) const {
  for (const Entry& entry : entries_) {
    const PolicySpec& policy = entry.policy;
    if (policy.is_operator || (policy.apply_to != "all" && policy.apply_to != "exchanges")) continue;
    if (entry.pattern.search(name)) return &policy;
  }
  return nullptr;
}

}  // namespace millrace::broker
