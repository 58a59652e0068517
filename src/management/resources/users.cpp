// /api/users, /api/whoami and /api/user-limits
#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "broker/access/password.hpp"
#include "management/fields.hpp"
#include "management/items.hpp"
#include "management/listing.hpp"

namespace millrace::management {
namespace user {
namespace {

namespace json = boost::json;

void whoami(Api& api, const CallRef& call) {
  json::object item = user_item({call->subject.user, {}, call->subject.tags}, api.model().definitions());
  item.erase("limits");
  reply(call, json_answer(item));
}

// Tools want the fields of a hash. What a password is verified by is in no list.
json::object shown_user(const Api& api, const broker::UserSpec& user) {
  json::object item = user_item(user, api.model().definitions());
  item["password_hash"] = "";
  item["hashing_algorithm"] = "rabbit_password_hashing_sha256";
  return item;
}

void list(Api& api, const CallRef& call) {
  std::vector<json::object> items;
  for (const auto& [name, user] : api.model().definitions().users()) {
    items.push_back(shown_user(api, user));
  }
  reply(call, list_answer(*call, std::move(items)));
}

void list_without_permissions(Api& api, const CallRef& call) {
  std::vector<json::object> items;
  for (const auto& [name, user] : api.model().definitions().users()) {
    const auto& all = api.model().definitions().permissions();
    const bool has =
        std::any_of(all.begin(), all.end(), [&name = name](const auto& p) { return p.user == name; });
    if (!has) items.push_back(shown_user(api, user));
  }
  reply(call, list_answer(*call, std::move(items)));
}

void show(Api& api, const CallRef& call) {
  const broker::UserSpec* user = api.model().find_user(call->name("user"));
  if (user == nullptr) return reply(call, nothing_there());
  reply(call, object_answer(*call, shown_user(api, *user)));
}

// By RabbitMQ's tag: this API leaves such a user as it is.
bool is_protected(const Api& api, std::string_view name) {
  const broker::UserSpec* user = api.model().find_user(name);
  return user != nullptr && std::find(user->tags.begin(), user->tags.end(), "protected") != user->tags.end();
}

Answer protected_refusal() {
  return refusal(400, "bad_request", "Protected users cannot be modified via the HTTP API");
}

// A password is stretched here, on the API's own thread: some 30 ms that nobody else waits for.
void put(Api& api, const CallRef& call) {
  if (is_protected(api, call->name("user"))) return reply(call, protected_refusal());
  auto body = json_body(*call);
  if (body.has_error()) return reply(call, refusal(body.error()));
  Fields fields(*body);
  broker::UserSpec user;
  user.name = call->name("user");
  user.tags = fields.tags("tags");
  if (fields.find("tags") == nullptr) (void)fields.text("tags");
  const auto hash = fields.optional_text("password_hash");
  const auto algorithm = fields.optional_text("hashing_algorithm").value_or("rabbit_password_hashing_sha256");
  const auto password = fields.optional_text("password");
  if (auto bad = fields.error()) return reply(call, refusal(*bad));
  // As with RabbitMQ an empty one is that of a user without a password.
  if (hash && !hash->empty()) {
    auto stored = broker::import_rabbitmq_hash(algorithm, *hash);
    if (stored.has_error()) return reply(call, refusal(stored.error()));
    user.password = std::move(*stored);
  } else if (password && !password->empty()) {
    if (password->size() > broker::kMaxPasswordBytes) {
      return reply(call, refusal(400, "bad_request", "the password is too long"));
    }
    std::array<std::uint8_t, 16> salt{};
    api.options().random(salt);
    user.password = broker::hash_password(*password, salt);
  } else if (password) {
    return reply(call, refusal(400, "bad_request",
                               "the password must not be empty; without one the user "
                               "cannot log in by password"));
  }
  const bool is_new = api.model().find_user(user.name) == nullptr;
  api.core().change(call->subject, {broker::PutUser{std::move(user)}}, [call, is_new](result<void> outcome) {
    if (outcome.has_error()) return reply(call, refusal(outcome.error()));
    reply(call, put_answer(is_new));
  });
}

void remove(Api& api, const CallRef& call) {
  if (api.model().find_user(call->name("user")) == nullptr) return reply(call, nothing_there());
  if (is_protected(api, call->name("user"))) return reply(call, protected_refusal());
  api.core().change(call->subject, {broker::DeleteUser{call->name("user")}},
                    [call](result<void> outcome) { reply_done(call, outcome); });
}

// Protected ones stay, and nothing is said of them, as with RabbitMQ.
void remove_many(Api& api, const CallRef& call) {
  auto body = json_body(*call);
  if (body.has_error()) return reply(call, refusal(body.error()));
  const json::value* names = body->if_contains("users");
  std::vector<broker::Change> changes;
  if (names == nullptr || !names->is_array()) {
    return reply(call, refusal(400, "bad_request", "key_missing: users"));
  }
  for (const json::value& name : names->get_array()) {
    if (!name.is_string()) return reply(call, refusal(400, "bad_request", "'users' must be a list of texts"));
    if (is_protected(api, name.get_string())) continue;
    changes.push_back(broker::DeleteUser{std::string(name.get_string())});
  }
  api.core().change(call->subject, std::move(changes),
                    [call](result<void> outcome) { reply_done(call, outcome); });
}

void list_permissions(Api& api, const CallRef& call) {
  if (api.model().find_user(call->name("user")) == nullptr) return reply(call, nothing_there());
  std::vector<json::object> items;
  for (const auto& permission : api.model().definitions().permissions()) {
    if (permission.user == call->name("user")) items.push_back(permission_item(permission));
  }
  reply(call, list_answer(*call, std::move(items)));
}

void list_topic_permissions(Api& api, const CallRef& call) {
  if (api.model().find_user(call->name("user")) == nullptr) return reply(call, nothing_there());
  std::vector<json::object> items;
  for (const auto& permission : api.model().definitions().topic_permissions()) {
    if (permission.user == call->name("user")) items.push_back(topic_permission_item(permission));
  }
  reply(call, list_answer(*call, std::move(items)));
}

constexpr Route kRoutes[] = {
    {"GET", "/whoami", Door::anybody, whoami},
    {"GET", "/users", Door::administrator, list},
    {"GET", "/users/without-permissions", Door::administrator, list_without_permissions},
    {"POST", "/users/bulk-delete", Door::administrator, remove_many},
    {"GET", "/users/:user", Door::administrator, show},
    {"PUT", "/users/:user", Door::administrator, put},
    {"DELETE", "/users/:user", Door::administrator, remove},
    {"GET", "/users/:user/permissions", Door::administrator, list_permissions},
    {"GET", "/users/:user/topic-permissions", Door::administrator, list_topic_permissions},
};

}  // namespace
}  // namespace user

std::span<const Route> user_routes() {
  return user::kRoutes;
}

}  // namespace millrace::management
