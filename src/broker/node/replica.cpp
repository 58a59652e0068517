#include "broker/node/replica.hpp"

#include <algorithm>

#include "broker/queue/arguments.hpp"

namespace millrace::broker {
namespace {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;  // clang 14 deduces no aggregates

}  // namespace

VhostReplica* Replica::find_vhost(std::string_view name) noexcept {
  const auto it = vhosts_.find(name);
  return it == vhosts_.end() ? nullptr : &it->second;
}

const QueueSpec* Replica::find_queue(const VhostReplica& vhost, std::string_view name) const noexcept {
  const auto it = vhost.queues.find(name);
  return it == vhost.queues.end() ? nullptr : it->second.get();
}

QueueSettings Replica::settings_of(const VhostReplica& vhost, const QueueSpec& queue) const {
  return queue_settings(queue, vhost.policies.of_queue(queue, false), vhost.policies.of_queue(queue, true));
}

void Replica::policies_changed(VhostReplica& vhost) {
  for (const auto& [name, queue] : vhost.queues) listener_.queue_put(queue, settings_of(vhost, *queue));
  for (const ExchangeSpec& exchange : policed_exchanges_[vhost.spec.name]) apply_policy(vhost, exchange);
}

void Replica::apply_policy(VhostReplica& vhost, const ExchangeSpec& exchange) {
  if (exchange.arguments.find("alternate-exchange")) return;
  const PolicySpec* policy = vhost.policies.of_exchange(exchange.name);
  const Value* alternate = policy ? policy->definition.find("alternate-exchange") : nullptr;
  vhost.table->set_alternate(exchange.name, alternate && alternate->as_text() ? *alternate->as_text() : "");
}

void Replica::apply(const Change& change) {
  ++version_;
  const auto in_vhost = [&](const std::string& name, auto&& then) {
    if (VhostReplica* vhost = find_vhost(name)) then(*vhost);
  };
  std::visit(Overloaded{
                 [&](const PutVhost& c) {
                   VhostReplica& vhost = vhosts_[c.vhost.name];
                   vhost.spec = c.vhost;
                   if (!vhost.table)
                     vhost.table = std::make_unique<RoutingTable>(c.vhost.name, formats_, random_seed_);
                 },
                 [&](const DeleteVhost& c) {
                   in_vhost(c.name, [&](VhostReplica& vhost) {
                     for (const auto& [name, queue] : vhost.queues) {
                       queues_by_id_.erase(queue->address.id.value);
                       listener_.queue_deleted(queue->address);
                     }
                     listener_.vhost_deleted(c.name);
                     access_.remove_vhost(c.name);
                     policed_exchanges_.erase(c.name);
                     vhosts_.erase(c.name);
                   });
                 },
                 [&](const PutExchange& c) {
                   in_vhost(c.exchange.vhost, [&](VhostReplica& vhost) {
                     if (vhost.table->find_exchange(c.exchange.name) != nullptr) return;
                     vhost.table->add_exchange(c.exchange);
                     policed_exchanges_[c.exchange.vhost].push_back(c.exchange);
                     apply_policy(vhost, c.exchange);
                     listener_.exchange_put(c.exchange);
                   });
                 },
                 [&](const DeleteExchange& c) {
                   in_vhost(c.vhost, [&](VhostReplica& vhost) {
                     vhost.table->remove_exchange(c.name);
                     std::erase_if(policed_exchanges_[c.vhost],
                                   [&](const ExchangeSpec& exchange) { return exchange.name == c.name; });
                     listener_.exchange_deleted(c.vhost, c.name);
                   });
                 },
                 [&](const PutQueue& c) {
                   const QueueSpec& spec = *c.queue;
                   in_vhost(spec.vhost, [&](VhostReplica& vhost) {
                     auto& known = vhost.queues[spec.name];
                     if (known) queues_by_id_.erase(known->address.id.value);
                     known = c.queue;
                     queues_by_id_[spec.address.id.value] = &spec;
                     vhost.table->add_queue(spec.name, spec.address);
                     listener_.queue_put(c.queue, settings_of(vhost, spec));
                   });
                 },
                 [&](const DeleteQueue& c) {
                   in_vhost(c.vhost, [&](VhostReplica& vhost) {
                     const auto it = vhost.queues.find(c.name);
                     if (it == vhost.queues.end() || it->second->address != c.address) return;
                     queues_by_id_.erase(c.address.id.value);
                     vhost.queues.erase(it);
                     vhost.table->remove_queue(c.name);
                     listener_.queue_deleted(c.address);
                   });
                 },
                 [&](const PutBinding& c) {
                   in_vhost(c.binding.vhost, [&](VhostReplica& vhost) {
                     vhost.table->bind(c.binding);
                     listener_.binding_put(c.binding);
                   });
                 },
                 [&](const DeleteBinding& c) {
                   in_vhost(c.binding.vhost, [&](VhostReplica& vhost) { vhost.table->unbind(c.binding); });
                 },
                 [&](const PutUser& c) { access_.put_user(c.user); },
                 [&](const DeleteUser& c) {
                   access_.remove_user(c.name);
                   listener_.user_deleted(c.name);
                 },
                 [&](const PutPermission& c) { access_.put_permission(c.permission); },
                 [&](const DeletePermission& c) { access_.remove_permission(c.user, c.vhost); },
                 [&](const PutTopicPermission& c) { access_.put_topic_permission(c.permission); },
                 [&](const DeleteTopicPermission& c) {
                   access_.remove_topic_permission(c.user, c.vhost, c.exchange);
                 },
                 [&](const PutPolicy& c) {
                   in_vhost(c.policy.vhost, [&](VhostReplica& vhost) {
                     vhost.policies.put(c.policy);
                     policies_changed(vhost);
                   });
                 },
                 [&](const DeletePolicy& c) {
                   in_vhost(c.vhost, [&](VhostReplica& vhost) {
                     vhost.policies.remove(c.name, c.is_operator);
                     policies_changed(vhost);
                   });
                 },
                 [&](const PutLimit& c) { access_.put_limit(c.limit); },
                 [&](const PutParameter&) {},
                 [&](const DeleteParameter&) {},
                 [&](const ProtectVhost&) {},
                 [&](const NextQueueId&) {},
             },
             change);
}

}  // namespace millrace::broker
