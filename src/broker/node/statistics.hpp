// A shard's part of NodeStatistics: what it counts as it goes, and how it is looked through without keeping
// the shard from its work.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "broker/statistics.hpp"

namespace millrace::broker {

class Shard;

// Of what is gone. Thread: the shard's.
struct ShardCounters {
  QueueCounters queues_gone;
  LatencyHistogram waited_gone;
  LatencyHistogram held_gone;
  ConnectionCounters connections_gone;
  MessageSizes sizes;  // of what was published, gone or not
  std::uint64_t connections_opened = 0;
  std::uint64_t connections_closed = 0;
  std::uint64_t channels_opened = 0;
  std::uint64_t channels_closed = 0;
  std::map<std::string, LoginCounters> logins;

  void connection_gone(const ConnectionCounters& had, bool is_client) noexcept {
    if (is_client) ++connections_closed;
    connections_gone += had;
  }
};

struct ExchangeStatistics {
  std::string vhost;
  std::string name;
  ExchangeCounters counters;
};

struct ShardStatistics {
  std::vector<std::pair<std::uint64_t, QueueStatistics>> queues;
  std::vector<ConsumerStatistics> consumers;
  std::vector<ConnectionStatistics> connections;
  std::vector<ExchangeStatistics> exchanges;
  ShardCounters counters;
  unsigned busy_permille = 0;
  LongestLook longest_look;  // of the turns of this survey
  // From shard 0 alone.
  std::uint64_t queues_declared = 0;
  std::uint64_t queues_created = 0;
  std::uint64_t queues_deleted = 0;
  bool disk_alarm = false;
};

// Queues, connections and exchanges in slices, a turn each. On the shard's thread; `done` is called there,
// now or in a later turn. Connections of the management itself are left out.
void survey(Shard& shard, std::function<void(ShardStatistics&&)> done);

}  // namespace millrace::broker
