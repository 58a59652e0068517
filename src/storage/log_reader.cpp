#include "storage/log_reader.hpp"

#include <algorithm>
#include <cstring>

#include "storage/log.hpp"

namespace millrace::storage {
namespace {

constexpr std::size_t kPieceBytes = 1u << 20;

constexpr std::uint32_t kGroupPayloadBytes = kCommitGroupBytes - kRecordHeaderBytes;

// A place from `at` on, below `end`, at which the length of a commit group may begin; `end` when there is
// none. Most of what lies behind a log's end are zeros, and all of it is looked through at each start.
std::size_t next_with_length_of_group(const std::uint8_t* bytes, std::size_t at, std::size_t end) {
  static_assert(kGroupPayloadBytes < 256);
  const void* const found = at < end ? std::memchr(bytes + at, kGroupPayloadBytes, end - at) : nullptr;
  return found == nullptr ? end : static_cast<std::size_t>(static_cast<const std::uint8_t*>(found) - bytes);
}

}  // namespace

ByteView LogReader::window(std::uint64_t offset, std::size_t bytes) {
  if (offset >= file_bytes_) return {};
  bytes = static_cast<std::size_t>(std::min<std::uint64_t>(bytes, file_bytes_ - offset));
  const std::uint64_t window_end = window_offset_ + window_bytes_;
  if (offset < window_offset_ || offset + bytes > window_end) {
    const auto wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(std::max(bytes, kPieceBytes), file_bytes_ - offset));
    std::size_t kept = 0;
    std::unique_ptr<std::uint8_t[]> old;
    if (wanted > capacity_) {
      old = std::move(memory_);
      memory_ = std::make_unique_for_overwrite<std::uint8_t[]>(wanted);
      capacity_ = wanted;
    }
    if (offset >= window_offset_ && offset < window_end) {
      kept = static_cast<std::size_t>(window_end - offset);
      std::memmove(memory_.get(), (old ? old : memory_).get() + (offset - window_offset_), kept);
    }
    const auto count = file_.read(offset + kept, {memory_.get() + kept, wanted - kept});
    window_offset_ = offset;
    window_bytes_ = kept;
    if (count.has_error()) {
      failed_ = true;
      error_ = count.error();
      return {};
    }
    window_bytes_ += count.value();
  }
  const auto skipped = static_cast<std::size_t>(offset - window_offset_);
  return {memory_.get() + skipped, window_bytes_ - skipped};
}

LogReader::Outcome LogReader::read(std::uint64_t offset, Record& record, std::uint64_t& bytes) {
  ByteView view = window(offset, kRecordHeaderBytes);
  if (view.size() < kRecordHeaderBytes) return failed_ ? Outcome::io_failed : Outcome::bad;
  const RecordHeader header = load_record_header(view.data());
  if (header.length > Log::kMaxPayloadBytes) return Outcome::bad;
  const std::size_t total = kRecordHeaderBytes + header.length;
  if (view.size() < total) {
    view = window(offset, total);
    if (view.size() < total) return failed_ ? Outcome::io_failed : Outcome::bad;
  }
  if (!record_is_sound(salt_, view.data(), total)) return Outcome::bad;
  record = {header.lsn,   header.epoch,  header.type,
            header.flags, header.entity, view.subspan(kRecordHeaderBytes, header.length)};
  bytes = total;
  return Outcome::sound;
}

result<LogReader::Beyond> LogReader::look_beyond(std::uint64_t offset, Lsn after, std::uint32_t epoch) {
  Beyond found;
  const std::uint64_t lsn_span = file_bytes_ / kRecordHeaderBytes;
  while (true) {
    const ByteView view = window(offset, kCommitGroupBytes);
    if (failed_) return error_;
    if (view.size() < kCommitGroupBytes) return found;
    const std::size_t candidates = view.size() - kCommitGroupBytes + 1;
    std::size_t at = next_with_length_of_group(view.data(), 0, candidates);
    for (; at < candidates; at = next_with_length_of_group(view.data(), at + 1, candidates)) {
      const std::uint8_t* bytes = view.data() + at;
      if (load_le<std::uint32_t>(bytes) == kGroupPayloadBytes &&
          bytes[20] == static_cast<std::uint8_t>(RecordType::commit_group) &&
          load_le<std::uint64_t>(bytes + 12) - after.value - 1 < lsn_span &&
          load_le<std::uint32_t>(bytes + 8) >= epoch && record_is_sound(salt_, bytes, kCommitGroupBytes))
        break;
    }
    offset += at;
    if (at == candidates) continue;

    // A group: what it states, and how far its records reach.
    const std::uint8_t* group = view.data() + at;
    found.stated_durable =
        std::max(found.stated_durable, Lsn(load_le<std::uint64_t>(group + kRecordHeaderBytes)));
    Lsn expected(load_le<std::uint64_t>(group + 12));
    const std::uint32_t group_epoch = load_le<std::uint32_t>(group + 8);
    Record record;
    std::uint64_t bytes = 0;
    while (true) {
      const Outcome outcome = read(offset, record, bytes);
      if (outcome == Outcome::io_failed) return error_;
      if (outcome == Outcome::bad || record.lsn != expected || record.epoch < group_epoch) break;
      if (record.type == RecordType::commit_group && record.payload.size() == 8)
        found.stated_durable =
            std::max(found.stated_durable, Lsn(load_le<std::uint64_t>(record.payload.data())));
      expected = expected.next();
      offset += bytes;
      found.end_offset = offset;
    }
  }
}

}  // namespace millrace::storage
