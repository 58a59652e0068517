// The log's spare files: pre-zeroed on the disk thread, one small piece at a time so that no commit waits
// long, and recycled. A commit into such a file changes no metadata of the file system, which makes its sync
// several times as fast.
//
// Nobody ever waits for a spare: when there is none, take() gives out one that is half-way done or not made
// yet. A disk without room for spares is no error here; it is tried again at the next occasion.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "runtime/shard_runtime.hpp"
#include "storage/log_file.hpp"

namespace millrace::storage {

// Thread: the shard's.
class LogSpares {
 public:
  // `options` outlive it.
  LogSpares(runtime::ShardRuntime runtime, const LogOptions& options, std::uint64_t next_number,
            std::deque<std::shared_ptr<LogFile>> ready);

  // A file to write into. What was submitted to the disk thread before may still work on it, so only work
  // submitted after this may touch `file->file`, which is empty when the file must be made first.
  std::shared_ptr<LogFile> take();
  // A file whose records nobody needs: kept when there are fewer than `wanted` spares, else removed.
  void give_back(std::shared_ptr<LogFile> file, std::size_t wanted);
  // Makes spares in the background until there are `wanted`.
  void keep(std::size_t wanted);
  // The disk thread is at work on files.
  bool busy() const noexcept { return jobs_ != 0; }

 private:
  struct Making;

  void submit_step();
  void on_step(const std::shared_ptr<Making>& making);
  void remove(std::shared_ptr<LogFile> file);

  const runtime::ShardRuntime runtime_;
  const LogOptions& options_;
  std::uint64_t next_number_;
  std::deque<std::shared_ptr<LogFile>> ready_;
  std::shared_ptr<Making> making_;
  std::size_t wanted_ = 0;
  unsigned jobs_ = 0;
  std::shared_ptr<char> life_ = std::make_shared<char>();  // completions look whether this is still there
};

}  // namespace millrace::storage
