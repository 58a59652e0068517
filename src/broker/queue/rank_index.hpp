// The ready messages of a ranked queue that are in memory: by rank and then sequence number, by age, and by
// when they expire. Trees, so that no step takes long however many there are: 176 bytes for a message,
// and 64 more for one that expires. Those that a segment holds have a tree of their own, since they alone can
// be parked. Thread: the queue's shard.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "broker/queue/entry.hpp"

namespace millrace::broker {

// The order of service: by rank, and among equals by sequence number.
using RankPlace = std::pair<std::int64_t, std::uint64_t>;

struct RankedMessage {
  Entry entry;
  std::int64_t rank = 0;
};

class RankIndex {
 public:
  bool empty() const noexcept { return by_seq_.empty(); }

  void put(Entry&& entry, std::int64_t rank) {
    const std::uint64_t seq = entry.seq;
    if (entry.expires_ms != Entry::kNever) expiring_.emplace(entry.expires_ms, seq);
    by_seq_.emplace(seq, rank);
    ByRank& tree = entry.stored ? stored_ : unstored_;
    tree.emplace(RankPlace(rank, seq), std::move(entry));
  }

  // There is one, for these and all that take.
  Entry& front() noexcept { return first_tree().begin()->second; }
  const Entry& oldest() const noexcept {
    const auto [seq, rank] = *by_seq_.begin();
    const auto at = unstored_.find({rank, seq});
    return at != unstored_.end() ? at->second : stored_.find({rank, seq})->second;
  }
  const RankPlace& front_place() noexcept { return first_tree().begin()->first; }
  const RankPlace& last_place() noexcept { return std::prev(last_tree().end())->first; }
  RankedMessage take_front() { return take(first_tree(), first_tree().begin()); }
  RankedMessage take_last() { return take(last_tree(), std::prev(last_tree().end())); }
  // The last in a segment that may go, of so many that are looked at.
  template <class Predicate>
  std::optional<RankedMessage> take_last_stored_if(Predicate may_go, std::size_t looks) {
    for (auto it = stored_.end(); it != stored_.begin() && looks > 0; --looks) {
      --it;
      if (may_go(it->second)) return take(stored_, it);
    }
    return std::nullopt;
  }
  RankedMessage take_oldest() { return take(by_seq_.begin()->first); }
  // One whose time is over.
  std::optional<RankedMessage> take_expired(std::int64_t now_ms) {
    if (expiring_.empty() || expiring_.begin()->first > now_ms) return std::nullopt;
    const std::uint64_t seq = expiring_.begin()->second;
    return take(seq);
  }
  std::int64_t next_expiry_ms() const noexcept {
    return expiring_.empty() ? Entry::kNever : expiring_.begin()->first;
  }
  // New times to live.
  template <class ExpiryOf>
  void change_expiry(ExpiryOf expiry_of) {
    expiring_.clear();
    for_each([&](Entry& entry, std::int64_t) {
      entry.expires_ms = expiry_of(entry);
      if (entry.expires_ms != Entry::kNever) expiring_.emplace(entry.expires_ms, entry.seq);
    });
  }
  void clear() noexcept {
    unstored_.clear();
    stored_.clear();
    by_seq_.clear();
    expiring_.clear();
  }
  // Calls visit(entry, rank), in no order.
  template <class Visit>
  void for_each(Visit visit) {
    for (ByRank* const tree : {&unstored_, &stored_}) {
      for (auto& [place, entry] : *tree) visit(entry, place.first);
    }
  }
  // Those that no segment holds. visit(entry) may say of an entry that one does from now on; the address of
  // the entry stays.
  template <class Visit>
  void for_each_unstored(Visit visit) {
    for (auto it = unstored_.begin(); it != unstored_.end();) {
      visit(it->second);
      const auto visited = it++;
      if (visited->second.stored) stored_.insert(unstored_.extract(visited));
    }
  }

 private:
  using ByRank = std::map<RankPlace, Entry>;

  ByRank& first_tree() noexcept {
    if (unstored_.empty() || stored_.empty()) return unstored_.empty() ? stored_ : unstored_;
    return unstored_.begin()->first < stored_.begin()->first ? unstored_ : stored_;
  }
  ByRank& last_tree() noexcept {
    if (unstored_.empty() || stored_.empty()) return unstored_.empty() ? stored_ : unstored_;
    return unstored_.rbegin()->first < stored_.rbegin()->first ? stored_ : unstored_;
  }
  RankedMessage take(std::uint64_t seq) {
    const RankPlace place(by_seq_.at(seq), seq);
    const auto at = unstored_.find(place);
    return at != unstored_.end() ? take(unstored_, at) : take(stored_, stored_.find(place));
  }
  RankedMessage take(ByRank& tree, ByRank::iterator at) {
    RankedMessage taken{std::move(at->second), at->first.first};
    tree.erase(at);
    by_seq_.erase(taken.entry.seq);
    if (taken.entry.expires_ms != Entry::kNever) expiring_.erase({taken.entry.expires_ms, taken.entry.seq});
    return taken;
  }

  ByRank unstored_;  // no segment holds them
  ByRank stored_;
  std::map<std::uint64_t, std::int64_t> by_seq_;  // the rank of each
  std::set<std::pair<std::int64_t, std::uint64_t>> expiring_;
};

}  // namespace millrace::broker
