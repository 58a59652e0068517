#include "broker/definitions/check_change.hpp"

#include <algorithm>
#include <iterator>

#include "broker/access/pattern.hpp"
#include "broker/queue/arguments.hpp"

namespace millrace::broker {
namespace {

struct Name {
  std::string_view kind;
  std::string_view text;
  bool may_be_empty = false;
};

result<void> check_names(std::initializer_list<Name> names) {
  for (const Name& name : names) {
    if (name.text.empty() && !name.may_be_empty) {
      return fail(Errc::invalid_argument, std::string(name.kind) + " name is empty");
    }
    if (auto ok = check_name_length(name.kind, name.text); ok.has_error()) return ok;
  }
  return {};
}

result<void> check_pattern(std::string_view what, std::string_view pattern) {
  if (Pattern(pattern).valid()) return {};
  return fail(Errc::invalid_argument, "'" + std::string(what) + "' is not a valid regular expression: " +
                                          std::string(pattern.substr(0, 200)));
}

result<void> check(const PermissionSpec& permission) {
  if (auto ok = check_pattern("configure", permission.configure); ok.has_error()) return ok;
  if (auto ok = check_pattern("write", permission.write); ok.has_error()) return ok;
  return check_pattern("read", permission.read);
}

result<void> check(const TopicPermissionSpec& permission) {
  if (auto ok = check_name_length("exchange", permission.exchange); ok.has_error()) return ok;
  if (auto ok = check_pattern("write", permission.write); ok.has_error()) return ok;
  return check_pattern("read", permission.read);
}

result<void> check(const PolicySpec& policy) {
  constexpr std::string_view kTargets[] = {"all",           "exchanges", "queues", "classic_queues",
                                           "quorum_queues", "streams"};
  if (auto ok = check_names({{"policy", policy.name}}); ok.has_error()) return ok;
  if (std::find(std::begin(kTargets), std::end(kTargets), policy.apply_to) == std::end(kTargets)) {
    return fail(Errc::invalid_argument,
                "'apply-to' must be all, exchanges, queues, classic_queues, quorum_queues or streams");
  }
  if (auto ok = check_scheduling_policy(policy); ok.has_error()) return ok;
  return check_pattern("pattern", policy.pattern);
}

result<void> check(const ParameterSpec& parameter) {
  if (auto ok = check_names(
          {{"component", parameter.component, parameter.vhost.empty()}, {"parameter", parameter.name}});
      ok.has_error()) {
    return ok;
  }
  if (parameter.value.size() <= kMaxParameterBytes) return {};
  return fail(Errc::invalid_argument,
              "the value of a parameter may have at most " + std::to_string(kMaxParameterBytes) + " bytes");
}

}  // namespace

result<void> check_name_length(std::string_view kind, std::string_view name) {
  if (name.size() <= kMaxNameBytes) return {};
  return fail(Errc::invalid_argument,
              std::string(kind) + " name is longer than " + std::to_string(kMaxNameBytes) + " bytes");
}

result<void> check_change(const Change& change) {
  if (const auto* c = std::get_if<PutVhost>(&change)) return check_names({{"vhost", c->vhost.name}});
  if (const auto* c = std::get_if<PutUser>(&change)) return check_names({{"user", c->user.name}});
  if (const auto* c = std::get_if<PutExchange>(&change)) {
    return check_names({{"exchange", c->exchange.name, true}});
  }
  if (const auto* c = std::get_if<PutQueue>(&change)) return check_names({{"queue", c->queue->name}});
  if (const auto* c = std::get_if<PutBinding>(&change)) {
    return check_name_length("routing key", c->binding.routing_key);
  }
  if (const auto* c = std::get_if<PutPermission>(&change)) return check(c->permission);
  if (const auto* c = std::get_if<PutTopicPermission>(&change)) return check(c->permission);
  if (const auto* c = std::get_if<PutPolicy>(&change)) return check(c->policy);
  if (const auto* c = std::get_if<PutParameter>(&change)) return check(c->parameter);
  return {};
}

}  // namespace millrace::broker
