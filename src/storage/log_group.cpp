#include "storage/log_group.hpp"

#include <algorithm>
#include <cstring>

#include "base/assert.hpp"

namespace millrace::storage {
namespace {

constexpr std::size_t kFirstBytes = 64u << 10;

}  // namespace

void GroupBuffer::begin_at(std::uint64_t offset) noexcept {
  MILLRACE_ASSERT(empty(), "a group is being gathered");
  front_ = offset % kBlockBytes;
}

void GroupBuffer::grow(std::size_t bytes) {
  const std::size_t wanted = std::max({capacity_ * 2, front_ + size_ + bytes, kFirstBytes});
  const std::size_t capacity = (wanted + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
  runtime::DirectMemory memory = runtime::take_direct_memory(capacity);
  if (size_ != 0) std::memcpy(memory.get() + front_, data(), size_);
  memory_ = std::move(memory);
  capacity_ = capacity;
}

void GroupBuffer::shrink() noexcept {
  MILLRACE_ASSERT(empty(), "a group is being gathered");
  if (capacity_ <= kKeptBytes) return;
  memory_.reset();
  capacity_ = 0;
}

result<void> GroupWrite::write_piece(const Piece& piece) {
  for (std::uint8_t* at = records.data() + piece.begin; at != records.data() + piece.end;) {
    const std::size_t bytes = kRecordHeaderBytes + load_le<std::uint32_t>(at);
    seal_record(piece.header.salt, at, bytes);
    at += bytes;
  }
  const std::size_t bytes = piece.end - piece.begin;
  if (records.lies_as(piece.begin, piece.offset)) {
    return write_blocks(piece, records.data() + piece.begin, bytes);
  }
  // It begins a file, which nobody knew when it was gathered.
  GroupBuffer moved;
  moved.begin_at(piece.offset);
  std::memcpy(moved.extend(bytes), records.data() + piece.begin, bytes);
  return write_blocks(piece, moved.data(), bytes);
}

// Whole blocks from where they lie, but the last one from LogFile::last_block, where it stays for the piece
// that follows in it. Zeros behind the last record. Durable where that is wanted.
result<void> GroupWrite::write_blocks(const Piece& piece, std::uint8_t* from, std::size_t bytes) {
  LogFile& file = *piece.file;
  alignas(kBlockBytes) std::uint8_t header[kFileHeaderBlockBytes];
  ByteView parts[3];
  std::size_t count = 0;
  if (piece.opens_file) {
    encode_file_header(piece.header, header);
    parts[count++] = {header, sizeof header};
  }
  std::size_t in_front = piece.offset % kBlockBytes;
  const std::size_t whole = (in_front + bytes) / kBlockBytes * kBlockBytes;
  const std::uint8_t* const end = from + bytes;
  if (whole != 0) {
    std::uint8_t* const first_block = from - in_front;
    std::memcpy(first_block, file.last_block.data(), in_front);
    parts[count++] = {first_block, whole};
    from = first_block + whole;
    in_front = 0;
  }
  const std::size_t last = static_cast<std::size_t>(end - from);
  std::memcpy(file.last_block.data() + in_front, from, last);
  std::fill(file.last_block.begin() + in_front + last, file.last_block.end(), std::uint8_t{0});
  if (in_front + last != 0) parts[count++] = {file.last_block.data(), kBlockBytes};
  const std::uint64_t block_begin = piece.offset / kBlockBytes * kBlockBytes;
  const std::uint64_t begin = piece.opens_file ? 0 : block_begin;
  if (file.direct) return file.blocks->write_durably(begin, {parts, count});
  if (auto written = file.file->write(begin, {parts, count}); !written) return written;
  // Also in the weaker modes: the header holds the epoch, which must never be given out twice. The whole
  // file, since there earlier groups may have left records in it unsynced.
  if (!sync && !piece.opens_file) return {};
  return file.file->sync_data();
}

result<void> GroupWrite::do_pieces(runtime::FileSystem& files, const std::string& directory) {
  for (const auto& file : written_before) {
    if (auto synced = file->file->sync_data(); !synced) return synced;
  }
  for (; pieces_done < pieces.size(); ++pieces_done) {
    const Piece& piece = pieces[pieces_done];
    if (piece.file->file == nullptr) {
      if (auto made = make_log_file(files, directory, *piece.file); !made) {
        no_room = made.error().code == Errc::disk_full;
        return made;
      }
    }
    if (auto written = write_piece(piece); !written) return written;
  }
  return {};
}

void GroupWrite::run(runtime::FileSystem& files, const runtime::Clock& clock, const std::string& directory) {
  const runtime::Nanoseconds begin = clock.steady();
  no_room = false;
  outcome = do_pieces(files, directory);
  took = clock.steady() - begin;
}

}  // namespace millrace::storage
