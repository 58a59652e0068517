// Finds out what a shard's log files amount to after a stop of whatever kind, and readies them to go on.
//
// The files with a header that names a first LSN form a chain, each going on where the one before ends. The
// chain is read from the file that holds the first record above the checkpoint. It ends at the first record
// that is bad, whose LSN is not the next one, or whose epoch falls, unless the next file begins at just that
// LSN. Whatever states a durable LSN at or above the place where the log ends - a group, a header, the
// checkpoint - makes it corruption: then nothing is changed. Otherwise what lies behind the end was never
// confirmed; it is cut, in that the files behind are spares again and the next epoch is above every epoch
// seen.
//
// Before anything relies on it, all that was found is durable: a process that died left writes in the page
// cache, and one that died of a failed sync left pages there which the disk never took. So the records above
// the last stated durable LSN are written again, and every file of the chain is synced.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>

#include "storage/log.hpp"
#include "storage/log_file.hpp"

namespace millrace::storage {

struct RecoveredLog {
  std::deque<std::shared_ptr<LogFile>> chain;   // oldest first; the log goes on in the last
  std::deque<std::shared_ptr<LogFile>> spares;  // the ones to take first in front
  std::uint64_t position = 0;                   // where the log goes on in chain.back()
  Lsn last;                                     // of the log; durable unless it is corrupt
  std::uint32_t epoch = 0;                      // the highest seen
  std::uint64_t next_number = 1;                // above every file's
};

// Blocking. Errors: io_error and disk_full from the file system; precondition_failed when a file was written
// by a newer version.
result<RecoveredLog> recover_log(runtime::FileSystem& files, const LogOptions& options, Lsn checkpointed,
                                 const std::function<void(const Record&)>& replay, LogRecovery& recovery);

}  // namespace millrace::storage
