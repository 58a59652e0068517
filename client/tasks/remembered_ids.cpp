#include "client/tasks/remembered_ids.hpp"

#include <algorithm>
#include <utility>

namespace millrace::tasks {

void RememberedIds::add(const HashedText& id) {
  if (contains(id)) return;
  auto place = static_cast<Place>(ring_.size());
  if (ring_.size() < most_) {
    ring_.emplace_back(id);
  } else {
    place = static_cast<Place>(std::exchange(oldest_, (oldest_ + 1) % most_));
    places_.erase(place);
    ring_[place].become(id);
  }
  places_.insert(place);
}

std::vector<std::string> RememberedIds::in_order() const {
  std::vector<std::string> ids;
  ids.reserve(ring_.size());
  for (const Remembered& one : ring_) ids.emplace_back(one.id.view());
  std::rotate(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(oldest_), ids.end());
  return ids;
}

}  // namespace millrace::tasks
