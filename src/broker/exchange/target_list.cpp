#include "broker/exchange/target_list.hpp"

namespace millrace::broker {

TargetList::Entry* TargetList::find(const Target& target) noexcept {
  if (index_) {
    const auto found = index_->find(target);
    return found == index_->end() ? nullptr : &entries_[found->second];
  }
  for (Entry& entry : entries_) {
    if (entry.target == target) return &entry;
  }
  return nullptr;
}

void TargetList::add(const Target& target) {
  if (Entry* entry = find(target)) {
    ++entry->bindings;
    return;
  }
  entries_.push_back({target, 1});
  if (index_) {
    index_->emplace(target, static_cast<std::uint32_t>(entries_.size() - 1));
  } else if (entries_.size() == kIndexedFrom) {
    index_ = std::make_unique<Index>();
    for (std::uint32_t i = 0; i < entries_.size(); ++i) index_->emplace(entries_[i].target, i);
  }
}

void TargetList::remove(const Target& target) {
  Entry* entry = find(target);
  if (entry == nullptr || --entry->bindings != 0) return;
  if (index_) {
    index_->erase(target);
    if (entry != &entries_.back())
      (*index_)[entries_.back().target] = static_cast<std::uint32_t>(entry - entries_.data());
  }
  if (entry != &entries_.back()) *entry = entries_.back();
  entries_.pop_back();
  if (entries_.empty()) index_.reset();
}

void TargetList::append_to(Targets& out) const {
  for (const Entry& entry : entries_) out.push_back(entry.target);
}

}  // namespace millrace::broker
