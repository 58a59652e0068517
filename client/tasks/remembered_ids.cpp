#include "client/tasks/remembered_ids.hpp"

#include <algorithm>
#include <functional>
#include <utility>

namespace millrace::tasks {
namespace {

constexpr std::size_t kFirstSlots = 64;

std::uint32_t hash_of(std::string_view id) noexcept {
  return static_cast<std::uint32_t>(std::hash<std::string_view>()(id));
}

}  // namespace

void RememberedIds::add(std::string id) {
  const std::uint32_t hash = hash_of(id);
  if (slots_.size() < 2 * (ring_.size() + 1)) grow();
  std::size_t slot = find(id, hash);
  if (slots_[slot].place != 0) return;
  std::size_t place = ring_.size();
  if (place < most_) {
    ring_.push_back(std::move(id));
  } else {
    place = std::exchange(oldest_, (oldest_ + 1) % most_);
    remove(find(ring_[place], hash_of(ring_[place])));
    ring_[place] = std::move(id);
    slot = find(ring_[place], hash);  // what was removed may have made room nearer
  }
  slots_[slot] = {hash, static_cast<std::uint32_t>(place + 1)};
}

bool RememberedIds::contains(std::string_view id) const noexcept {
  return !slots_.empty() && slots_[find(id, hash_of(id))].place != 0;
}

std::vector<std::string> RememberedIds::in_order() const {
  std::vector<std::string> ids = ring_;
  std::rotate(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(oldest_), ids.end());
  return ids;
}

std::size_t RememberedIds::find(std::string_view id, std::uint32_t hash) const noexcept {
  std::size_t at = hash & (slots_.size() - 1);
  while (slots_[at].place != 0 && (slots_[at].hash != hash || ring_[slots_[at].place - 1] != id))
    at = (at + 1) & (slots_.size() - 1);
  return at;
}

// Those behind it that would not be found over a free slot move up.
void RememberedIds::remove(std::size_t slot) noexcept {
  const std::size_t mask = slots_.size() - 1;
  std::size_t free = slot;
  for (std::size_t at = (slot + 1) & mask; slots_[at].place != 0; at = (at + 1) & mask) {
    const std::size_t wanted = slots_[at].hash & mask;
    if (((at - wanted) & mask) < ((at - free) & mask)) continue;
    slots_[free] = slots_[at];
    free = at;
  }
  slots_[free] = Slot();
}

void RememberedIds::grow() {
  const std::vector<Slot> before =
      std::exchange(slots_, std::vector<Slot>(std::max(kFirstSlots, 2 * slots_.size())));
  for (const Slot& slot : before) {
    if (slot.place != 0) slots_[find(ring_[slot.place - 1], slot.hash)] = slot;
  }
}

}  // namespace millrace::tasks
