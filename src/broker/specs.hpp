// What is declared: vhosts, exchanges, queues, bindings, users, permissions, policies, limits. Plain values,
// as stored in the definitions log and held in every shard's replica.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "broker/ids.hpp"
#include "broker/value.hpp"

namespace millrace::broker {

struct VhostSpec {
  std::string name;
  std::string description;
  std::vector<std::string> tags;
  std::string default_queue_type;  // empty: classic
};

struct ExchangeSpec {
  std::string vhost;
  std::string name;
  std::string type;  // direct, fanout, topic, headers, x-…
  bool durable = false;
  bool auto_delete = false;
  bool internal = false;
  Arguments arguments;
  QueueId store;  // the entity that keeps this exchange's delayed messages; 0 for types that keep none
  ShardId
      owner;  // where exchanges that remember something (delayed, deduplicating, recent history) are worked
};

struct QueueSpec {
  std::string vhost;
  std::string name;
  bool durable = false;
  bool auto_delete = false;
  ConnectionId exclusive_owner;  // 0: not exclusive
  Arguments arguments;           // x-queue-type is always present once declared
  QueueAddress address;
  std::string declared_by;  // a user's name; empty: the broker itself, or nobody knows any more
};

struct BindingSpec {
  std::string vhost;
  std::string source;       // an exchange
  std::string destination;  // a queue, or an exchange
  bool to_exchange = false;
  std::string routing_key;
  Arguments arguments;
  friend bool operator==(const BindingSpec&, const BindingSpec&) = default;
};

struct UserSpec {
  std::string name;
  std::string password;           // as access/password.hpp makes it; empty: cannot log in with a password
  std::vector<std::string> tags;  // administrator, monitoring, policymaker, management, impersonator, …
};

// An empty pattern matches nothing but the empty name.
struct PermissionSpec {
  std::string user;
  std::string vhost;
  std::string configure;
  std::string write;
  std::string read;
};

struct TopicPermissionSpec {
  std::string user;
  std::string vhost;
  std::string exchange;
  std::string write;
  std::string read;
};

struct PolicySpec {
  std::string vhost;
  std::string name;
  std::string pattern;
  std::string apply_to = "all";  // all, exchanges, queues, classic_queues, quorum_queues, streams
  std::int64_t priority = 0;
  Arguments definition;      // keys without the x- prefix: message-ttl, max-length, …
  bool is_operator = false;  // an operator policy: only limits, and the stricter value wins
};

// What only plug-ins and tools read: kept, exported and given back as it came.
struct ParameterSpec {
  std::string vhost;      // empty: a global parameter
  std::string component;  // of a global one: empty
  std::string name;
  std::string value;  // JSON
};

struct LimitSpec {
  bool of_user = false;     // else of a vhost
  std::string subject;      // the user's or vhost's name
  std::string limit;        // max-connections, max-channels, max-publish-rate; of a vhost max-queues
  std::int64_t value = -1;  // negative: removed
};

}  // namespace millrace::broker
