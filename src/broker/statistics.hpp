// What the node is doing, as it was at one moment: plain values, made by the shards on demand for those who
// look on (the HTTP API, metrics), and shared by all who ask within a second.
#pragma once

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "broker/connection.hpp"
#include "broker/ids.hpp"
#include "broker/latency.hpp"
#include "broker/message_sizes.hpp"
#include "broker/queue/counters.hpp"
#include "broker/queue/queue_times.hpp"
#include "runtime/clock.hpp"

namespace millrace::broker {

struct QueueStatistics {
  std::uint64_t ready = 0;
  std::uint64_t ready_bytes = 0;
  std::uint64_t unacked = 0;
  std::uint64_t unacked_bytes = 0;
  std::uint64_t memory_bytes = 0;  // of its messages
  std::uint32_t consumers = 0;
  std::int64_t used_ms = 0;  // when a client last used it, wall clock
  QueueCounters counters;
  std::int64_t oldest_ms = 0;  // when the oldest that waits came, wall clock; 0: none waits, or not known
  QueueTimesStatistics times;
};

struct ConsumerStatistics {
  QueueId queue;
  ConnectionId connection;
  ConsumerId consumer;
  std::string tag;
  bool no_ack = false;
  bool exclusive = false;
  bool active = true;  // false: waits behind a single active consumer
  std::int64_t priority = 0;
};

struct ConnectionCounters {
  std::uint64_t published = 0;
  std::uint64_t wanting_confirm = 0;  // of those
  std::uint64_t unroutable = 0;       // of those
  std::uint64_t returned = 0;         // likewise, and given back to their publishers

  ConnectionCounters& operator+=(const ConnectionCounters& other) noexcept {
    published += other.published;
    wanting_confirm += other.wanting_confirm;
    unroutable += other.unroutable;
    returned += other.returned;
    return *this;
  }
};

// By the name of the protocol, since the start.
struct LoginCounters {
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;
};

struct ExchangeCounters {
  std::uint64_t in = 0;   // messages published to it
  std::uint64_t out = 0;  // queues they went to
};

struct ConnectionStatistics {
  ConnectionId id;
  std::string user;
  std::string vhost;
  ConnectionInfo info;
  std::int64_t connected_ms = 0;  // wall clock
  bool blocked = false;           // has published, and is held back by an alarm
  bool throttled = false;         // is held back because it is ahead of a limit's rate
  ConnectionCounters counters;
  SessionDetails session;
};

// The longest that looking on has kept a shard from its work in one turn, since the start.
struct LongestLook {
  runtime::Nanoseconds passed{0};  // with what others did on the processor in its middle
  runtime::Nanoseconds worked{0};

  void add(const LongestLook& other) noexcept {
    passed = std::max(passed, other.passed);
    worked = std::max(worked, other.worked);
  }
};

struct NodeStatistics {
  runtime::Nanoseconds taken{0};                                     // steady clock
  std::int64_t taken_ms = 0;                                         // wall clock
  boost::unordered_flat_map<std::uint64_t, QueueStatistics> queues;  // by QueueId
  std::vector<ConsumerStatistics> consumers;
  std::vector<ConnectionStatistics> connections;
  // By vhost and name; those that nothing was published to are left out.
  std::map<std::pair<std::string, std::string>, ExchangeCounters> exchanges;
  // Since the start, of what is gone too.
  QueueCounters queue_totals;
  LatencyHistogram waited;  // messages in queues
  LatencyHistogram held;    // by consumers, until acknowledged
  ConnectionCounters connection_totals;
  MessageSizes sizes;  // of what was published
  std::uint64_t connections_opened = 0;
  std::uint64_t connections_closed = 0;
  std::uint64_t channels_opened = 0;
  std::uint64_t channels_closed = 0;
  std::map<std::string, LoginCounters> logins;
  std::uint64_t queues_declared = 0;
  std::uint64_t queues_created = 0;
  std::uint64_t queues_deleted = 0;
  std::int64_t message_memory_bytes = 0;
  // Which bounds are in force; see Management::set_bounds.
  std::uint64_t memory_limit_bytes = 0;
  std::uint64_t disk_low_water_bytes = 0;
  bool memory_alarm = false;
  bool disk_alarm = false;
  std::vector<unsigned> busy_permille;  // of each shard
  LongestLook longest_look;
};

}  // namespace millrace::broker
