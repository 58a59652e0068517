// An index of (rank, position) pairs in rank order, most of it on disk: the ranks of those messages of a
// ranked queue that lie on disk only. Entries of equal rank come out in order of position; equal entries are
// allowed, and each comes out as often as it went in.
//
// New entries gather in memory. When there are many they become a sorted run, a file; when a level has many
// runs they are merged, a little with each insert(), into one run of the next level. Of each run only the
// head is in memory: memtable_entries of 16 bytes, and 8 KiB for each of at most about max_runs_per_level
// runs a level, of which 100 million entries need five. A merge holds as much again for each run it reads,
// and 64 KiB to be written.
//
// Scratch: nothing is ever synced, and a file outlives the index only when the process dies or the removal
// fails. The caller ranks everything again at start-up, after remove_sorted_runs(). Thread: the shard's;
// blocking, through the page cache: a flush writes 256 KiB; the step of a merge that comes with each 255
// inserts reads and writes 32 KiB; a pop() that ends a head reads 8 KiB. docs/format/sorted-run.md has the
// bytes.
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
    std::string directory;  // exists by the time of the first flush
    std::string prefix;     // of its files' names; no other index of the directory has one that begins so
    std::size_t memtable_entries = 16384;  // kept in memory unsorted
    std::size_t max_runs_per_level = 8;    // merged into one of the next level when reached
    std::size_t head_entries = 512;        // of each run, kept in memory; at least 255
  };
  // No I/O: files come with the first flush.
  static std::unique_ptr<SortedRuns> make(runtime::FileSystem& files, Options options);
  virtual ~SortedRuns() = default;  // removes its files

  // After an error (disk_full, io_error, corrupt) the entry is not in the index; all others are.
  virtual result<void> insert(RankedEntry entry) = 0;
  // The lowest entry, or none.
  virtual std::optional<RankedEntry> lowest() const = 0;
  // Removes the lowest entry. After an error (io_error, corrupt) it is still there.
  virtual result<void> pop() = 0;
  virtual std::uint64_t size() const noexcept = 0;
  virtual std::size_t runs() const noexcept = 0;  // that entries are left in
  virtual void clear() = 0;                       // removes its files
};

// What an earlier process left in the directory goes; fine when there is no such directory. Errors: io_error.
result<void> remove_sorted_runs(runtime::FileSystem& files, const std::string& directory);

}  // namespace millrace::storage
