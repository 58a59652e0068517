// What the shards of a node have in common. Set up before any loop runs; afterwards only the atomics change.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "broker/node.hpp"
#include "broker/node/use_counts.hpp"

namespace millrace::broker {

class Shard;
class Coordinator;

struct NodeShared {
  NodeOptions options;
  std::uint64_t incarnation = 0;
  runtime::DiskExecutor* helper = nullptr;  // completions on shard 0
  std::vector<Shard*> shards;
  Coordinator* coordinator = nullptr;  // works on shard 0
  std::atomic<std::uint64_t> next_connection{1};
  UseCounts uses;
  std::atomic<std::int64_t> memory_bytes{0};  // of messages, in all shards
  std::atomic<bool> memory_alarm{false};
  std::atomic<bool> stopping{false};
};

}  // namespace millrace::broker
