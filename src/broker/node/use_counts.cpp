#include "broker/node/use_counts.hpp"

#include <algorithm>
#include <functional>
#include <thread>

namespace millrace::broker {

namespace {

// At a part of the counters. Who has it does not wait for anything else.
class Turn {
 public:
  explicit Turn(std::atomic_flag& taken) noexcept : taken_(taken) {
    while (taken_.test_and_set(std::memory_order_acquire)) std::this_thread::yield();
  }
  ~Turn() { taken_.clear(std::memory_order_release); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  std::atomic_flag& taken_;
};

}  // namespace

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

std::shared_ptr<UseCount> UseCounts::of(Kind kind, std::string_view name) {
  std::string key(1, static_cast<char>(kind));
  key += name;
  Part& part = parts_[std::hash<std::string>()(key) % kParts];
  const Turn turn(part.taken);
  Named& named = part.counts[key];
  if (std::shared_ptr<UseCount> count = named.count.lock()) return count;
  const bool is_rate = kind >= Kind::user_publishes;
  std::shared_ptr<UseCount> made;
  if (is_rate) {
    named.kept = made = std::make_shared<UseCount>();
  } else {
    made = std::shared_ptr<UseCount>(new UseCount, [this, &part, key](UseCount* count) {
      end(part, key);
      delete count;
    });
  }
  named.count = made;
  return made;
}

// Somebody may have begun another one by now.
void UseCounts::end(Part& part, const std::string& key) {
  const Turn turn(part.taken);
  const auto found = part.counts.find(key);
  if (found != part.counts.end() && found->second.count.expired()) part.counts.erase(found);
}

std::size_t UseCounts::size() const {
  std::size_t size = 0;
  for (const Part& part : parts_) {
    const Turn turn(part.taken);
    size += part.counts.size();
  }
  return size;
}

}  // namespace millrace::broker
