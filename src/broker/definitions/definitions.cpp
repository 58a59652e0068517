#include "broker/definitions/definitions.hpp"

#include <algorithm>

namespace millrace::broker {
namespace {

std::string identity(const BindingSpec& binding) {
  Buffer bytes;
  put_change(bytes, PutBinding{binding});
  return std::string(as_text(bytes.view()));
}

BindingSpec binding_of(const std::string& identity) {
  Reader in(as_bytes(identity));
  return std::get<PutBinding>(read_change(in)).binding;
}

std::string destination_key(std::string_view destination, bool to_exchange) {
  std::string key(1, to_exchange ? 'e' : 'q');
  key += destination;
  return key;
}

std::vector<BindingSpec> decoded(const TextMap<std::set<std::string>>& index, std::string_view key) {
  std::vector<BindingSpec> bindings;
  if (const auto it = index.find(key); it != index.end()) {
    for (const std::string& bytes : it->second) bindings.push_back(binding_of(bytes));
  }
  return bindings;
}

void erase_from(TextMap<std::set<std::string>>& index, std::string_view key, const std::string& value) {
  const auto it = index.find(key);
  if (it == index.end()) return;
  it->second.erase(value);
  if (it->second.empty()) index.erase(it);
}

void remove_binding(VhostDefinitions& vhost, const BindingSpec& binding) {
  const std::string bytes = identity(binding);
  if (vhost.bindings.erase(bytes) == 0) return;
  erase_from(vhost.by_source, binding.source, bytes);
  erase_from(vhost.by_destination, destination_key(binding.destination, binding.to_exchange), bytes);
}

void add_binding(VhostDefinitions& vhost, const BindingSpec& binding) {
  std::string bytes = identity(binding);
  if (!vhost.bindings.insert(bytes).second) return;
  vhost.by_source[binding.source].insert(bytes);
  vhost.by_destination[destination_key(binding.destination, binding.to_exchange)].insert(std::move(bytes));
}

void forget_owner(VhostDefinitions& vhost, const QueueSpec& queue) {
  const auto owned = vhost.exclusive.find(queue.exclusive_owner.value);
  if (owned == vhost.exclusive.end()) return;
  owned->second.erase(queue.name);
  if (owned->second.empty()) vhost.exclusive.erase(owned);
}

bool durable_ends(const VhostDefinitions& vhost, const BindingSpec& binding) {
  const auto source = vhost.exchanges.find(binding.source);
  if (source == vhost.exchanges.end() || !source->second.durable) return false;
  if (binding.to_exchange) {
    const auto end = vhost.exchanges.find(binding.destination);
    return end != vhost.exchanges.end() && end->second.durable;
  }
  const auto end = vhost.queues.find(binding.destination);
  return end != vhost.queues.end() && end->second->durable && end->second->exclusive_owner.value == 0;
}

template <class List, class Same>
void put_unique(List& list, typename List::value_type entry, Same same) {
  const auto it = std::find_if(list.begin(), list.end(), same);
  if (it == list.end()) {
    list.push_back(std::move(entry));
  } else {
    *it = std::move(entry);
  }
}

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;  // clang 14 deduces no aggregates

}  // namespace

bool VhostDefinitions::has_binding(const BindingSpec& binding) const {
  return bindings.contains(identity(binding));
}

bool VhostDefinitions::has_bindings_from(std::string_view exchange) const {
  return by_source.contains(exchange);
}

std::vector<BindingSpec> VhostDefinitions::bindings_to(std::string_view destination, bool to_exchange) const {
  return decoded(by_destination, destination_key(destination, to_exchange));
}

std::vector<BindingSpec> VhostDefinitions::bindings_from(std::string_view exchange) const {
  return decoded(by_source, exchange);
}

const VhostDefinitions* Definitions::find_vhost(std::string_view name) const {
  const auto it = vhosts_.find(name);
  return it == vhosts_.end() ? nullptr : &it->second;
}

VhostDefinitions* Definitions::vhost(std::string_view name) {
  const auto it = vhosts_.find(name);
  return it == vhosts_.end() ? nullptr : &it->second;
}

void Definitions::apply(const Change& change) {
  std::visit(Overloaded{
                 [&](const PutVhost& c) { vhosts_[c.vhost.name].spec = c.vhost; },
                 [&](const DeleteVhost& c) {
                   vhosts_.erase(c.name);
                   std::erase_if(permissions_, [&](const auto& p) { return p.vhost == c.name; });
                   std::erase_if(topic_permissions_, [&](const auto& p) { return p.vhost == c.name; });
                   std::erase_if(limits_, [&](const auto& l) { return !l.of_user && l.subject == c.name; });
                   std::erase_if(parameters_, [&](const auto& p) { return p.vhost == c.name; });
                 },
                 [&](const PutExchange& c) {
                   next_queue_id_ = std::max(next_queue_id_, c.exchange.store.value + 1);
                   if (auto* v = vhost(c.exchange.vhost))
                     v->exchanges.insert_or_assign(c.exchange.name, c.exchange);
                 },
                 [&](const DeleteExchange& c) {
                   auto* v = vhost(c.vhost);
                   if (!v) return;
                   for (const auto& b : v->bindings_from(c.name)) remove_binding(*v, b);
                   for (const auto& b : v->bindings_to(c.name, true)) remove_binding(*v, b);
                   v->exchanges.erase(c.name);
                 },
                 [&](const PutQueue& c) {
                   next_queue_id_ = std::max(next_queue_id_, c.queue->address.id.value + 1);
                   auto* v = vhost(c.queue->vhost);
                   if (!v) return;
                   const auto before = v->queues.find(c.queue->name);
                   if (before != v->queues.end()) forget_owner(*v, *before->second);
                   const ConnectionId owner = c.queue->exclusive_owner;
                   if (owner.value != 0) v->exclusive[owner.value].insert(c.queue->name);
                   v->queues.insert_or_assign(c.queue->name, c.queue);
                 },
                 [&](const DeleteQueue& c) {
                   auto* v = vhost(c.vhost);
                   if (!v) return;
                   const auto it = v->queues.find(c.name);
                   if (it == v->queues.end() || it->second->address.id != c.address.id) return;
                   for (const auto& b : v->bindings_to(c.name, false)) remove_binding(*v, b);
                   forget_owner(*v, *it->second);
                   v->queues.erase(it);
                 },
                 [&](const PutBinding& c) {
                   if (auto* v = vhost(c.binding.vhost)) add_binding(*v, c.binding);
                 },
                 [&](const DeleteBinding& c) {
                   if (auto* v = vhost(c.binding.vhost)) remove_binding(*v, c.binding);
                 },
                 [&](const PutUser& c) { users_[c.user.name] = c.user; },
                 [&](const DeleteUser& c) {
                   users_.erase(c.name);
                   std::erase_if(permissions_, [&](const auto& p) { return p.user == c.name; });
                   std::erase_if(topic_permissions_, [&](const auto& p) { return p.user == c.name; });
                   std::erase_if(limits_, [&](const auto& l) { return l.of_user && l.subject == c.name; });
                 },
                 [&](const PutPermission& c) {
                   const auto& n = c.permission;
                   put_unique(permissions_, n,
                              [&](const auto& p) { return p.user == n.user && p.vhost == n.vhost; });
                 },
                 [&](const DeletePermission& c) {
                   std::erase_if(permissions_,
                                 [&](const auto& p) { return p.user == c.user && p.vhost == c.vhost; });
                 },
                 [&](const PutTopicPermission& c) {
                   const auto& n = c.permission;
                   put_unique(topic_permissions_, n, [&](const auto& p) {
                     return p.user == n.user && p.vhost == n.vhost && p.exchange == n.exchange;
                   });
                 },
                 [&](const DeleteTopicPermission& c) {
                   std::erase_if(topic_permissions_, [&](const auto& p) {
                     return p.user == c.user && p.vhost == c.vhost &&
                            (c.exchange.empty() || p.exchange == c.exchange);
                   });
                 },
                 [&](const PutPolicy& c) {
                   auto* v = vhost(c.policy.vhost);
                   if (v)
                     (c.policy.is_operator ? v->operator_policies : v->policies)[c.policy.name] = c.policy;
                 },
                 [&](const DeletePolicy& c) {
                   auto* v = vhost(c.vhost);
                   if (v) (c.is_operator ? v->operator_policies : v->policies).erase(c.name);
                 },
                 [&](const PutLimit& c) {
                   const auto& n = c.limit;
                   const auto same = [&](const auto& l) {
                     return l.of_user == n.of_user && l.subject == n.subject && l.limit == n.limit;
                   };
                   if (n.value < 0) {
                     std::erase_if(limits_, same);
                   } else {
                     put_unique(limits_, n, same);
                   }
                 },
                 [&](const PutParameter& c) {
                   const auto& n = c.parameter;
                   put_unique(parameters_, n, [&](const auto& p) {
                     return p.vhost == n.vhost && p.component == n.component && p.name == n.name;
                   });
                 },
                 [&](const DeleteParameter& c) {
                   std::erase_if(parameters_, [&](const auto& p) {
                     return p.vhost == c.vhost && p.component == c.component && p.name == c.name;
                   });
                 },
                 [&](const ProtectVhost& c) {
                   if (auto* v = vhost(c.name)) v->is_protected = c.is_protected;
                 },
                 [&](const NextQueueId& c) { next_queue_id_ = std::max(next_queue_id_, c.value); },
             },
             change);
}

bool Definitions::is_durable(const Change& change) const {
  const auto exchange_durable = [&](const std::string& vhost_name, const std::string& name) {
    const auto* v = find_vhost(vhost_name);
    if (!v) return false;
    const auto it = v->exchanges.find(name);
    return it != v->exchanges.end() && it->second.durable;
  };
  const auto queue_durable = [&](const std::string& vhost_name, const std::string& name) {
    const auto* v = find_vhost(vhost_name);
    if (!v) return false;
    const auto it = v->queues.find(name);
    return it != v->queues.end() && it->second->durable && it->second->exclusive_owner.value == 0;
  };
  return std::visit(
      Overloaded{
          [&](const PutExchange& c) { return c.exchange.durable; },
          [&](const DeleteExchange& c) { return exchange_durable(c.vhost, c.name); },
          [&](const PutQueue& c) { return c.queue->durable && c.queue->exclusive_owner.value == 0; },
          [&](const DeleteQueue& c) { return queue_durable(c.vhost, c.name); },
          [&](const PutBinding& c) {
            const auto* v = find_vhost(c.binding.vhost);
            return v && durable_ends(*v, c.binding);
          },
          [&](const DeleteBinding& c) {
            const auto* v = find_vhost(c.binding.vhost);
            return v && durable_ends(*v, c.binding);
          },
          [](const auto&) { return true; },
      },
      change);
}

std::vector<Change> Definitions::make_snapshot(bool durable_only) const {
  std::vector<Change> changes;
  changes.push_back(NextQueueId{next_queue_id_});
  for (const auto& [name, user] : users_) changes.push_back(PutUser{user});
  for (const auto& [name, v] : vhosts_) {
    changes.push_back(PutVhost{v.spec});
    if (v.is_protected) changes.push_back(ProtectVhost{name, true});
  }
  for (const auto& p : permissions_) changes.push_back(PutPermission{p});
  for (const auto& p : topic_permissions_) changes.push_back(PutTopicPermission{p});
  for (const auto& l : limits_) changes.push_back(PutLimit{l});
  for (const auto& p : parameters_) changes.push_back(PutParameter{p});
  const auto add = [&](Change change) {
    if (!durable_only || is_durable(change)) changes.push_back(std::move(change));
  };
  for (const auto& [name, v] : vhosts_) {
    for (const auto& [policy_name, policy] : v.policies) add(PutPolicy{policy});
    for (const auto& [policy_name, policy] : v.operator_policies) add(PutPolicy{policy});
    for (const auto& [exchange_name, exchange] : v.exchanges) add(PutExchange{exchange});
    for (const auto& [queue_name, queue] : v.queues) add(PutQueue{queue});
    for (const auto& bytes : v.bindings) add(PutBinding{binding_of(bytes)});
  }
  return changes;
}

std::vector<Change> Definitions::durable_snapshot() const {
  return make_snapshot(true);
}
std::vector<Change> Definitions::snapshot() const {
  return make_snapshot(false);
}

}  // namespace millrace::broker
