#include "broker/queue/parked.hpp"

namespace millrace::broker {

std::string_view to_string(ParkedOrder order) noexcept {
  switch (order) {
    case ParkedOrder::rank:
      return "rank";
    case ParkedOrder::last:
      return "last";
    case ParkedOrder::expiry:
      return "expiry";
  }
  return "rank";
}

namespace {

// The lowest bits of a position; those above are the sequence number, so that equals come in its order.
constexpr unsigned kLaneBits = 8;

std::uint64_t position_of(std::uint64_t seq, unsigned lane) noexcept {
  return seq << kLaneBits | lane;
}

// From the end: the highest rank is the lowest, and of equals the latest. No rank is INT64_MIN.
storage::RankedEntry reversed(storage::RankedEntry entry) noexcept {
  return {-entry.rank, ~entry.position};
}

}  // namespace

result<void> Parked::put(const MakeSortedRuns& make, const RankPlace& place, unsigned lane,
                         std::int64_t expires_ms, bool keep_last) {
  const auto insert = [&](ParkedOrder order, storage::RankedEntry entry) {
    auto& index = indexes_[static_cast<std::size_t>(order)];
    if (!index) index = make(order);
    return index->insert(entry);
  };
  const auto [rank, seq] = place;
  const storage::RankedEntry entry{rank, position_of(seq, lane)};
  if (auto done = insert(ParkedOrder::rank, entry); !done) return done;
  if (keep_last) {
    if (auto done = insert(ParkedOrder::last, reversed(entry)); !done) return done;
  }
  if (expires_ms != Entry::kNever) {
    if (auto done = insert(ParkedOrder::expiry, {expires_ms, entry.position}); !done) return done;
  }
  there_.insert(seq);
  return {};
}

std::optional<Parked::Item> Parked::first(ParkedOrder order) {
  storage::SortedRuns* const index = indexes_[static_cast<std::size_t>(order)].get();
  if (index == nullptr || failed_) return std::nullopt;
  for (auto lowest = index->lowest(); lowest; lowest = index->lowest()) {
    const storage::RankedEntry entry = order == ParkedOrder::last ? reversed(*lowest) : *lowest;
    const std::uint64_t seq = entry.position >> kLaneBits;
    if (there_.contains(seq)) {
      const std::int64_t rank = order == ParkedOrder::expiry ? kNoRank : entry.rank;
      return Item{{rank, seq}, static_cast<unsigned>(entry.position & ((1u << kLaneBits) - 1)), order};
    }
    // It was fetched by another order.
    if (index->pop().has_error()) {
      failed_ = true;
      break;
    }
  }
  return std::nullopt;
}

std::int64_t Parked::next_expiry_ms() {
  if (!first(ParkedOrder::expiry)) return Entry::kNever;
  return indexes_[static_cast<std::size_t>(ParkedOrder::expiry)]->lowest()->rank;
}

bool Parked::ask(const Item& item) {
  failed_ = indexes_[static_cast<std::size_t>(item.order)]->pop().has_error();
  if (failed_) return false;
  there_.erase(item.place.second);
  coming_.insert(item.place);
  return true;
}

bool Parked::is_behind(const RankPlace& place) {
  if (empty()) return true;
  if (!coming_.empty() && !(place < *coming_.begin())) return false;
  if (there_.empty()) return true;
  const auto next = first(ParkedOrder::rank);
  return next && place < next->place;
}

void Parked::add_to(SeqSet& all) const {
  all.insert(there_);
  for (const RankPlace& place : coming_) all.insert(place.second);
}

SeqSet Parked::take_all() {
  SeqSet all;
  add_to(all);
  *this = Parked();
  return all;
}

}  // namespace millrace::broker
