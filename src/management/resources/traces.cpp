// /api/millrace/traces: following messages. Not of RabbitMQ's API.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "base/number.hpp"
#include "base/utf8.hpp"
#include "management/fields.hpp"
#include "management/items.hpp"
#include "management/json_values.hpp"

namespace millrace::management {
namespace trace {
namespace {

namespace json = boost::json;

void start(Api& api, const CallRef& call) {
  auto body = json_body(*call);
  if (body.has_error()) return reply(call, refusal(body.error()));
  Fields fields(*body);
  broker::TraceFilter filter;
  filter.vhost = fields.optional_text("vhost").value_or("");
  filter.message_id = fields.optional_text("message_id");
  filter.correlation_id = fields.optional_text("correlation_id");
  filter.routing_key = fields.optional_text("routing_key");
  if (auto bad = fields.error()) return reply(call, refusal(*bad));
  if (!filter.message_id && !filter.correlation_id && !filter.routing_key) {
    return reply(call, refusal(400, "bad_request", "give a message_id, a correlation_id or a routing_key"));
  }
  for (const auto* text : {&filter.message_id, &filter.correlation_id, &filter.routing_key}) {
    if (*text && (*text)->size() > 255) {
      return reply(call, refusal(400, "bad_request", "what to look for has at most 255 bytes"));
    }
  }
  if (!filter.vhost.empty() && api.model().find_vhost(filter.vhost) == nullptr) {
    return reply(call, refusal(404, "not_found", "vhost_not_found"));
  }
  api.core().start_trace(call->subject, std::move(filter), [call](result<std::uint64_t> id) {
    if (id.has_error()) return reply(call, refusal(id.error()));
    Answer answer = json_answer(json::object{{"id", *id}});
    answer.status = 201;
    reply(call, std::move(answer));
  });
}

json::object item_of(const broker::TraceEvent& event) {
  const auto text = [](std::string_view of) { return json::string(as_utf8(of)); };
  json::array targets;
  for (const std::string& target : event.targets) targets.push_back(text(target));
  json::object item;
  item["at_us"] = event.at_us;
  item["step"] = json::string(broker::to_string(event.step));
  item["vhost"] = text(event.vhost);
  item["exchange"] = text(event.exchange);
  item["routing_key"] = text(event.routing_key);
  item["queue"] = text(event.queue);
  item["targets"] = std::move(targets);
  item["message_id"] = text(event.message_id);
  item["correlation_id"] = text(event.correlation_id);
  item["peer"] = text(event.peer);
  item["user"] = text(event.user);
  item["seq"] = event.seq;
  item["redelivered"] = event.redelivered;
  item["body_bytes"] = event.body_bytes;
  return item;
}

void read(Api& api, const CallRef& call) {
  const auto id = whole_number<std::uint64_t>(call->name("id"));
  const std::string* from = call->target.find("after");
  const auto after = whole_number<std::uint64_t>(from != nullptr ? *from : "0");
  if (!id) return reply(call, nothing_there());
  if (!after) return reply(call, refusal(400, "bad_request", "after must be a number"));
  api.core().read_trace(call->subject, *id, *after, [call](result<broker::Management::TraceRead> outcome) {
    if (outcome.has_error()) return reply(call, refusal(outcome.error()));
    json::array events;
    for (const broker::TraceEvent& event : outcome->events) events.push_back(item_of(event));
    reply(call, json_answer(json::object{
                    {"events", std::move(events)}, {"missed", outcome->missed}, {"next", outcome->next}}));
  });
}

void end(Api& api, const CallRef& call) {
  const auto id = whole_number<std::uint64_t>(call->name("id"));
  if (!id) return reply(call, nothing_there());
  api.core().end_trace(call->subject, *id, [call](result<void> outcome) { reply_done(call, outcome); });
}

constexpr Route kRoutes[] = {
    {"POST", "/millrace/traces", Door::monitoring, start},
    {"GET", "/millrace/traces/:id", Door::monitoring, read},
    {"DELETE", "/millrace/traces/:id", Door::monitoring, end},
};

}  // namespace
}  // namespace trace

std::span<const Route> trace_routes() {
  return trace::kRoutes;
}

}  // namespace millrace::management
