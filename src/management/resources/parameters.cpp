// Limits, and what RabbitMQ calls parameters: /api/vhost-limits, /api/user-limits, /api/parameters,
// /api/global-parameters
//
// Of the parameters this broker has one component, vhost-limits; all others belong to plug-ins of RabbitMQ's.
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "management/fields.hpp"
#include "management/items.hpp"
#include "management/listing.hpp"

namespace millrace::management {
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
  const bool known = limit == "max-connections" || limit == (kOfUser ? "max-channels" : "max-queues");
  if (!known) return reply(call, refusal(400, "bad_request", "Unrecognised limit: " + limit));
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

void list_parameters(Api& api, const CallRef& call) {
  std::vector<json::object> items;
  const std::string* component = call->find_name("component");
  const std::string* one = call->find_name("vhost");
  for (const auto* vhost : api.model().vhosts_seen_by(call->subject)) {
    if (component != nullptr && *component != kVhostLimits) break;
    if (one != nullptr && *one != vhost->spec.name) continue;
    json::object values = limit_values(api.model().definitions(), false, vhost->spec.name);
    if (values.empty()) continue;
    json::object item;
    item["component"] = kVhostLimits;
    item["name"] = "limits";
    item["value"] = std::move(values);
    item["vhost"] = as_utf8(vhost->spec.name);
    items.push_back(std::move(item));
  }
  reply(call, list_answer(*call, std::move(items)));
}

void no_parameter(Api&, const CallRef& call) {
  reply(call, nothing_there());
}

void refuse_parameter(Api&, const CallRef& call) {
  const std::string* component = call->find_name("component");
  reply(call,
        refusal(400, "bad_request",
                component == nullptr ? "global parameters are not kept"
                                     : "Validation failed\n\ncomponent " + *component + " not found\n"));
}

void list_nothing(Api&, const CallRef& call) {
  reply(call, list_answer(*call, {}));
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
    {"GET", "/parameters/:component/:vhost/:name", Door::policymaker, no_parameter},
    {"PUT", "/parameters/:component/:vhost/:name", Door::policymaker, refuse_parameter},
    {"DELETE", "/parameters/:component/:vhost/:name", Door::policymaker, no_parameter},
    {"GET", "/global-parameters", Door::policymaker, list_nothing},
    {"GET", "/global-parameters/:name", Door::policymaker, no_parameter},
    {"PUT", "/global-parameters/:name", Door::administrator, refuse_parameter},
    {"DELETE", "/global-parameters/:name", Door::administrator, no_parameter},
};

}  // namespace

std::span<const Route> parameter_routes() {
  return kRoutes;
}

}  // namespace millrace::management
