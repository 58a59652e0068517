// /api/queues/quorum: the members of quorum queues. Here each has one: this node. RabbitMQ answers 503 to
// what cannot be done.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "management/fields.hpp"
#include "management/items.hpp"

namespace millrace::management {
namespace quorum {
namespace {

namespace json = boost::json;

Answer unavailable(std::string_view reason) {
  return refusal(503, "service_unavailable", reason);
}

// Why the queue has no members to speak of; empty: it has one.
std::string_view why_not_quorum(const broker::QueueSpec& queue) {
  const std::string_view type = queue_type(queue);
  if (type == "quorum") return {};
  return type == "classic" ? "classic_queue_not_supported" : "not_quorum_queue";
}

// There is no log of Raft's, so its numbers are 0.
void show_status(Api& api, const CallRef& call) {
  const broker::QueueSpec* queue = api.model().find_queue(call->name("vhost"), call->name("name"));
  if (queue == nullptr) return reply(call, nothing_there());
  if (const std::string_view why = why_not_quorum(*queue); !why.empty()) {
    Answer failed = json_answer(json::object{{"status", "failed"}, {"reason", why}});
    failed.status = 503;
    return reply(call, std::move(failed));
  }
  json::object member;
  member["Node Name"] = api.options().node_name;
  member["Raft State"] = "leader";
  member["Membership"] = "voter";
  for (const char* number : {"Last Log Index", "Last Written", "Last Applied", "Commit Index",
                             "Snapshot Index", "Term", "Machine Version"}) {
    member[number] = 0;
  }
  reply(call, json_answer(json::array{std::move(member)}));
}

void change_members(Api& api, const CallRef& call) {
  const broker::QueueSpec* queue = api.model().find_queue(call->name("vhost"), call->name("name"));
  if (queue == nullptr) return reply(call, nothing_there());
  auto body = json_body(*call);
  if (body.has_error()) return reply(call, refusal(body.error()));
  Fields fields(*body);
  const bool is_here = fields.text("node") == api.options().node_name;
  if (auto bad = fields.error()) return reply(call, refusal(*bad));
  if (const std::string_view why = why_not_quorum(*queue); !why.empty()) return reply(call, unavailable(why));
  if (call->method == "POST") {
    // Its one member is added anew.
    return reply(call,
                 is_here ? put_answer(false) : unavailable("node_not_running: the cluster is one node"));
  }
  if (is_here) return reply(call, unavailable("last_node: the queue has no other member"));
  Answer not_a_member;
  not_a_member.status = 202;
  reply(call, std::move(not_a_member));
}

// Each quorum queue has a member here.
void grow(Api& api, const CallRef& call) {
  if (call->name("node") != api.options().node_name) return reply(call, nothing_there());
  reply(call, put_answer(false));
}

void shrink(Api& api, const CallRef& call) {
  if (call->name("node") != api.options().node_name) return reply(call, nothing_there());
  reply(call, unavailable("last_node: the queues have no other member"));
}

constexpr Route kRoutes[] = {
    {"GET", "/queues/quorum/:vhost/:name/status", Door::vhost, show_status},
    {"POST", "/queues/quorum/:vhost/:name/replicas/add", Door::administrator_of, change_members},
    {"DELETE", "/queues/quorum/:vhost/:name/replicas/delete", Door::administrator_of, change_members},
    {"POST", "/queues/quorum/replicas/on/:node/grow", Door::administrator, grow},
    {"DELETE", "/queues/quorum/replicas/on/:node/shrink", Door::administrator, shrink},
};

}  // namespace
}  // namespace quorum

std::span<const Route> quorum_routes() {
  return quorum::kRoutes;
}

}  // namespace millrace::management
