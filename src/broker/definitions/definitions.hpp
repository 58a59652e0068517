// The whole of what is declared, as plain data: the coordinator's authoritative copy, and what recovery
// rebuilds.
//
// Knows no routing and no queue contents. Thread: the coordinator's shard.
#pragma once

#include <boost/unordered/unordered_flat_set.hpp>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "broker/definitions/change.hpp"
#include "broker/text_hash.hpp"

namespace millrace::broker {

struct VhostDefinitions {
  VhostSpec spec;
  bool is_protected = false;  // from deletion
  TextMap<ExchangeSpec> exchanges;
  TextMap<std::shared_ptr<const QueueSpec>> queues;
  std::map<std::string, PolicySpec, std::less<>> policies;
  std::map<std::string, PolicySpec, std::less<>> operator_policies;
  std::map<std::uint64_t, std::set<std::string, std::less<>>> exclusive;  // connection → its queues

  bool has_binding(const BindingSpec& binding) const;
  bool has_bindings_from(std::string_view exchange) const;
  // Bindings that end at the queue or exchange.
  std::vector<BindingSpec> bindings_to(std::string_view destination, bool to_exchange) const;
  std::vector<BindingSpec> bindings_from(std::string_view exchange) const;

  // A binding's bytes are its identity and all that is kept of it.
  boost::unordered_flat_set<std::string, TextHash, TextEqual> bindings;
  // Sets: one exchange may have a hundred thousand, whose queues go one by one.
  TextMap<std::set<std::string>> by_source;       // exchange → bindings
  TextMap<std::set<std::string>> by_destination;  // 'q' or 'e' before the name → bindings
};

class Definitions {
 public:
  // Changes that name what is not there are ignored: a replayed log may hold them.
  void apply(const Change& change);

  const VhostDefinitions* find_vhost(std::string_view name) const;
  const TextMap<VhostDefinitions>& vhosts() const noexcept { return vhosts_; }
  const std::map<std::string, UserSpec, std::less<>>& users() const noexcept { return users_; }
  const std::vector<PermissionSpec>& permissions() const noexcept { return permissions_; }
  const std::vector<TopicPermissionSpec>& topic_permissions() const noexcept { return topic_permissions_; }
  const std::vector<LimitSpec>& limits() const noexcept { return limits_; }
  const std::vector<ParameterSpec>& parameters() const noexcept { return parameters_; }
  std::uint64_t next_queue_id() const noexcept { return next_queue_id_; }

  // Whether the change must survive a restart: all but those of transient or exclusive queues and transient
  // exchanges.
  bool is_durable(const Change& change) const;
  // The changes that rebuild all that is durable, in an order that may be applied.
  std::vector<Change> durable_snapshot() const;
  // The same for everything, to bring a new replica up to date.
  std::vector<Change> snapshot() const;

 private:
  std::vector<Change> make_snapshot(bool durable_only) const;
  VhostDefinitions* vhost(std::string_view name);

  TextMap<VhostDefinitions> vhosts_;
  std::map<std::string, UserSpec, std::less<>> users_;
  std::vector<PermissionSpec> permissions_;
  std::vector<TopicPermissionSpec> topic_permissions_;
  std::vector<LimitSpec> limits_;
  std::vector<ParameterSpec> parameters_;
  std::uint64_t next_queue_id_ = 1;
};

}  // namespace millrace::broker
