// The ready messages of a ranked queue that are in memory: by rank and then sequence number, by age, and by
// when they expire. Trees, so that no step takes long however many there are: 176 bytes for a message,
// and 64 more for one that expires. Thread: the queue's shard.
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
  bool empty() const noexcept { return by_rank_.empty(); }
  std::size_t size() const noexcept { return by_rank_.size(); }

  void put(Entry&& entry, std::int64_t rank) {
    const std::uint64_t seq = entry.seq;
    if (entry.expires_ms != Entry::kNever) expiring_.emplace(entry.expires_ms, seq);
    by_seq_.emplace(seq, rank);
    by_rank_.emplace(RankPlace(rank, seq), std::move(entry));
  }

  // There is one, for these and all that take.
  Entry& front() noexcept { return by_rank_.begin()->second; }
  const Entry& oldest() const noexcept {
    const auto [seq, rank] = *by_seq_.begin();
    return by_rank_.find(RankPlace(rank, seq))->second;
  }
  RankedMessage take_front() { return take(by_rank_.begin()); }
  const RankPlace& front_place() const noexcept { return by_rank_.begin()->first; }
  const RankPlace& last_place() const noexcept { return std::prev(by_rank_.end())->first; }
  RankedMessage take_last() { return take(std::prev(by_rank_.end())); }
  // The last that may go, of so many that are looked at.
  template <class Predicate>
  std::optional<RankedMessage> take_last_if(Predicate may_go, std::size_t looks) {
    for (auto it = by_rank_.end(); it != by_rank_.begin() && looks > 0; --looks) {
      --it;
      if (may_go(it->second)) return take(it);
    }
    return std::nullopt;
  }
  RankedMessage take_oldest() {
    const auto [seq, rank] = *by_seq_.begin();
    return take(by_rank_.find(RankPlace(rank, seq)));
  }
  // One whose time is over.
  std::optional<RankedMessage> take_expired(std::int64_t now_ms) {
    if (expiring_.empty() || expiring_.begin()->first > now_ms) return std::nullopt;
    const std::uint64_t seq = expiring_.begin()->second;
    return take(by_rank_.find(RankPlace(by_seq_.at(seq), seq)));
  }
  std::int64_t next_expiry_ms() const noexcept {
    return expiring_.empty() ? Entry::kNever : expiring_.begin()->first;
  }
  // New times to live.
  template <class ExpiryOf>
  void change_expiry(ExpiryOf expiry_of) {
    expiring_.clear();
    for (auto& [place, entry] : by_rank_) {
      entry.expires_ms = expiry_of(entry);
      if (entry.expires_ms != Entry::kNever) expiring_.emplace(entry.expires_ms, entry.seq);
    }
  }
  void clear() noexcept {
    by_rank_.clear();
    by_seq_.clear();
    expiring_.clear();
  }
  // Calls visit(entry, rank), by rank.
  template <class Visit>
  void for_each(Visit visit) {
    for (auto& [place, entry] : by_rank_) visit(entry, place.first);
  }

 private:
  using ByRank = std::map<RankPlace, Entry>;

  RankedMessage take(ByRank::iterator at) {
    RankedMessage taken{std::move(at->second), at->first.first};
    by_rank_.erase(at);
    by_seq_.erase(taken.entry.seq);
    if (taken.entry.expires_ms != Entry::kNever) expiring_.erase({taken.entry.expires_ms, taken.entry.seq});
    return taken;
  }

  ByRank by_rank_;
  std::map<std::uint64_t, std::int64_t> by_seq_;
  std::set<std::pair<std::int64_t, std::uint64_t>> expiring_;
};

}  // namespace millrace::broker
