// An index of (rank, position) pairs kept in rank order, most of it on disk: for delayed messages (rank = due
// time), and for queues that serve by rank. Entries of equal rank come out in order of position.
//
// New entries gather in memory. When there are many they become a sorted run, a file; when a level has many
// runs they are merged, a little with each insert(), into one run of the next level. Of each run only the
// head is in memory: memtable_entries of 16 bytes, and 8 KiB for each of at most about max_runs_per_level
// runs a level, of which 100 million entries need five.
//
// Durable: what a snapshot says, once it was synced and the checkpoint that holds it was too. Without
// snapshots the files are scratch space, and the caller inserts everything again at start-up. Blocking;
// thread: the shard's, but for sync_snapshot(). docs/format/sorted-run.md has the bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/buffer.hpp"
#include "base/bytes.hpp"
#include "base/result.hpp"
#include "runtime/file_system.hpp"

namespace millrace::storage {

struct RankedEntry {
  std::int64_t rank = 0;
  std::uint64_t position = 0;
  friend auto operator<=>(const RankedEntry&, const RankedEntry&) = default;
};

// The index as it was at one moment.
struct SortedRunsSnapshot {
  std::uint64_t number = 0;
  Buffer state;                    // for the checkpoint: at most 17 KiB, and up to 32 bytes a run
  std::vector<std::string> files;  // that it names and that are not known to be synced
  std::string directory;
};

// Makes the files of a snapshot survive a power cut. On the disk thread, before the checkpoint is written.
// After an error the checkpoint must not hold the snapshot.
result<void> sync_snapshot(runtime::FileSystem& files, const SortedRunsSnapshot& snapshot);

class SortedRuns {
 public:
  struct Options {
    std::string directory;                 // created; the index owns the files run-* in it
    std::size_t memtable_entries = 16384;  // kept in memory unsorted
    std::size_t max_runs_per_level = 8;    // merged into one of the next level when reached
    std::size_t head_entries = 512;        // of each run, kept in memory; at least 255
  };
  // Starts as the snapshot's state says, which is empty when the view is; files that it does not name are
  // removed. What was removed from the index after the snapshot is there again. Errors: io_error, disk_full,
  // corrupt (a file is missing or damaged, or the state is), precondition_failed (a newer format).
  static result<std::unique_ptr<SortedRuns>> open(runtime::FileSystem& files, Options options,
                                                  ByteView state = {});
  virtual ~SortedRuns() = default;

  // After an error (disk_full, io_error, corrupt) the entry is not in the index; all others are.
  virtual result<void> insert(RankedEntry entry) = 0;
  // The lowest entry, or none. To serve what is due: while lowest() has a rank that is not above the time,
  // pop().
  virtual std::optional<RankedEntry> lowest() const = 0;
  // Removes the lowest entry. After an error (io_error, corrupt) it is still there.
  virtual result<void> pop() = 0;
  virtual std::uint64_t size() const noexcept = 0;
  virtual std::size_t runs() const noexcept = 0;  // files in use
  virtual void clear() = 0;

  // May write the entries that are in memory to a run first; after an error (disk_full, io_error) there is no
  // snapshot and nothing has changed. The files it names stay until a later one is durable.
  virtual result<SortedRunsSnapshot> snapshot() = 0;
  // The checkpoint that holds the snapshot of this number is durable: files that only older ones need are
  // removed.
  virtual void snapshot_durable(std::uint64_t number) = 0;
};

}  // namespace millrace::storage
