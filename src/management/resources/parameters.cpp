// Limits, and what RabbitMQ calls parameters: /api/vhost-limits, /api/user-limits, /api/parameters,
// /api/global-parameters
//
// Of the parameters this broker acts on vhost-limits alone, which are limits here. All others belong to
// plug-ins of RabbitMQ's, and are kept for the tools that read them.
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <optional>

#include "base/utf8.hpp"
#include "broker/limits.hpp"
#include "management/fields.hpp"
#include "management/items.hpp"
#include "management/listing.hpp"

namespace millrace::management {
namespace parameter {
namespace {

namespace json = boost::json;

constexpr std::string_view kVhostLimits = "vhost-limits";

json::object limits_item(const Api& api, bool of_user, const std::string& subject) {
  json::object item;
  item[of_user ? "user" : "vhost"] = as_utf8(subject);
  item["value"] = limit_values(api.model().definitions(), of_user, subject);
  return item;
}

void add_limits(const Api& api, bool of_user, const std::string& subject, std::vector<json::object>& items) {
  json::object item = limits_item(api, of_user, subject);
  if (!item["value"].get_object().empty()) items.push_back(std::move(item));
}

void list_vhost_limits(Api& api, const CallRef& call) {
  std::vector<json::object> items;
  const std::string* one = call->find_name("vhost");
  for (const auto* vhost : api.model().vhosts_seen_by(call->subject)) {
    if (one == nullptr || *one == vhost->spec.name) add_limits(api, false, vhost->spec.name, items);
  }
  reply(call, list_answer(*call, std::move(items)));
}

void list_user_limits(Api& api, const CallRef& call) {
  std::vector<json::object> items;
  const std::string* one = call->find_name("user");
  if (one != nullptr && api.model().find_user(*one) == nullptr) return reply(call, nothing_there());
  for (const auto& [name, user] : api.model().definitions().users()) {
    if (one == nullptr || *one == name) add_limits(api, true, name, items);
  }
  reply(call, list_answer(*call, std::move(items)));
}

template <bool kOfUser>
void put_limit(Api& api, const CallRef& call) {
  auto body = json_body(*call);
  if (body.has_error()) return reply(call, refusal(body.error()));
  Fields fields(*body);
  if (fields.find("value") == nullptr) (void)fields.text("value");
  const std::int64_t value = fields.number("value", -1);
  if (auto bad = fields.error()) return reply(call, refusal(*bad));
  const std::string& limit = call->name("limit");
  if (!broker::is_limit(kOfUser, limit))
    return reply(call, refusal(400, "bad_request", "Unrecognised limit: " + limit));
  const std::string& subject = call->name(kOfUser ? "user" : "vhost");
  api.core().change(call->subject, {broker::PutLimit{{kOfUser, subject, limit, value}}},
                    [call](result<void> outcome) { reply_done(call, outcome); });
}

template <bool kOfUser>
void remove_limit(Api& api, const CallRef& call) {
  const std::string& subject = call->name(kOfUser ? "user" : "vhost");
  api.core().change(call->subject, {broker::PutLimit{{kOfUser, subject, call->name("limit"), -1}}},
                    [call](result<void> outcome) { reply_done(call, outcome); });
}

// Those have routes of their own, with the rights and the checks that they need.
bool has_own_routes(std::string_view component) {
  return component == kVhostLimits || component == "policy" || component == "operator_policy";
}

std::optional<json::object> limits_parameter(const Api& api, const std::string& vhost) {
  json::object values = limit_values(api.model().definitions(), false, vhost);
  if (values.empty()) return std::nullopt;
  json::object item;
  item["vhost"] = as_utf8(vhost);
  item["component"] = kVhostLimits;
  item["name"] = "limits";
  item["value"] = std::move(values);
  return item;
}

void list_parameters(Api& api, const CallRef& call) {
  std::vector<json::object> items;
  const std::string* component = call->find_name("component");
  const std::string* one = call->find_name("vhost");
  for (const auto* vhost : api.model().vhosts_seen_by(call->subject)) {
    const std::string& name = vhost->spec.name;
    if (one != nullptr && *one != name) continue;
    for (const auto& parameter : api.model().definitions().parameters()) {
      const bool wanted = component == nullptr || *component == parameter.component;
      if (parameter.vhost == name && wanted) items.push_back(parameter_item(parameter));
    }
    if (component != nullptr && *component != kVhostLimits) continue;
    if (auto limits = limits_parameter(api, name)) items.push_back(std::move(*limits));
  }
  reply(call, list_answer(*call, std::move(items)));
}

void list_global(Api& api, const CallRef& call) {
  std::vector<json::object> items;
  for (const auto& parameter : api.model().definitions().parameters()) {
    if (parameter.vhost.empty()) items.push_back(parameter_item(parameter));
  }
  reply(call, list_answer(*call, std::move(items)));
}

std::string or_empty(const std::string* text) {
  return text == nullptr ? std::string() : *text;
}

const broker::ParameterSpec* find(const Api& api, const Call& call) {
  return api.model().find_parameter(or_empty(call.find_name("vhost")), or_empty(call.find_name("component")),
                                    call.name("name"));
}

void show_parameter(Api& api, const CallRef& call) {
  if (or_empty(call->find_name("component")) == kVhostLimits && call->name("name") == "limits") {
    const auto limits = limits_parameter(api, call->name("vhost"));
    return reply(call, limits ? object_answer(*call, *limits) : nothing_there());
  }
  const broker::ParameterSpec* parameter = find(api, *call);
  if (parameter == nullptr) return reply(call, nothing_there());
  reply(call, object_answer(*call, parameter_item(*parameter)));
}

bool refuse_component(const CallRef& call) {
  const std::string component = or_empty(call->find_name("component"));
  if (!has_own_routes(component)) return false;
  reply(call, refusal(400, "bad_request",
                      "component " + component + " is not changed by this route: it has one of its own"));
  return true;
}

void put_parameter(Api& api, const CallRef& call) {
  if (refuse_component(call)) return;
  auto body = json_body(*call);
  if (body.has_error()) return reply(call, refusal(body.error()));
  const json::value* value = body->if_contains("value");
  if (value == nullptr) return reply(call, refusal(400, "bad_request", "key_missing: value"));
  broker::ParameterSpec parameter{or_empty(call->find_name("vhost")), or_empty(call->find_name("component")),
                                  call->name("name"), json::serialize(*value)};
  const bool is_new = find(api, *call) == nullptr;
  api.core().change(call->subject, {broker::PutParameter{std::move(parameter)}},
                    [call, is_new](result<void> outcome) {
                      if (outcome.has_error()) return reply(call, refusal(outcome.error()));
                      reply(call, put_answer(is_new));
                    });
}

void remove_parameter(Api& api, const CallRef& call) {
  if (refuse_component(call)) return;
  const broker::ParameterSpec* parameter = find(api, *call);
  if (parameter == nullptr) return reply(call, nothing_there());
  api.core().change(call->subject,
                    {broker::DeleteParameter{parameter->vhost, parameter->component, parameter->name}},
                    [call](result<void> outcome) { reply_done(call, outcome); });
}

constexpr Route kRoutes[] = {
    {"GET", "/vhost-limits", Door::anybody, list_vhost_limits},
    {"GET", "/vhost-limits/:vhost", Door::vhost_to_look, list_vhost_limits},
    {"PUT", "/vhost-limits/:vhost/:limit", Door::administrator, put_limit<false>},
    {"DELETE", "/vhost-limits/:vhost/:limit", Door::administrator, remove_limit<false>},
    {"GET", "/user-limits", Door::administrator, list_user_limits},
    {"GET", "/user-limits/:user", Door::administrator, list_user_limits},
    {"PUT", "/user-limits/:user/:limit", Door::administrator, put_limit<true>},
    {"DELETE", "/user-limits/:user/:limit", Door::administrator, remove_limit<true>},
    {"GET", "/parameters", Door::policymaker, list_parameters},
    {"GET", "/parameters/:component", Door::policymaker, list_parameters},
    {"GET", "/parameters/:component/:vhost", Door::policymaker, list_parameters},
    {"GET", "/parameters/:component/:vhost/:name", Door::policymaker, show_parameter},
    {"PUT", "/parameters/:component/:vhost/:name", Door::policymaker, put_parameter},
    {"DELETE", "/parameters/:component/:vhost/:name", Door::policymaker, remove_parameter},
    {"GET", "/global-parameters", Door::policymaker, list_global},
    {"GET", "/global-parameters/:name", Door::policymaker, show_parameter},
    {"PUT", "/global-parameters/:name", Door::policymaker, put_parameter},
    {"DELETE", "/global-parameters/:name", Door::policymaker, remove_parameter},
};

}  // namespace
}  // namespace parameter

std::span<const Route> parameter_routes() {
  return parameter::kRoutes;
}

}  // namespace millrace::management
