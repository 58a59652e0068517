// The messages of a ranked queue that are on disk only, in the order in which they are to be fetched: by
// rank; where the queue drops what would be served last, from the end; and by when they expire. Each order is
// an index of sorted runs, and what was fetched by one is passed over by the others when they come by it.
// Thread: the queue's shard; blocks for the files of the sorted runs.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string_view>

#include "base/result.hpp"
#include "broker/queue/rank_index.hpp"
#include "broker/queue/seq_set.hpp"
#include "storage/sorted_runs.hpp"

namespace millrace::broker {

enum class ParkedOrder : std::uint8_t { rank, last, expiry };
inline constexpr std::size_t kParkedOrders = 3;
std::string_view to_string(ParkedOrder order) noexcept;

// Files come with the first 16 384 entries.
using MakeSortedRuns = std::function<std::unique_ptr<storage::SortedRuns>(ParkedOrder order)>;

class Parked {
 public:
  struct Item {
    RankPlace place;  // by expiry: of rank kNoRank, since the index does not know it
    unsigned lane = 0;
    ParkedOrder order = ParkedOrder::rank;  // by which it is fetched
  };
  static constexpr std::int64_t kNoRank = INT64_MAX;

  bool empty() const noexcept { return there_.empty() && coming_.empty(); }
  // After an error (disk_full, io_error) it is not there, and may stay in memory as well. All that is put
  // while something is there must say the same of `keep_last`.
  result<void> put(const MakeSortedRuns& make, const RankPlace& place, unsigned lane, std::int64_t expires_ms,
                   bool keep_last);
  // What the files of an index say could not be read: the order is lost. Nothing is first() any more.
  bool failed() const noexcept { return failed_; }

  // The first of those that nobody has asked for yet.
  std::optional<Item> first(ParkedOrder order);
  std::int64_t next_expiry_ms();  // Entry::kNever: nothing expires
  // Asks for it: it is what first() has just returned. False: failed().
  bool ask(const Item& item);
  // What was asked for is in memory, or lost.
  void came(const Item& item) { coming_.erase(item.place); }
  std::size_t coming() const noexcept { return coming_.size(); }
  // Whether it may be served before all that is here.
  bool is_behind(const RankPlace& place);

  // Everything, to be looked for elsewhere: nothing is here any more.
  SeqSet take_all();
  void add_to(SeqSet& all) const;

 private:
  std::unique_ptr<storage::SortedRuns> indexes_[kParkedOrders];  // made when first used
  SeqSet there_;
  std::set<RankPlace> coming_;  // asked for
  bool failed_ = false;
};

}  // namespace millrace::broker
