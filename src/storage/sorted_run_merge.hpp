// Merges sorted runs into one, a step at a time, while entries go on being taken from the front of them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "runtime/file_system.hpp"
#include "storage/sorted_run_file.hpp"

namespace millrace::storage {

class SortedRunMerge {
 public:
  struct Input {
    std::shared_ptr<const SortedRunFile> file;
    std::uint64_t first = 0;  // entries before this one are not wanted
  };

  // Reads `head_entries` of an input at a time.
  SortedRunMerge(runtime::FileSystem& files, std::vector<Input> inputs, std::string path, SortedRunId id,
                 std::size_t head_entries);

  // Moves up to `entries` to the output, and returns it when it is whole, else nullptr. After an error the
  // merge is of no more use. Errors: disk_full, io_error, corrupt.
  result<std::shared_ptr<const SortedRunFile>> step(std::uint64_t entries);

  bool reads(SortedRunId id) const noexcept;
  std::uint64_t entries() const noexcept { return entries_; }  // of the output

 private:
  struct Cursor {
    Input input;  // input.first: the next entry to be read from the file
    std::vector<RankedEntry> head;
    std::size_t at = 0;

    bool at_end() const noexcept { return at == head.size() && input.first == input.file->entries(); }
  };
  result<void> fill(Cursor& cursor);

  std::vector<Cursor> cursors_;
  const std::uint64_t entries_;
  SortedRunWriter writer_;
  const std::size_t head_entries_;
  std::uint64_t left_;
  bool begun_ = false;
};

}  // namespace millrace::storage
