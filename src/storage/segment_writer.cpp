#include "storage/segment_writer.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/assert.hpp"
#include "storage/whole_file.hpp"

namespace millrace::storage {

std::uint8_t* DirectBuffer::data() {
  if (!memory_) memory_ = runtime::take_direct_memory(kBytes);
  return memory_.get();
}

// A transient segment needs no unfinished name: nobody looks for it after a restart.
SegmentWriter::SegmentWriter(runtime::FileSystem& files, DirectBuffer& buffer, std::string directory,
                             std::string name, SegmentId id, SegmentKind kind, std::vector<SegmentItem> items)
    : files_(files),
      buffer_(buffer),
      directory_(std::move(directory)),
      path_(directory_ + "/" + name),
      work_path_(kind == SegmentKind::durable ? path_ + std::string(kUnfinishedSuffix) : path_),
      id_(id),
      kind_(kind),
      items_(std::move(items)) {}

result<bool> SegmentWriter::step() {
  auto more = advance();
  if (!more && file_) {
    file_.reset();
    (void)files_.remove(work_path_);  // best effort: the next start removes it otherwise
  }
  return more;
}

result<bool> SegmentWriter::advance() {
  if (!file_) {
    if (auto begun = begin(); !begun) return begun.error();
  }
  for (const std::uint64_t before = written_; next_item_ < items_.size(); ++next_item_) {
    if (written_ != before) return true;
    const SegmentItem& item = items_[next_item_];
    std::uint8_t header[kSegmentItemHeaderBytes];
    put_item_header(header, item);
    if (auto done = put(header); !done) return done.error();
    for (const ByteView part : item.parts) {
      if (auto done = put(part); !done) return done.error();
    }
  }
  if (auto finished = finish(); !finished) return finished.error();
  return false;
}

result<void> SegmentWriter::begin() {
  plan_runs();
  auto file = files_.open(work_path_, runtime::OpenMode::create_direct);
  if (!file) return file.error();
  file_ = std::move(*file);
  // A full disk shows here, before anything was written, and the file lies in few pieces.
  if (auto allocated = file_->allocate(file_bytes_); !allocated) return allocated;
  std::uint8_t header[kSegmentHeaderBytes];
  put_segment_header(header, id_);
  return put(header);
}

void SegmentWriter::plan_runs() {
  for (const SegmentItem& item : items_) {
    const std::uint64_t payload = payload_bytes(item);
    MILLRACE_ASSERT(payload <= kMaxItemPayloadBytes, "an item is too large for a segment");
    if (runs_.empty() || runs_.back().entity != item.entity) {
      MILLRACE_ASSERT(runs_.empty() || runs_.back().entity < item.entity, "items must be sorted by entity");
      runs_.push_back(
          {.segment = id_, .entity = item.entity, .offset = index_offset_, .first_seq = item.seq});
    } else {
      MILLRACE_ASSERT(runs_.back().last_seq < item.seq, "items of an entity must be sorted by sequence");
    }
    SegmentRun& run = runs_.back();
    run.bytes += kSegmentItemHeaderBytes + payload;
    run.last_seq = item.seq;
    run.count += 1;
    index_offset_ += kSegmentItemHeaderBytes + payload;
  }
  file_bytes_ = segment_file_bytes(index_offset_, runs_.size());
}

result<void> SegmentWriter::put(ByteView bytes) {
  while (!bytes.empty()) {
    const std::size_t count = std::min(bytes.size(), DirectBuffer::kBytes - filled_);
    std::memcpy(buffer_.data() + filled_, bytes.data(), count);
    filled_ += count;
    bytes = bytes.subspan(count);
    if (filled_ == DirectBuffer::kBytes) {
      if (auto written = write_buffer(); !written) return written;
    }
  }
  return {};
}

result<void> SegmentWriter::write_buffer() {
  if (auto done = file_->write(written_, ByteView{buffer_.data(), filled_}); !done) return done;
  written_ += filled_;
  filled_ = 0;
  return {};
}

result<void> SegmentWriter::finish() {
  const std::vector<std::uint8_t> footer = segment_footer(id_, index_offset_, runs_);
  if (auto done = put(footer); !done) return done;
  if (auto done = write_buffer(); !done) return done;
  MILLRACE_ASSERT(written_ == file_bytes_, "a segment came out at another size than planned");
  if (kind_ == SegmentKind::transient) return {};
  if (auto done = file_->sync_data(); !done) return done;
  if (auto done = files_.rename(work_path_, path_); !done) return done;
  if (auto done = files_.sync_directory(directory_); !done) {
    // The name may or may not survive; the caller is told that nothing was added, so it goes.
    (void)files_.remove(path_);
    return done;
  }
  return {};
}

}  // namespace millrace::storage
