#include "storage/log_group.hpp"

#include <algorithm>
#include <cstring>

#include "base/assert.hpp"

namespace millrace::storage {
namespace {

constexpr std::size_t kFirstBytes = 64u << 10;
// What the page cache and most disks write at least. A write that ends on such a border need not read what it
// overwrites of a recycled file, and leaves zeros behind the last record.
constexpr std::uint64_t kBlockBytes = 4096;

}  // namespace

void GroupBuffer::grow(std::size_t bytes) {
  capacity_ = std::max({capacity_ * 2, size_ + bytes, kFirstBytes});
  auto memory = std::make_unique_for_overwrite<std::uint8_t[]>(capacity_);
  if (size_ != 0) std::memcpy(memory.get(), memory_.get(), size_);
  memory_ = std::move(memory);
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
  std::uint8_t block[kFileHeaderBlockBytes];
  ByteView parts[3];
  std::size_t count = 0;
  if (piece.opens_file) {
    encode_file_header(piece.header, block);
    parts[count++] = {block, sizeof block};
  }
  parts[count++] = {records.data() + piece.begin, piece.end - piece.begin};
  const std::uint64_t end = piece.offset + (piece.end - piece.begin);
  const std::uint64_t block_end =
      std::min((end + kBlockBytes - 1) / kBlockBytes * kBlockBytes, piece.file->bytes);
  parts[count++] = zeros(block_end - end);
  return piece.file->file->write(piece.opens_file ? 0 : piece.offset, {parts, count});
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
    // Also in the weaker modes: the header holds the epoch, which must never be given out twice.
    if (!sync && !piece.opens_file) continue;
    if (auto synced = piece.file->file->sync_data(); !synced) return synced;
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
