// A segment run as checkpoints hold it: the same bytes for queues and for stores of delayed messages.
// docs/format/records.md.
#pragma once

#include "base/buffer.hpp"
#include "base/reader.hpp"
#include "base/varint.hpp"
#include "storage/segments.hpp"

namespace millrace::broker {

inline void put_run(Buffer& out, const storage::SegmentRun& run) {
  for (const std::uint64_t field :
       {run.segment.value, run.entity, run.offset, run.bytes, run.first_seq, run.last_seq, run.count}) {
    put_varint(out, field);
  }
}

// Latches failure in the reader when cut short.
inline storage::SegmentRun read_run(Reader& in) {
  storage::SegmentRun run;
  for (std::uint64_t* field : {&run.segment.value, &run.entity, &run.offset, &run.bytes, &run.first_seq,
                               &run.last_seq, &run.count}) {
    *field = in.varint();
  }
  return run;
}

}  // namespace millrace::broker
