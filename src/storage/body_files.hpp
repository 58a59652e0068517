// Bodies too large for a log record: each in a file of its own that its record names, written as the body arrives and
// synced before the record is appended.
#pragma once

#include <cstdint>
#include <memory>
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
  static result<std::unique_ptr<BodyFiles>> open(runtime::ShardRuntime runtime, std::string directory);
  virtual ~BodyFiles() = default;

  // Writes the whole body to a new file and syncs it and its name. `keep_alive` owns the bytes and is destroyed on the
  // shard's thread afterwards.
  virtual void write(ByteView body, Task keep_alive, UniqueFunction<void(result<BodyFileId>)> done) = 0;
  virtual result<Buffer> read_now(BodyFileId file) = 0;
  virtual void remove(BodyFileId file) = 0;
  // Present after opening, in rising order: those that no record names are to be removed by the caller.
  virtual std::vector<BodyFileId> list() const = 0;
};

}  // namespace millrace::storage
