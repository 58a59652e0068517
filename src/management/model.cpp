#include "management/model.hpp"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "broker/access/authority.hpp"
#include "broker/access/management_rights.hpp"

namespace millrace::management {

using broker::ManagementRole;

void Model::apply(const std::vector<broker::Change>& changes) {
  for (const broker::Change& change : changes) {
    definitions_.apply(change);
    if (const auto* put = std::get_if<broker::PutVhost>(&change)) {
      // The default exchange is declared nowhere, and shown like any other.
      broker::ExchangeSpec exchange{put->vhost.name, "", "direct", true, false, false, {}, {}, {}};
      definitions_.apply(broker::PutExchange{std::move(exchange)});
    }
    if (const auto* put = std::get_if<broker::PutPolicy>(&change))
      policies_[put->policy.vhost].put(put->policy);
    if (const auto* gone = std::get_if<broker::DeletePolicy>(&change)) {
      policies_[gone->vhost].remove(gone->name, gone->is_operator);
    }
    if (const auto* gone = std::get_if<broker::DeleteVhost>(&change)) policies_.erase(gone->name);
  }
}

const broker::QueueSpec* Model::find_queue(std::string_view vhost, std::string_view name) const {
  const auto* in = find_vhost(vhost);
  if (in == nullptr) return nullptr;
  const auto found = in->queues.find(name);
  return found == in->queues.end() ? nullptr : found->second.get();
}

const broker::ExchangeSpec* Model::find_exchange(std::string_view vhost, std::string_view name) const {
  const auto* in = find_vhost(vhost);
  if (in == nullptr) return nullptr;
  const auto found = in->exchanges.find(name);
  return found == in->exchanges.end() ? nullptr : &found->second;
}

const broker::UserSpec* Model::find_user(std::string_view name) const {
  const auto found = definitions_.users().find(name);
  return found == definitions_.users().end() ? nullptr : &found->second;
}

std::string Model::cluster_name() const {
  const broker::ParameterSpec* parameter = find_parameter("", "", "cluster_name");
  if (parameter == nullptr) return {};
  boost::system::error_code malformed;
  const boost::json::value name = boost::json::parse(parameter->value, malformed);
  return !malformed && name.is_string() ? std::string(name.get_string()) : std::string();
}

const broker::ParameterSpec* Model::find_parameter(std::string_view vhost, std::string_view component,
                                                   std::string_view name) const {
  for (const auto& parameter : definitions_.parameters()) {
    if (parameter.vhost == vhost && parameter.component == component && parameter.name == name) {
      return &parameter;
    }
  }
  return nullptr;
}

bool Model::may_enter(const broker::Subject& subject, std::string_view vhost) const {
  if (subject.rights) return subject.rights->may_enter(vhost);
  const auto& all = definitions_.permissions();
  return std::any_of(all.begin(), all.end(), [&](const broker::PermissionSpec& permission) {
    return permission.user == subject.user && permission.vhost == vhost;
  });
}

bool Model::may_see(const broker::Subject& subject, std::string_view vhost) const {
  return broker::has_role(subject, ManagementRole::monitoring) || may_enter(subject, vhost);
}

const broker::PolicySpec* Model::policy_of(const broker::QueueSpec& queue, bool is_operator) const {
  const auto found = policies_.find(queue.vhost);
  return found == policies_.end() ? nullptr : found->second.of_queue(queue, is_operator);
}

const broker::PolicySpec* Model::policy_of(const broker::ExchangeSpec& exchange) const {
  const auto found = policies_.find(exchange.vhost);
  return found == policies_.end() ? nullptr : found->second.of_exchange(exchange.name);
}

std::vector<const broker::VhostDefinitions*> Model::vhosts_seen_by(const broker::Subject& subject) const {
  std::vector<const broker::VhostDefinitions*> seen;
  for (const auto& [name, vhost] : definitions_.vhosts()) {
    if (may_see(subject, name)) seen.push_back(&vhost);
  }
  std::sort(seen.begin(), seen.end(),
            [](const auto* a, const auto* b) { return a->spec.name < b->spec.name; });
  return seen;
}

}  // namespace millrace::management
