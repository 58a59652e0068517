// The broker's identifiers. None is ever reused within a data directory.
#pragma once

#include <cstdint>

#include "base/strong.hpp"

namespace millrace::broker {

using ShardId = Strong<struct ShardIdTag, std::uint16_t>;
using QueueId = Strong<struct QueueIdTag>;            // the entity in log records and segments
using ConnectionId = Strong<struct ConnectionIdTag>;  // unique in the process
using ConsumerId = Strong<struct ConsumerIdTag>;      // unique within its connection

// Where a queue is: each has one owning shard, for good.
struct QueueAddress {
  QueueId id;
  ShardId shard;
  friend auto operator<=>(const QueueAddress&, const QueueAddress&) = default;
};

}  // namespace millrace::broker
