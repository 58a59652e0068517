// Segments: where messages go that outlive their log file, and where a backlog lives.
//
// A segment file holds items sorted by entity (queue or partition) and sequence number, and in its footer an
// index: one run for each entity. Items are read back in large sequential pieces; nothing is kept in memory
// for an item. A segment is written whole by the disk thread, bypassing the page cache, and is immutable.
// docs/format/segment.md has the bytes.
//
// Thread: the shard's; completions come on it too.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/buffer.hpp"
#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/strong.hpp"
#include "base/task.hpp"
#include "runtime/shard_runtime.hpp"

namespace millrace::storage {

using SegmentId = Strong<struct SegmentTag>;

// The items of one entity in one segment, in rising sequence.
struct SegmentRun {
  SegmentId segment;
  std::uint64_t entity = 0;
  std::uint64_t offset = 0;  // of the first item in the file
  std::uint64_t bytes = 0;   // of all items
  std::uint64_t first_seq = 0;
  std::uint64_t last_seq = 0;
  std::uint64_t count = 0;

  friend bool operator==(const SegmentRun&, const SegmentRun&) = default;
};

// What is to be written. `parts` must stay valid until the completion; `meta` is the caller's (stored as
// given).
struct SegmentItem {
  std::uint64_t entity = 0;
  std::uint64_t seq = 0;
  std::uint64_t meta = 0;
  ByteView parts[3];  // written one after the other
};

// One item of a piece that was read: see next_item().
struct StoredItem {
  std::uint64_t seq = 0;
  std::uint64_t meta = 0;
  ByteView payload;
};

inline constexpr std::size_t kSegmentItemHeaderBytes =
    24;  // payload length u32, crc32c u32, seq u64, meta u64
// A longer payload is never written; a length above this is corrupt, so that a reader need not go and look
// for it.
inline constexpr std::uint32_t kMaxItemPayloadBytes = 640u << 20;

enum class ItemStatus : std::uint8_t { item, need_more, corrupt };
// Takes the next item off the front of `bytes` (checked against its crc). need_more: `bytes` ends inside an
// item.
ItemStatus next_item(ByteView& bytes, StoredItem& item) noexcept;
// How many bytes the item at the front of `bytes` takes in all, or 0 when even its length is not there yet.
// Not checked against anything: next_item() is what finds a corrupt length.
std::uint64_t item_bytes(ByteView bytes) noexcept;

enum class SegmentKind : std::uint8_t {
  durable,    // synced before the completion, found again after a restart
  transient,  // never synced, removed by the next start
};

class Segments {
 public:
  // A piece is at most this large; an item larger than a piece is read by asking for more bytes.
  static constexpr std::size_t kReadPieceBytes = 256u << 10;
  // And of who reads on and on: each read has a cost of its own, some 40 µs of CPU.
  static constexpr std::size_t kReadOnPieceBytes = 1u << 20;

  using WriteDone = UniqueFunction<void(result<std::vector<SegmentRun>>)>;
  using ReadDone = UniqueFunction<void(result<Buffer>)>;

  // Owns the files segment-* and transient-* in the directory, which must exist. Opening removes transient
  // ones and half-written ones. Completions still outstanding when the object is destroyed are destroyed
  // without being called.
  static result<std::unique_ptr<Segments>> open(runtime::ShardRuntime runtime, std::string directory);
  virtual ~Segments() = default;

  // `items` sorted by (entity, seq), no two the same. `keep_alive` owns what the items' parts point to and is
  // destroyed on the shard's thread after the write. Completes with one run for each entity, in order. On an
  // error (disk_full, io_error) nothing was added. Writes are done one after the other, in steps of 1 MiB, so
  // that the log's commits get in between.
  virtual void write(SegmentKind kind, std::vector<SegmentItem> items, Task keep_alive, WriteDone done) = 0;

  // Reads `bytes` at `offset` within the run's file (offset counted in the file, so run.offset is the first
  // item); fewer when the file ends first. Errors: not_found (unknown or removed), io_error.
  virtual void read(SegmentId segment, std::uint64_t offset, std::size_t bytes, ReadDone done) = 0;
  // The same, at once, on the calling thread: for start-up and for tests.
  virtual result<Buffer> read_now(SegmentId segment, std::uint64_t offset, std::size_t bytes) = 0;

  // The runs of a segment, from its footer. For recovery and for `millrace repair`.
  virtual result<std::vector<SegmentRun>> runs(SegmentId segment) = 0;
  // Durable segments present, in rising order.
  virtual std::vector<SegmentId> list() const = 0;
  // Deletes the file, in the background, after the reads that were asked for before. For one that no queue
  // and no checkpoint names any more.
  virtual void remove(SegmentId segment) = 0;
  // What it is called in the directory.
  static std::string file_name(SegmentKind kind, SegmentId segment);
  virtual std::uint64_t bytes_on_disk() const noexcept = 0;
};

}  // namespace millrace::storage
