// The file of one sorted run: written once from its lowest entry to its highest, read in blocks.
// docs/format/sorted-run.md has the bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/buffer.hpp"
#include "base/result.hpp"
#include "base/strong.hpp"
#include "runtime/file_system.hpp"
#include "storage/sorted_runs.hpp"

namespace millrace::storage {

using SortedRunId = Strong<struct SortedRunTag>;

inline constexpr std::uint32_t kSortedRunVersion = 1;
inline constexpr std::size_t kRunBlockBytes = 4096;
inline constexpr std::size_t kRunBlockEntries = 255;

// Which file, and how many entries it has.
struct SortedRunFile {
  std::string path;
  SortedRunId id;
  std::uint64_t entries = 0;
};

class SortedRunWriter {
 public:
  // `file.entries` must be what will be added.
  SortedRunWriter(runtime::FileSystem& files, SortedRunFile file);
  // Removes the file unless finish() was successful.
  ~SortedRunWriter();
  SortedRunWriter(const SortedRunWriter&) = delete;
  SortedRunWriter& operator=(const SortedRunWriter&) = delete;

  // Makes the file and reserves its room. Errors: disk_full, io_error.
  result<void> begin();
  // In rising order. After an error the writer is of no more use.
  result<void> add(RankedEntry entry);
  result<void> finish();

  const SortedRunFile& file() const noexcept { return description_; }

 private:
  void end_block() noexcept;
  result<void> write_buffer();

  runtime::FileSystem& files_;
  const SortedRunFile description_;
  std::unique_ptr<runtime::File> file_;
  Buffer buffer_;             // blocks not written yet; the last one is open while in_block_ is not 0
  std::size_t in_block_ = 0;  // entries
  std::uint64_t added_ = 0;
  std::uint64_t written_ = 0;  // bytes
  bool finished_ = false;
};

// Errors: corrupt (absent, of another run, or cut), precondition_failed (a newer format), io_error.
result<void> check_sorted_run(runtime::FileSystem& files, const SortedRunFile& file);

// Entries from number `first` on, at least one and about `count`: reading ends with a block. `first` must be
// below file.entries. Errors: corrupt, io_error.
result<std::vector<RankedEntry>> read_sorted_run(runtime::FileSystem& files, const SortedRunFile& file,
                                                 std::uint64_t first, std::size_t count);

}  // namespace millrace::storage
