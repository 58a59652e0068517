#include "broker/node/use_counts.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>

namespace millrace::broker {

bool UseCount::take(std::int64_t limit) noexcept {
  std::int64_t used = used_.load(std::memory_order_relaxed);
  do {
    if (limit >= 0 && used >= limit) return false;
  } while (!used_.compare_exchange_weak(used, used + 1, std::memory_order_relaxed));
  return true;
}

std::int64_t UseCount::pace(std::int64_t now, std::int64_t step) noexcept {
  std::int64_t last = used_.load(std::memory_order_relaxed);
  std::int64_t next = 0;
  do {
    next = std::max(last, now) + step;
  } while (!used_.compare_exchange_weak(last, next, std::memory_order_relaxed));
  return next - now;
}

UseCounts::~UseCounts() {
  for (std::atomic<Named*>& head : heads_) {
    for (Named* named = head.load(); named != nullptr;) delete std::exchange(named, named->next);
  }
}

UseCount& UseCounts::of(Kind kind, std::string_view name) {
  std::atomic<Named*>& head = heads_[std::hash<std::string_view>()(name) % kBuckets];
  const auto find = [&](Named* from, const Named* end) -> Named* {
    for (Named* named = from; named != end; named = named->next) {
      if (named->kind == kind && named->name == name) return named;
    }
    return nullptr;
  };
  Named* first = head.load(std::memory_order_acquire);
  if (Named* found = find(first, nullptr)) return found->count;
  auto made = std::make_unique<Named>();
  made->kind = kind;
  made->name = name;
  for (;;) {
    Named* const searched = first;
    made->next = first;
    if (head.compare_exchange_weak(first, made.get(), std::memory_order_acq_rel, std::memory_order_acquire)) {
      return made.release()->count;
    }
    // Another shard was faster; perhaps with the same name.
    if (Named* found = find(first, searched)) return found->count;
  }
}

}  // namespace millrace::broker
