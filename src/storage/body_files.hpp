// Bodies too large for a log record: each in a file of its own that its record names, written and synced
// before the record is appended. docs/format/body-file.md has the bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/buffer.hpp"
#include "base/result.hpp"
#include "base/strong.hpp"
#include "base/task.hpp"
#include "runtime/shard_runtime.hpp"

namespace millrace::storage {

using BodyFileId = Strong<struct BodyFileTag>;

// Thread: the shard's.
class BodyFiles {
 public:
  // Owns the files body-* in the directory, which must exist. Opening removes half-written ones.
  static result<std::unique_ptr<BodyFiles>> open(runtime::ShardRuntime runtime, std::string directory);
  virtual ~BodyFiles() = default;

  // Writes the whole body to a new file and syncs it and its name. `keep_alive` owns the bytes and is
  // destroyed on the shard's thread afterwards. Done in steps of 1 MiB, so that the log's commits get in
  // between. Completes with disk_full or io_error when nothing was added; not at all when this object is
  // destroyed first.
  virtual void write(ByteView body, Task keep_alive, UniqueFunction<void(result<BodyFileId>)> done) = 0;
  // Reads the whole body, in the background and in steps of 1 MiB. Errors: not_found, io_error, corrupt,
  // precondition_failed (a newer format). Does not complete when this object is destroyed first.
  virtual void read(BodyFileId file, UniqueFunction<void(result<Buffer>)> done) = 0;
  // The same on the calling thread: for start-up and for tests.
  virtual result<Buffer> read_now(BodyFileId file) = 0;
  // Likewise, into `room`, which the body must fill exactly: corrupt otherwise.
  virtual result<void> read_now(BodyFileId file, std::span<std::uint8_t> room) = 0;
  // In the background; an absent one is ignored.
  virtual void remove(BodyFileId file) = 0;
  // Present after opening, in rising order: those that no record names are to be removed by the caller.
  virtual std::vector<BodyFileId> list() const = 0;
  // To be called for each file that recovery finds named, in a record or in the checkpoint, be it there or
  // not: its number is not given to a new file. A record that is replayed once more must never mean another
  // body.
  virtual void keep_number(BodyFileId file) = 0;
};

}  // namespace millrace::storage
