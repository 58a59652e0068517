// One shard's copy of the definitions, in the form that the hot path reads: routing tables, permissions,
// policies, and where each queue is. Changed by committed changes only, in the same order on every shard.
//
// Thread: the shard's.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <memory>
#include <string_view>

#include "broker/access/access_control.hpp"
#include "broker/definitions/change.hpp"
#include "broker/definitions/policies.hpp"
#include "broker/queue/arguments.hpp"
#include "broker/routing_table.hpp"
#include "broker/text_hash.hpp"

namespace millrace::broker {

struct VhostReplica {
  VhostSpec spec;
  std::unique_ptr<RoutingTable> table;
  TextMap<std::shared_ptr<const QueueSpec>> queues;
  Policies policies;
};

// Told of what a change means to the queues and connections of the shard.
class ReplicaListener {
 public:
  virtual ~ReplicaListener() = default;
  virtual void queue_put(const std::shared_ptr<const QueueSpec>& queue, const QueueSettings& settings) = 0;
  virtual void queue_deleted(const QueueAddress& queue) = 0;
  // The exchange is there now, or has gone: for those that keep something.
  virtual void exchange_put(const ExchangeSpec& exchange) = 0;
  virtual void exchange_deleted(std::string_view vhost, std::string_view name) = 0;
  virtual void binding_put(const BindingSpec& binding) = 0;
  virtual void vhost_deleted(std::string_view name) = 0;
  virtual void user_deleted(std::string_view name) = 0;
};

class Replica {
 public:
  Replica(ReplicaListener& listener, const MessageFormats& formats, std::uint64_t random_seed)
      : listener_(listener), formats_(formats), random_seed_(random_seed) {}

  void apply(const Change& change);

  VhostReplica* find_vhost(std::string_view name) noexcept;
  const TextMap<VhostReplica>& vhosts() const noexcept { return vhosts_; }
  const QueueSpec* find_queue(const VhostReplica& vhost, std::string_view name) const noexcept;
  const QueueSpec* find_queue(QueueId queue) const noexcept {
    const auto it = queues_by_id_.find(queue.value);
    return it == queues_by_id_.end() ? nullptr : it->second;
  }
  AccessControl& access() noexcept { return access_; }
  const AccessControl& access() const noexcept { return access_; }
  // Rises with every change: what is kept of permissions and routes is valid for one version.
  std::uint64_t version() const noexcept { return version_; }
  // What was kept is to be found out anew, though nothing that is declared has changed.
  void invalidate() noexcept { ++version_; }

 private:
  QueueSettings settings_of(const VhostReplica& vhost, const QueueSpec& queue) const;
  void policies_changed(VhostReplica& vhost);
  void apply_policy(VhostReplica& vhost, const ExchangeSpec& exchange);

  ReplicaListener& listener_;
  const MessageFormats& formats_;
  std::uint64_t random_seed_;
  std::uint64_t version_ = 1;
  AccessControl access_;
  TextMap<VhostReplica> vhosts_;
  boost::unordered_flat_map<std::uint64_t, const QueueSpec*> queues_by_id_;
  TextMap<std::vector<ExchangeSpec>> policed_exchanges_;  // vhost → those that a policy may give an alternate
};

}  // namespace millrace::broker
