#include "management/definitions_export.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "base/utf8.hpp"
#include "broker/access/password.hpp"
#include "management/items.hpp"
#include "management/json_values.hpp"

namespace millrace::management {
namespace {

namespace json = boost::json;

json::object head(const Api& api, std::string_view format) {
  json::object root;
  root["rabbit_version"] = api.options().version;
  root["rabbitmq_version"] = api.options().version;
  root["product_name"] = api.options().product;
  root["product_version"] = api.options().version;
  root["rabbitmq_definition_format"] = format;
  root["original_cluster_name"] = api.cluster_name();
  return root;
}

// By RabbitMQ. A user without a password is one there, too.
bool is_readable(const broker::UserSpec& user) {
  return user.password.empty() || broker::export_rabbitmq_hash(user.password).has_value();
}

json::object export_user(const broker::UserSpec& user, const broker::Definitions& definitions) {
  json::object item = user_item(user, definitions);
  const auto hash = broker::export_rabbitmq_hash(user.password);
  if (!hash && !user.password.empty()) {
    item["millrace_password_hash"] = user.password;
    return item;
  }
  item["password_hash"] = hash ? hash->base64 : std::string();
  item["hashing_algorithm"] = hash ? hash->algorithm : std::string("rabbit_password_hashing_sha256");
  return item;
}

template <class Map>
auto sorted(const Map& map) {
  std::vector<const typename Map::value_type*> entries;
  for (const auto& entry : map) entries.push_back(&entry);
  std::sort(entries.begin(), entries.end(), [](const auto* a, const auto* b) { return a->first < b->first; });
  return entries;
}

// The objects of one vhost, added to the lists of the document.
class Lists {
 public:
  Lists(const Api& api, bool name_vhost) : api_(api), name_vhost_(name_vhost) {}

  void add(const broker::VhostDefinitions& vhost) {
    for (const auto& [name, policy] : vhost.policies) put(policies_, policy_item(policy));
    for (const auto& [name, policy] : vhost.operator_policies) {
      json::object value = policy_item(policy);
      value.erase("vhost");
      value.erase("name");
      parameter("operator_policy", vhost.spec.name, name, std::move(value));
    }
    json::object limits = limit_values(api_.model().definitions(), false, vhost.spec.name);
    if (!limits.empty()) parameter("vhost-limits", vhost.spec.name, "limits", std::move(limits));
    for (const auto& kept : api_.model().definitions().parameters()) {
      if (!kept.vhost.empty() && kept.vhost == vhost.spec.name) put(parameters_, parameter_item(kept));
    }
    for (const auto* entry : sorted(vhost.exchanges)) {
      const broker::ExchangeSpec& exchange = entry->second;
      if (exchange.name.empty() || exchange.name.starts_with("amq.")) continue;
      json::object item = exchange_definition(api_, exchange);
      item.erase("policy");
      put(exchanges_, std::move(item));
    }
    for (const auto* entry : sorted(vhost.queues)) {
      const broker::QueueSpec& queue = *entry->second;
      if (queue.exclusive_owner.value != 0) continue;
      json::object item;
      item["name"] = as_utf8(queue.name);
      item["vhost"] = as_utf8(queue.vhost);
      item["durable"] = queue.durable;
      item["auto_delete"] = queue.auto_delete;
      item["type"] = queue_type(queue);
      item["arguments"] = json_from_arguments(queue.arguments);
      put(queues_, std::move(item));
    }
    for (const auto* entry : sorted(vhost.by_source)) {
      for (const auto& binding : vhost.bindings_from(entry->first)) {
        if (is_exclusive(vhost, binding)) continue;
        json::object item = binding_item(binding);
        item.erase("properties_key");
        put(bindings_, std::move(item));
      }
    }
  }

  void put_into(json::object& root) && {
    root["parameters"] = std::move(parameters_);
    root["policies"] = std::move(policies_);
    root["queues"] = std::move(queues_);
    root["exchanges"] = std::move(exchanges_);
    root["bindings"] = std::move(bindings_);
  }

