// Messages on their way to a segment: what is to be written, and what keeps it alive until then. Thread: the
// shard's; the parts of its items are read by the disk's meanwhile.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "base/buffer.hpp"
#include "broker/message.hpp"
#include "storage/segments.hpp"

namespace millrace::broker {

class Spill {
 public:
  std::vector<storage::SegmentItem> items;  // in the order of adding, which must be that of (entity, seq)

  // `prefix` is what the item has in front of the message's header and body.
  void add(std::uint64_t entity, std::uint64_t seq, std::uint64_t meta, ByteView prefix,
           const MessageRef& message);
  // The message's own prefix.
  void add(std::uint64_t entity, std::uint64_t seq, std::uint64_t meta, const MessageRef& message);

 private:
  ByteView keep_bytes(ByteView bytes);

  std::vector<MessageRef> keep_;
  Buffer prefix_;  // scratch
  std::deque<Buffer>
      chunks_;  // of prefixes; one that is full does not grow, so that they stay where they are
};

}  // namespace millrace::broker
