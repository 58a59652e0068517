// A commit group: the records that one write and one sync make durable together.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "runtime/clock.hpp"
#include "runtime/direct_memory.hpp"
#include "runtime/file_system.hpp"
#include "storage/log_file.hpp"

namespace millrace::storage {

// Records back to back, at addresses that direct I/O can write them from: with as many bytes in front of them
// as are in use of the file's block that they begin in. Grows by doubling; shrink() gives back what a burst
// has left.
class GroupBuffer {
 public:
  static constexpr std::size_t kKeptBytes = 1u << 20;

  // The first byte will be for that place in the file. Only when empty.
  void begin_at(std::uint64_t offset) noexcept;
  bool lies_as(std::size_t begin, std::uint64_t offset) const noexcept {
    return (front_ + begin) % kBlockBytes == offset % kBlockBytes;
  }

  std::uint8_t* extend(std::size_t bytes) {
    if (capacity_ < front_ + size_ + bytes) grow(bytes);
    std::uint8_t* const at = data() + size_;
    size_ += bytes;
    return at;
  }
  // Up to kBlockBytes - 1 bytes in front of it, from begin_at's block on, may be written to as well.
  std::uint8_t* data() noexcept { return memory_.get() + front_; }
  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  void clear() noexcept { size_ = 0; }
  void shrink() noexcept;  // only when empty

 private:
  void grow(std::size_t bytes);

  runtime::DirectMemory memory_;
  std::size_t front_ = 0;  // of the first block, before the first record
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

// The disk's part of a commit: what to write where, decided on the shard's thread, done on the disk thread
// (or inline). Between the two the other thread leaves it alone.
struct GroupWrite {
  // A group that does not fit into the current file goes on in the next.
  struct Piece {
    std::shared_ptr<LogFile> file;
    LogFileHeader header;     // as it is after this piece
    bool opens_file = false;  // the header is written with it
    std::uint64_t offset = 0;
    std::size_t begin = 0;  // in the buffer
    std::size_t end = 0;
  };

  GroupBuffer records;
  std::vector<Piece> pieces;
  std::vector<std::shared_ptr<LogFile>> written_before;  // unsynced since earlier groups; with `sync` only
  bool sync = false;

  // What came of it.
  std::size_t pieces_done = 0;
  bool no_room = false;  // the next piece's file could not be made on a full disk: run() again later
  result<void> outcome;
  runtime::Nanoseconds took{};

  // Each piece is written and, with `sync` or when it opens a file, synced before the next.
  void run(runtime::FileSystem& files, const runtime::Clock& clock, const std::string& directory);

 private:
  result<void> do_pieces(runtime::FileSystem& files, const std::string& directory);
  result<void> write_piece(const Piece& piece);
  result<void> write_blocks(const Piece& piece, std::uint8_t* from, std::size_t bytes);
};

}  // namespace millrace::storage
