// The write-ahead log of one shard: everything durable passes through it.
//
// A turn of the shard appends any number of records, then calls flush(). What was appended since the last
// hand-over becomes one commit group: one write, in mode `sync` a durable one. While a group is on its
// way the next one gathers, and it goes as soon as the disk is free again; there is no timer (natural group
// commit).
//
// Files are pre-zeroed in the background and recycled. When the last spare file is taken into use the log
// asks its listener to move what still lives in the oldest one (on_log_pressure); release() gives the file
// back.
//
// Thread: the shard's. Durable: what durable() covers. Errors: a failed write or sync ends the process,
// because what the disk holds is then unknown. Bound: kMaxUnflushedBytes, above which the shard stops reading
// from publishers.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "runtime/shard_runtime.hpp"
#include "storage/record.hpp"

namespace millrace::storage {

enum class SyncMode : std::uint8_t {
  sync,      // durable means that the disk has it
  interval,  // durable means written; synced every LogOptions::sync_interval
  os,        // durable means written; synced when the operating system likes
};

struct LogOptions {
  std::string directory;                 // must exist; the log owns the files wal-* in it
  std::uint64_t file_bytes = 32u << 20;  // size of one log file
  unsigned files = 4;                    // log files kept; more are made only when release() comes late
  SyncMode mode = SyncMode::sync;
  runtime::Milliseconds sync_interval{100};
  // Called on the shard's thread when a write or a sync failed; the log does nothing more after it. Empty:
  // one line on standard error, and the process ends with status 1.
  std::function<void(const Error&)> on_failure;
};

class LogListener {
 public:
  virtual ~LogListener() = default;
  // All records up to and including `durable` are as durable as the mode promises. Called in rising order.
  virtual void on_durable(Lsn durable) = 0;
  // Move what still lives at or below `through` to segments, write a checkpoint, then call
  // Log::release(through). Asked once for each file.
  virtual void on_log_pressure(Lsn through) = 0;
};

// What opening found.
struct LogRecovery {
  std::uint64_t records = 0;  // replayed
  std::uint32_t epoch = 0;    // of the last sound record; 0: there is none
  std::uint64_t bytes_cut =
      0;                   // of an unsynced tail that a power cut left torn; none of it was ever confirmed
  bool corrupt = false;    // a bad record at or below a durable LSN: the log is not cut and not appended to
  std::string corruption;  // where and what, for the operator
};

class Log {
 public:
  // Above these the caller stops taking in publishes until on_durable.
  static constexpr std::uint64_t kMaxUnflushedBytes = 16u << 20;
  // The largest payload one record may have; larger bodies go to a body file that the record names.
  static constexpr std::uint64_t kMaxPayloadBytes = 24u << 20;

  // `checkpointed` must have been durable() in mode `sync` when its checkpoint was written.
  //
  // Recovers: calls `replay` for every sound record with an LSN above `checkpointed`, in order, then starts a
  // new epoch. Synchronous; for start-up. Returns io_error when a file cannot be read or written. Corruption
  // is not an error: it is reported in `recovery`, the sound prefix is replayed, and append() must not be
  // called.
  static result<std::unique_ptr<Log>> open(runtime::ShardRuntime runtime, const LogOptions& options,
                                           Lsn checkpointed, LogListener& listener,
                                           const std::function<void(const Record&)>& replay,
                                           LogRecovery& recovery);
  virtual ~Log() = default;

  // Adds a record to the group that is being gathered and returns its LSN. Copies the parts.
  virtual Lsn append(RecordType type, std::uint8_t flags, std::uint64_t entity,
                     std::span<const ByteView> parts) = 0;
  Lsn append(RecordType type, std::uint8_t flags, std::uint64_t entity, ByteView payload) {
    return append(type, flags, entity, {&payload, 1});
  }
  // What only settles messages waits this long, or until there is so much of it, for something that somebody
  // waits for: otherwise a consumer's acknowledgements cost a sync each, and the next publish waits for it.
  static constexpr runtime::Milliseconds kSettleDelay{10};
  static constexpr std::size_t kSettleBytes = 256u << 10;

  // The end of a turn. `idle` says that the shard has nothing else ready: then a quick sync may be done
  // inline, which saves two wake-ups, and on_durable may be called before this returns.
  virtual void flush(bool idle) = 0;

  virtual Lsn appended() const noexcept = 0;  // the last LSN given out
  virtual Lsn durable() const noexcept = 0;
  virtual std::uint64_t unflushed_bytes() const noexcept = 0;

  // Nothing at or below `through` is needed any more: files that end there are recycled.
  virtual void release(Lsn through) = 0;

  // Writes and syncs all that was appended, then calls `done`. Nothing may be appended after this.
  virtual void close(Task done) = 0;
};

}  // namespace millrace::storage
