// Writes one segment file, step by step. Used by the disk thread, one step for each turn it is given, so that
// other disk work gets in between.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "runtime/direct_memory.hpp"
#include "runtime/file_system.hpp"
#include "storage/segment_format.hpp"
#include "storage/segments.hpp"

namespace millrace::storage {

// Memory that direct I/O may use. Made once, and used for all segments of a shard: fresh pages are slow to
// get.
class DirectBuffer {
 public:
  static constexpr std::size_t kBytes = 1u << 20;
  // The memory is taken at the first call.
  std::uint8_t* data();

 private:
  runtime::DirectMemory memory_;
};

class SegmentWriter {
 public:
  SegmentWriter(runtime::FileSystem& files, DirectBuffer& buffer, std::string directory, std::string name,
                SegmentId id, SegmentKind kind, std::vector<SegmentItem> items);
  SegmentWriter(const SegmentWriter&) = delete;
  SegmentWriter& operator=(const SegmentWriter&) = delete;

  // Writes 1 MiB (more when a single item is larger), or finishes the file. True: there is more to do. After
  // an error the file is gone and step() must not be called again.
  result<bool> step();

  // After the last step.
  std::vector<SegmentRun> take_runs() noexcept { return std::move(runs_); }
  std::uint64_t file_bytes() const noexcept { return file_bytes_; }

 private:
  result<bool> advance();
  result<void> begin();
  void plan_runs();
  result<void> put(ByteView bytes);
  result<void> write_buffer();
  result<void> finish();

  runtime::FileSystem& files_;
  DirectBuffer& buffer_;
  const std::string directory_;
  const std::string path_;       // once whole
  const std::string work_path_;  // until then
  const SegmentId id_;
  const SegmentKind kind_;
  const std::vector<SegmentItem> items_;

  std::vector<SegmentRun> runs_;
  std::uint64_t index_offset_ = kSegmentHeaderBytes;  // where the items end
  std::uint64_t file_bytes_ = 0;
  std::unique_ptr<runtime::File> file_;
  std::size_t next_item_ = 0;
  std::size_t filled_ = 0;     // of the buffer
  std::uint64_t written_ = 0;  // of the file
};

}  // namespace millrace::storage
