// /api/vhosts and /api/vhost-limits
#include <boost/json/value.hpp>

#include "management/fields.hpp"
#include "management/items.hpp"
#include "management/listing.hpp"

namespace millrace::management {
namespace vhost {
namespace {

namespace json = boost::json;

void list(Api& api, const CallRef& call) {
  api.with_figures(call, [&api, call](const Figures& figures) {
    std::vector<json::object> items;
    for (const auto* vhost : api.model().vhosts_seen_by(call->subject)) {
      items.push_back(vhost_item(api, *vhost, figures));
    }
    reply(call, list_answer(*call, std::move(items)));
  });
}

void show(Api& api, const CallRef& call) {
  api.with_figures(call, [&api, call](const Figures& figures) {
    const auto* vhost = api.model().find_vhost(call->name("vhost"));
    if (vhost == nullptr) return reply(call, nothing_there());
    reply(call, object_answer(*call, vhost_item(api, *vhost, figures)));
  });
}

// Whoever makes a vhost may use it, as with RabbitMQ.
void put(Api& api, const CallRef& call) {
  auto body = json_body(*call);
  if (body.has_error()) return reply(call, refusal(body.error()));
  Fields fields(*body);
  const auto* there = api.model().find_vhost(call->name("vhost"));
  broker::VhostSpec spec =
      there != nullptr ? there->spec : broker::VhostSpec{call->name("vhost"), {}, {}, {}};
  if (auto description = fields.optional_text("description")) spec.description = *description;
  if (fields.find("tags") != nullptr) spec.tags = fields.tags("tags");
  if (auto type = fields.optional_text("default_queue_type")) spec.default_queue_type = *type;
  if (spec.default_queue_type == "undefined") spec.default_queue_type.clear();
  const bool names_tracing = fields.find("tracing") != nullptr;
  const bool tracing = fields.flag("tracing", false);
  if (auto bad = fields.error()) return reply(call, refusal(*bad));
  std::vector<broker::Change> changes;
  changes.push_back(broker::PutVhost{std::move(spec)});
  const bool is_new = there == nullptr;
  if (is_new) {
    changes.push_back(broker::PutPermission{{call->subject.user, call->name("vhost"), ".*", ".*", ".*"}});
  }
  api.core().change(call->subject, std::move(changes),
                    [&api, call, is_new, names_tracing, tracing](result<void> outcome) {
                      if (outcome.has_error()) return reply(call, refusal(outcome.error()));
                      if (!names_tracing) return reply(call, put_answer(is_new));
                      api.core().set_firehose(call->subject, call->name("vhost"), tracing,
                                              [call, is_new](result<void> set) {
                                                if (set.has_error()) return reply(call, refusal(set.error()));
                                                reply(call, put_answer(is_new));
                                              });
                    });
}

void remove(Api& api, const CallRef& call) {
  if (api.model().find_vhost(call->name("vhost")) == nullptr) return reply(call, nothing_there());
  api.core().change(call->subject, {broker::DeleteVhost{call->name("vhost")}}, [call](result<void> outcome) {
    const bool is_protected = outcome.has_error() && outcome.error().code == Errc::precondition_failed;
    if (is_protected) return reply(call, refusal(412, "precondition_failed", outcome.error().text));
    reply_done(call, outcome);
  });
}

void protect(Api& api, const CallRef& call) {
  const std::string& vhost = call->name("vhost");
  if (api.model().find_vhost(vhost) == nullptr) return reply(call, nothing_there());
  const bool is_protected = call->method == "POST";
  api.core().change(call->subject, {broker::ProtectVhost{vhost, is_protected}},
                    [call](result<void> outcome) { reply_done(call, outcome); });
}

void list_permissions(Api& api, const CallRef& call) {
  if (api.model().find_vhost(call->name("vhost")) == nullptr) return reply(call, nothing_there());
  std::vector<json::object> items;
  for (const auto& permission : api.model().definitions().permissions()) {
    if (permission.vhost == call->name("vhost")) items.push_back(permission_item(permission));
  }
  reply(call, list_answer(*call, std::move(items)));
}

void list_topic_permissions(Api& api, const CallRef& call) {
  if (api.model().find_vhost(call->name("vhost")) == nullptr) return reply(call, nothing_there());
  std::vector<json::object> items;
  for (const auto& permission : api.model().definitions().topic_permissions()) {
    if (permission.vhost == call->name("vhost")) items.push_back(topic_permission_item(permission));
  }
  reply(call, list_answer(*call, std::move(items)));
}

// A node that runs runs all its vhosts.
void start(Api& api, const CallRef& call) {
  if (api.model().find_vhost(call->name("vhost")) == nullptr) return reply(call, nothing_there());
  reply(call, put_answer(false));
}

constexpr Route kRoutes[] = {
    {"GET", "/vhosts", Door::anybody, list},
    {"GET", "/vhosts/:vhost", Door::vhost_to_look, show},
    {"PUT", "/vhosts/:vhost", Door::administrator, put},
    {"DELETE", "/vhosts/:vhost", Door::administrator, remove},
    {"POST", "/vhosts/:vhost/deletion/protection", Door::administrator, protect},
    {"DELETE", "/vhosts/:vhost/deletion/protection", Door::administrator, protect},
    {"GET", "/vhosts/:vhost/permissions", Door::administrator, list_permissions},
    {"GET", "/vhosts/:vhost/topic-permissions", Door::administrator, list_topic_permissions},
    {"POST", "/vhosts/:vhost/start/:node", Door::administrator, start},
};

}  // namespace
}  // namespace vhost

std::span<const Route> vhost_routes() {
  return vhost::kRoutes;
}

}  // namespace millrace::management
