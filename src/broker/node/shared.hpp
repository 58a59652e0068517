// What the shards of a node have in common. Set up before any loop runs; afterwards only the atomics change.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

#include "broker/access/login_guard.hpp"
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
  LoginGuard login_guard;  // works on shard 0
  // As long as the node runs: for salts of users that there are not.
  std::array<std::uint8_t, 32> unknown_users_key{};
  Coordinator* coordinator = nullptr;  // works on shard 0
  std::atomic<std::uint64_t> next_connection{1};
  UseCounts uses;
  std::atomic<std::int64_t> memory_bytes{0};  // of messages, in all shards
  std::atomic<bool> memory_alarm{false};
  // As in the options at first; see Management::set_bounds.
  std::atomic<std::uint64_t> memory_limit_bytes{0};
  std::atomic<std::uint64_t> disk_low_water_bytes{0};
  std::atomic<bool> stopping{false};
};

}  // namespace millrace::broker
