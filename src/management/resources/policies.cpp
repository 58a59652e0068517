// /api/policies and /api/operator-policies
#include <boost/json/value.hpp>

#include "management/fields.hpp"
#include "management/items.hpp"
#include "management/listing.hpp"

namespace millrace::management {
namespace policy {
namespace {

namespace json = boost::json;

template <bool kOperator>
const auto& policies_of(const broker::VhostDefinitions& vhost) {
  if constexpr (kOperator) {
    return vhost.operator_policies;
  } else {
    return vhost.policies;
  }
}

template <bool kOperator>
void list_all(Api& api, const CallRef& call) {
  std::vector<json::object> items;
  for (const auto* vhost : api.model().vhosts_seen_by(call->subject)) {
    for (const auto& [name, policy] : policies_of<kOperator>(*vhost)) items.push_back(policy_item(policy));
  }
  reply(call, list_answer(*call, std::move(items)));
}

template <bool kOperator>
void list_vhost(Api& api, const CallRef& call) {
  std::vector<json::object> items;
  for (const auto& [name, policy] : policies_of<kOperator>(*api.model().find_vhost(call->name("vhost")))) {
    items.push_back(policy_item(policy));
  }
  reply(call, list_answer(*call, std::move(items)));
}

template <bool kOperator>
const broker::PolicySpec* find(const Api& api, const Call& call) {
  const auto* vhost = api.model().find_vhost(call.name("vhost"));
  if (vhost == nullptr) return nullptr;
  const auto found = policies_of<kOperator>(*vhost).find(call.name("name"));
  return found == policies_of<kOperator>(*vhost).end() ? nullptr : &found->second;
}

template <bool kOperator>
void show(Api& api, const CallRef& call) {
  const auto* policy = find<kOperator>(api, *call);
  if (policy == nullptr) return reply(call, nothing_there());
  reply(call, object_answer(*call, policy_item(*policy)));
}

template <bool kOperator>
void put(Api& api, const CallRef& call) {
  auto body = json_body(*call);
  if (body.has_error()) return reply(call, refusal(body.error()));
  Fields fields(*body);
  broker::PolicySpec policy;
  policy.vhost = call->name("vhost");
  policy.name = call->name("name");
  policy.pattern = fields.text("pattern");
  policy.apply_to = fields.optional_text("apply-to").value_or(kOperator ? "queues" : "all");
  policy.priority = fields.number("priority", 0);
  if (fields.find("definition") == nullptr) (void)fields.text("definition");
  policy.definition = fields.arguments("definition");
  policy.is_operator = kOperator;
  if (auto bad = fields.error()) return reply(call, refusal(*bad));
  if (api.model().find_vhost(policy.vhost) == nullptr) {
    return reply(call, refusal(404, "not_found", "vhost_not_found"));
  }
  if (policy.definition.empty()) return reply(call, refusal(400, "bad_request", "no policy provided"));
  const bool is_new = find<kOperator>(api, *call) == nullptr;
  api.core().change(call->subject, {broker::PutPolicy{std::move(policy)}},
                    [call, is_new](result<void> outcome) {
                      if (outcome.has_error()) return reply(call, refusal(outcome.error()));
                      reply(call, put_answer(is_new));
                    });
}

template <bool kOperator>
void remove(Api& api, const CallRef& call) {
  if (find<kOperator>(api, *call) == nullptr) return reply(call, nothing_there());
  api.core().change(call->subject, {broker::DeletePolicy{call->name("vhost"), call->name("name"), kOperator}},
                    [call](result<void> outcome) { reply_done(call, outcome); });
}

constexpr Route kRoutes[] = {
    {"GET", "/policies", Door::anybody, list_all<false>},
    {"GET", "/policies/:vhost", Door::vhost_to_look, list_vhost<false>},
    {"GET", "/policies/:vhost/:name", Door::vhost_to_look, show<false>},
    {"PUT", "/policies/:vhost/:name", Door::policymaker, put<false>},
    {"DELETE", "/policies/:vhost/:name", Door::policymaker, remove<false>},
    {"GET", "/operator-policies", Door::anybody, list_all<true>},
    {"GET", "/operator-policies/:vhost", Door::vhost_to_look, list_vhost<true>},
    {"GET", "/operator-policies/:vhost/:name", Door::vhost_to_look, show<true>},
    {"PUT", "/operator-policies/:vhost/:name", Door::administrator, put<true>},
    {"DELETE", "/operator-policies/:vhost/:name", Door::administrator, remove<true>},
};

}  // namespace
}  // namespace policy

std::span<const Route> policy_routes() {
  return policy::kRoutes;
}

}  // namespace millrace::management
