// An index of (rank, position) pairs kept in rank order, most of it on disk: for delayed messages (rank = due
// time), and for queues that serve by rank. A memtable takes new entries; when full it becomes a sorted run
// file; runs are merged when there are many; only the head of each run is in memory. Entries of equal rank
// come out in order of position.
//
// Rebuilt from what the log and the checkpoint say at start-up (insert() in any order), so its files need no
// sync and are removed at open. Thread: the shard's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "runtime/file_system.hpp"

namespace millrace::storage {

struct RankedEntry {
  std::int64_t rank = 0;
  std::uint64_t position = 0;
  friend auto operator<=>(const RankedEntry&, const RankedEntry&) = default;
};

class SortedRuns {
 public:
  struct Options {
    std::string directory;                 // created; the index owns all files in it
    std::size_t memtable_entries = 65536;  // bound of what is in memory unsorted
    std::size_t max_runs = 8;              // merged into one when exceeded
    std::size_t head_entries = 512;        // of each run, kept in memory
  };
  static result<std::unique_ptr<SortedRuns>> open(runtime::FileSystem& files, Options options);
  virtual ~SortedRuns() = default;

  virtual result<void> insert(RankedEntry entry) = 0;
  // The lowest entry, or none.
  virtual std::optional<RankedEntry> lowest() const = 0;
  // Removes the lowest entry.
  virtual result<void> pop() = 0;
  virtual std::uint64_t size() const noexcept = 0;
  virtual result<void> clear() = 0;
};

}  // namespace millrace::storage