 private:
  static bool is_exclusive(const broker::VhostDefinitions& vhost, const broker::BindingSpec& binding) {
    if (binding.to_exchange) return false;
    const auto queue = vhost.queues.find(binding.destination);
    return queue == vhost.queues.end() || queue->second->exclusive_owner.value != 0;
  }
  void put(json::array& list, json::object item) {
    if (!name_vhost_) item.erase("vhost");
    list.push_back(std::move(item));
  }
  void parameter(std::string_view component, std::string_view vhost, std::string_view name,
                 json::object value) {
    json::object item;
    item["component"] = component;
    item["name"] = as_utf8(name);
    item["value"] = std::move(value);
    item["vhost"] = as_utf8(vhost);
    put(parameters_, std::move(item));
  }

  const Api& api_;
  bool name_vhost_;
  json::array parameters_, policies_, queues_, exchanges_, bindings_;
};

}  // namespace

json::object export_definitions(const Api& api) {
  const broker::Definitions& definitions = api.model().definitions();
  json::object root = head(api, "cluster");
  json::array users, vhosts, permissions, topic_permissions;
  json::array own_users;
  for (const auto& [name, user] : definitions.users()) {
    // RabbitMQ takes the password of a user that comes without one. Every RabbitMQ has a guest, who may be
    // the only one that can give passwords there: it is not told of ours.
    const bool would_be_locked_out = name == "guest" && !is_readable(user);
    (would_be_locked_out ? own_users : users).push_back(export_user(user, definitions));
  }
  for (const auto& permission : definitions.permissions()) permissions.push_back(permission_item(permission));
  for (const auto& permission : definitions.topic_permissions()) {
    topic_permissions.push_back(topic_permission_item(permission));
  }
  Lists lists(api, true);
  for (const auto* entry : sorted(definitions.vhosts())) {
    const broker::VhostSpec& spec = entry->second.spec;
    json::object vhost;
    vhost["name"] = as_utf8(spec.name);
    vhost["description"] = as_utf8(spec.description);
    json::array tags;
    for (const std::string& tag : spec.tags) tags.push_back(json::string(as_utf8(tag)));
    vhost["tags"] = tags;
    json::object metadata;
    metadata["description"] = vhost["description"];
    metadata["tags"] = std::move(tags);
    if (!spec.default_queue_type.empty()) {
      vhost["default_queue_type"] = as_utf8(spec.default_queue_type);
      metadata["default_queue_type"] = vhost["default_queue_type"];
    }
    if (entry->second.is_protected) metadata["protected_from_deletion"] = true;
    vhost["metadata"] = std::move(metadata);
    vhosts.push_back(std::move(vhost));
    lists.add(entry->second);
  }
  std::string unreadable;
  json::array without_hash;
  for (const auto& [name, user] : definitions.users()) {
    if (is_readable(user)) continue;
    unreadable += (unreadable.empty() ? "" : ", ") + as_utf8(name);
    without_hash.push_back(json::string(as_utf8(name)));
  }
  root["users_without_password_hash"] = std::move(without_hash);
  root["explanation"] =
      unreadable.empty() ? "Definitions of cluster '" + api.cluster_name() + "'"
                         : "RabbitMQ cannot verify the passwords of these users, and lets them in once they "
                           "are given new ones: " +
                               unreadable;
  root["users"] = std::move(users);
  if (!own_users.empty()) root["millrace_users"] = std::move(own_users);
  root["vhosts"] = std::move(vhosts);
  root["permissions"] = std::move(permissions);
  root["topic_permissions"] = std::move(topic_permissions);
  json::array global_parameters;
  for (const auto& parameter : definitions.parameters()) {
    if (parameter.vhost.empty()) global_parameters.push_back(parameter_item(parameter));
  }
  root["global_parameters"] = std::move(global_parameters);
  std::move(lists).put_into(root);
  return root;
}

json::object export_vhost(const Api& api, const broker::VhostDefinitions& vhost) {
  json::object root = head(api, "single_virtual_host");
  root["description"] = as_utf8(vhost.spec.description);
  Lists lists(api, false);
  lists.add(vhost);
  std::move(lists).put_into(root);
  return root;
}

}  // namespace millrace::management
