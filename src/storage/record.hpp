// A record of the write-ahead log, as the layers above see it. docs/format/wal.md has the bytes.
#pragma once

#include <cstdint>

#include "base/bytes.hpp"
#include "base/strong.hpp"

namespace millrace::storage {

// A log sequence number: dense within a shard's log, 1 for its first record.
using Lsn = Strong<struct LsnTag>;

// What a record says. The storage layer itself knows only the first two; the payload of the others is the
// broker's.
enum class RecordType : std::uint8_t {
  commit_group = 1,      // opens a commit group; payload: the LSN that was durable when it was written
  epoch_start = 2,       // first record of every start
  message = 16,          // entity: queue, or 0 with the list of queues in the payload
  settle = 17,           // entity: queue; sequence numbers acknowledged or dropped
  requeue = 18,          // entity: queue; sequence numbers with their delivery counts
  purge = 19,            // entity: queue
  definition = 20,       // one change of the definitions
  queue_state = 21,      // entity: queue; whatever else a queue must remember
  delayed = 22,          // entity: an exchange's store; a message held back
  delayed_settled = 23,  // entity: an exchange's store; sequence numbers passed on
  remembered = 24,       // entity: queue; a value that came, so that it does not again
  passed = 25,           // entity: an exchange's store; likewise
  history = 26,          // entity: an exchange's store; a message for those bound later
  stopped = 27,          // the last of an orderly stop
};

struct Record {
  Lsn lsn;
  std::uint32_t epoch = 0;
  RecordType type{};
  std::uint8_t flags = 0;
  std::uint64_t entity = 0;
  ByteView payload;  // valid during the call that hands the record over
};

}  // namespace millrace::storage
