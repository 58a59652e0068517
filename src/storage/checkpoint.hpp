// A checkpoint: one blob of the broker's that says what the log up to an LSN amounted to. Written beside the
// old one, synced and renamed over it, so that a power cut leaves one or the other whole.
// docs/format/checkpoint.md has the bytes.
#pragma once

#include <optional>
#include <string>

#include "base/buffer.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "runtime/shard_runtime.hpp"
#include "storage/record.hpp"

namespace millrace::storage {

struct Checkpoint {
  Lsn lsn;  // everything at or below is covered by the blob
  Buffer blob;
};

// The newest whole checkpoint, none when there is no file yet; corrupt when a file is there but fails its
// checksum.
result<std::optional<Checkpoint>> load_checkpoint(runtime::FileSystem& files, const std::string& directory);

// On the disk thread; completes on the shard's. After success the blob is durable.
void write_checkpoint(runtime::ShardRuntime runtime, const std::string& directory, Checkpoint checkpoint,
                      UniqueFunction<void(result<void>)> done);

}  // namespace millrace::storage
