// /api/permissions and /api/topic-permissions
#include <boost/json/value.hpp>

#include "management/fields.hpp"
#include "management/items.hpp"
#include "management/listing.hpp"

namespace millrace::management {
namespace permission {
namespace {

namespace json = boost::json;

void list(Api& api, const CallRef& call) {
  std::vector<json::object> items;
  for (const auto& permission : api.model().definitions().permissions()) {
    items.push_back(permission_item(permission));
  }
  reply(call, list_answer(*call, std::move(items)));
}

const broker::PermissionSpec* find(const Api& api, const Call& call) {
  for (const auto& permission : api.model().definitions().permissions()) {
    if (permission.user == call.name("user") && permission.vhost == call.name("vhost")) return &permission;
  }
  return nullptr;
}

void show(Api& api, const CallRef& call) {
  const auto* permission = find(api, *call);
  if (permission == nullptr) return reply(call, nothing_there());
  reply(call, object_answer(*call, permission_item(*permission)));
}

// RabbitMQ's words for what a permission refers to and is not there.
bool refers_to_nothing(const Api& api, const CallRef& call) {
  if (api.model().find_vhost(call->name("vhost")) == nullptr) {
    reply(call, refusal(404, "not_found", "vhost_not_found"));
    return true;
  }
  if (api.model().find_user(call->name("user")) == nullptr) {
    reply(call, refusal(400, "bad_request", "user_not_found"));
    return true;
  }
  return false;
}

void put(Api& api, const CallRef& call) {
  auto body = json_body(*call);
  if (body.has_error()) return reply(call, refusal(body.error()));
  Fields fields(*body);
  broker::PermissionSpec permission{call->name("user"), call->name("vhost"), fields.text("configure"),
                                    fields.text("write"), fields.text("read")};
  if (auto bad = fields.error()) return reply(call, refusal(*bad));
  if (refers_to_nothing(api, call)) return;
  const bool is_new = find(api, *call) == nullptr;
  api.core().change(call->subject, {broker::PutPermission{std::move(permission)}},
                    [call, is_new](result<void> outcome) {
                      if (outcome.has_error()) return reply(call, refusal(outcome.error()));
                      reply(call, put_answer(is_new));
                    });
}

void remove(Api& api, const CallRef& call) {
  if (find(api, *call) == nullptr) return reply(call, nothing_there());
  api.core().change(call->subject, {broker::DeletePermission{call->name("user"), call->name("vhost")}},
                    [call](result<void> outcome) { reply_done(call, outcome); });
}

void list_topic(Api& api, const CallRef& call) {
  std::vector<json::object> items;
  for (const auto& permission : api.model().definitions().topic_permissions()) {
    items.push_back(topic_permission_item(permission));
  }
  reply(call, list_answer(*call, std::move(items)));
}

std::vector<json::object> find_topic(const Api& api, const Call& call) {
  std::vector<json::object> items;
  for (const auto& permission : api.model().definitions().topic_permissions()) {
    if (permission.user == call.name("user") && permission.vhost == call.name("vhost")) {
      items.push_back(topic_permission_item(permission));
    }
  }
  return items;
}

void show_topic(Api& api, const CallRef& call) {
  auto items = find_topic(api, *call);
  if (items.empty()) return reply(call, nothing_there());
  reply(call, list_answer(*call, std::move(items)));
}

void put_topic(Api& api, const CallRef& call) {
  auto body = json_body(*call);
  if (body.has_error()) return reply(call, refusal(body.error()));
  Fields fields(*body);
  broker::TopicPermissionSpec permission{call->name("user"), call->name("vhost"), fields.text("exchange"),
                                         fields.text("write"), fields.text("read")};
  if (auto bad = fields.error()) return reply(call, refusal(*bad));
  if (refers_to_nothing(api, call)) return;
  const bool is_new = find_topic(api, *call).empty();
  api.core().change(call->subject, {broker::PutTopicPermission{std::move(permission)}},
                    [call, is_new](result<void> outcome) {
                      if (outcome.has_error()) return reply(call, refusal(outcome.error()));
                      reply(call, put_answer(is_new));
                    });
}

// Without an exchange in the path all of the user's in the vhost go.
void remove_topic(Api& api, const CallRef& call) {
  std::vector<broker::Change> changes;
  const std::string* exchange = call->find_name("exchange");
  for (const auto& permission : api.model().definitions().topic_permissions()) {
    if (permission.user != call->name("user") || permission.vhost != call->name("vhost")) continue;
    if (exchange != nullptr && *exchange != permission.exchange) continue;
    changes.push_back(broker::DeleteTopicPermission{permission.user, permission.vhost, permission.exchange});
  }
  if (changes.empty()) return reply(call, nothing_there());
  api.core().change(call->subject, std::move(changes),
                    [call](result<void> outcome) { reply_done(call, outcome); });
}

constexpr Route kRoutes[] = {
    {"GET", "/permissions", Door::administrator, list},
    {"GET", "/permissions/:vhost/:user", Door::administrator, show},
    {"PUT", "/permissions/:vhost/:user", Door::administrator, put},
    {"DELETE", "/permissions/:vhost/:user", Door::administrator, remove},
    {"GET", "/topic-permissions", Door::administrator, list_topic},
    {"GET", "/topic-permissions/:vhost/:user", Door::administrator, show_topic},
    {"PUT", "/topic-permissions/:vhost/:user", Door::administrator, put_topic},
    {"DELETE", "/topic-permissions/:vhost/:user", Door::administrator, remove_topic},
    {"DELETE", "/topic-permissions/:vhost/:user/:exchange", Door::administrator, remove_topic},
};

}  // namespace
}  // namespace permission

std::span<const Route> permission_routes() {
  return permission::kRoutes;
}

}  // namespace millrace::management
