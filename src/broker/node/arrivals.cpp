#include "broker/node/arrivals.hpp"

#include <algorithm>
#include <boost/container_hash/hash.hpp>

#include "base/varint.hpp"

namespace millrace::broker {

void put_original(Buffer& out, const Original& original) {
  put_varint(out, original.store);
  put_varint(out, original.seq);
  put_varint(out, original.copies);
}

Original read_original(Reader& in) {
  Original original;
  original.store = in.varint();
  original.seq = in.varint();
  original.copies = static_cast<std::uint32_t>(in.varint());
  return original;
}

std::size_t hash_value(const Arrivals::Name& name) noexcept {
  std::size_t hash = 0;
  boost::hash_combine(hash, name.store);
  boost::hash_combine(hash, name.seq);
  return hash;
}

bool Arrivals::knows(const Original& original, QueueId place) const {
  const auto it = known_.find(Name{original.store, original.seq});
  if (it == known_.end()) return false;
  const auto& places = it->second.places;
  return std::find(places.begin(), places.end(), place) != places.end();
}

void Arrivals::add(const Original& original, std::span<const QueueId> places) {
  Arrival& arrival = known_[Name{original.store, original.seq}];
  arrival.copies = original.copies;
  for (const QueueId place : places) {
    if (std::find(arrival.places.begin(), arrival.places.end(), place) == arrival.places.end()) {
      arrival.places.push_back(place);
    }
  }
}

void Arrivals::for_each(const std::function<void(const Name&, const Arrival&)>& visit) const {
  for (const auto& [name, arrival] : known_) visit(name, arrival);
}

void Arrivals::forget_if(const std::function<bool(const Name&)>& is_done) {
  boost::unordered::erase_if(known_, [&](const auto& item) { return is_done(item.first); });
  if (known_.size() <= kMaxRecovered) return;
  // The latest of each store are the likeliest to be sent on again.
  std::vector<Name> names;
  names.reserve(known_.size());
  for (const auto& [name, arrival] : known_) names.push_back(name);
  const auto kept = names.begin() + static_cast<std::ptrdiff_t>(kMaxRecovered);
  std::nth_element(names.begin(), kept, names.end(),
                   [](const Name& a, const Name& b) { return a.seq > b.seq; });
  for (auto it = kept; it != names.end(); ++it) known_.erase(*it);
}

void Arrivals::put_state(Buffer& out) const {
  put_varint(out, known_.size());
  for (const auto& [name, arrival] : known_) {
    put_original(out, Original{name.store, name.seq, arrival.copies});
    put_varint(out, arrival.places.size());
    for (const QueueId place : arrival.places) put_varint(out, place.value);
  }
}

void Arrivals::read_state(Reader& in) {
  for (std::uint64_t count = in.varint(); count > 0 && !in.failed(); --count) {
    const Original original = read_original(in);
    for (std::uint64_t places = in.varint(); places > 0 && !in.failed(); --places) {
      const QueueId place(in.varint());
      add(original, {&place, 1});
    }
  }
}

}  // namespace millrace::broker
