// The file of one sorted run: written once from its lowest entry to its highest, read in blocks, removed with
// its object. docs/format/sorted-run.md has the bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
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

// A file that is whole, or is being written. Removed with the object.
class SortedRunFile {
 public:
  SortedRunFile(runtime::FileSystem& files, std::string path, SortedRunId id, std::uint64_t entries)
      : files_(files), path_(std::move(path)), id_(id), entries_(entries) {}
  ~SortedRunFile();
  SortedRunFile(const SortedRunFile&) = delete;
  SortedRunFile& operator=(const SortedRunFile&) = delete;

  SortedRunId id() const noexcept { return id_; }
  std::uint64_t entries() const noexcept { return entries_; }
  // Entries from number `first` on, at least one and about `count`: reading ends with a block. `first` must
  // be below entries(). Errors: corrupt, io_error.
  result<std::vector<RankedEntry>> read(std::uint64_t first, std::size_t count) const;

 private:
  runtime::FileSystem& files_;
  const std::string path_;
  const SortedRunId id_;
  const std::uint64_t entries_;
};

class SortedRunWriter {
 public:
  // `entries` must be what will be added. The file goes with the writer unless finish() was successful.
  SortedRunWriter(runtime::FileSystem& files, std::string path, SortedRunId id, std::uint64_t entries);

  // Makes the file and reserves its room. Errors: disk_full, io_error.
  result<void> begin();
  // In rising order. After an error the writer is of no more use.
  result<void> add(RankedEntry entry);
  result<std::shared_ptr<const SortedRunFile>> finish();

 private:
  void end_block() noexcept;
  result<void> write_buffer();

  runtime::FileSystem& files_;
  const std::string path_;
  const SortedRunId id_;
  const std::uint64_t entries_;
  std::shared_ptr<const SortedRunFile> run_;  // from begin() to finish()
  std::unique_ptr<runtime::File> file_;
  Buffer buffer_;             // blocks not written yet; the last one is open while in_block_ is not 0
  std::size_t in_block_ = 0;  // entries
  std::uint64_t added_ = 0;
  std::uint64_t written_ = 0;  // bytes
};

}  // namespace millrace::storage
