#include "broker/definitions/describe_change.hpp"

#include <string_view>

namespace millrace::broker {
namespace {

std::string quoted(std::string_view name) {
  return "'" + std::string(name) + "'";
}

std::string patterns(const std::string& configure, const std::string& write, const std::string& read) {
  return " (configure " + quoted(configure) + ", write " + quoted(write) + ", read " + quoted(read) + ")";
}

std::string binding_text(const BindingSpec& binding) {
  return "binding of " + std::string(binding.to_exchange ? "exchange " : "queue ") +
         quoted(binding.destination) + " to " + quoted(binding.source) + " by " + quoted(binding.routing_key);
}

std::string policy_text(bool is_operator, const std::string& name) {
  return (is_operator ? "operator policy " : "policy ") + quoted(name);
}

struct Describe {
  using To = ChangeDescription;
  To operator()(const PutVhost& c) const { return {c.vhost.name, "put vhost " + quoted(c.vhost.name)}; }
  To operator()(const DeleteVhost& c) const { return {c.name, "delete vhost " + quoted(c.name)}; }
  To operator()(const PutExchange& c) const {
    return {c.exchange.vhost, "put exchange " + quoted(c.exchange.name) + " (" + c.exchange.type + ")"};
  }
  To operator()(const DeleteExchange& c) const { return {c.vhost, "delete exchange " + quoted(c.name)}; }
  To operator()(const PutQueue& c) const { return {c.queue->vhost, "put queue " + quoted(c.queue->name)}; }
  To operator()(const DeleteQueue& c) const { return {c.vhost, "delete queue " + quoted(c.name)}; }
  To operator()(const PutBinding& c) const { return {c.binding.vhost, "put " + binding_text(c.binding)}; }
  To operator()(const DeleteBinding& c) const {
    return {c.binding.vhost, "delete " + binding_text(c.binding)};
  }
  To operator()(const PutUser& c) const {
    std::string tags;
    for (const std::string& tag : c.user.tags) tags += (tags.empty() ? "" : ", ") + tag;
    return {{}, "put user " + quoted(c.user.name) + " (" + tags + ")"};
  }
  To operator()(const DeleteUser& c) const { return {{}, "delete user " + quoted(c.name)}; }
  To operator()(const PutPermission& c) const {
    const PermissionSpec& p = c.permission;
    return {p.vhost, "put permission of " + quoted(p.user) + patterns(p.configure, p.write, p.read)};
  }
  To operator()(const DeletePermission& c) const {
    return {c.vhost, "delete permission of " + quoted(c.user)};
  }
  To operator()(const PutTopicPermission& c) const {
    const TopicPermissionSpec& p = c.permission;
    return {p.vhost, "put topic permission of " + quoted(p.user) + " for exchange " + quoted(p.exchange) +
                         " (write " + quoted(p.write) + ", read " + quoted(p.read) + ")"};
  }
  To operator()(const DeleteTopicPermission& c) const {
    return {c.vhost, "delete topic permission of " + quoted(c.user) + " for exchange " + quoted(c.exchange)};
  }
  To operator()(const PutPolicy& c) const {
    return {c.policy.vhost,
            "put " + policy_text(c.policy.is_operator, c.policy.name) + " for " + quoted(c.policy.pattern)};
  }
  To operator()(const DeletePolicy& c) const {
    return {c.vhost, "delete " + policy_text(c.is_operator, c.name)};
  }
  To operator()(const PutLimit& c) const {
    const std::string whose = (c.limit.of_user ? "user " : "vhost ") + quoted(c.limit.subject);
    const std::string what = c.limit.limit + " of " + whose;
    if (c.limit.value < 0) return {c.limit.of_user ? "" : c.limit.subject, "delete limit " + what};
    return {c.limit.of_user ? "" : c.limit.subject,
            "put limit " + what + ": " + std::to_string(c.limit.value)};
  }
  To operator()(const NextQueueId&) const { return {}; }
  // Their values are plug-ins', and may hold addresses with passwords.
  To operator()(const PutParameter& c) const {
    return {c.parameter.vhost,
            "put parameter " + quoted(c.parameter.component) + " " + quoted(c.parameter.name)};
  }
  To operator()(const DeleteParameter& c) const {
    return {c.vhost, "delete parameter " + quoted(c.component) + " " + quoted(c.name)};
  }
  To operator()(const ProtectVhost& c) const {
    return {c.name, std::string(c.is_protected ? "protect" : "unprotect") + " vhost " + quoted(c.name)};
  }
};

}  // namespace

ChangeDescription describe(const Change& change) {
  return std::visit(Describe(), change);
}

}  // namespace millrace::broker
