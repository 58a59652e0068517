#include "client/tasks/remembered_ids.hpp"

#include <algorithm>
#include <utility>

namespace millrace::tasks {

void RememberedIds::add(std::string id, std::size_t hash) {
  if (contains({id, hash})) return;
  auto place = static_cast<Place>(ring_.size());
  if (ring_.size() < most_) {
    ring_.push_back({std::move(id), hash});
  } else {
    place = static_cast<Place>(std::exchange(oldest_, (oldest_ + 1) % most_));
    places_.erase(place);
    ring_[place] = {std::move(id), hash};
  }
  places_.insert(place);
}

std::vector<std::string> RememberedIds::in_order() const {
  std::vector<std::string> ids;
  ids.reserve(ring_.size());
  for (const Remembered& one : ring_) ids.push_back(one.id);
  std::rotate(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(oldest_), ids.end());
  return ids;
}

}  // namespace millrace::tasks
