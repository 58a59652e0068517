// What an operator does to a running node: /api/millrace/watermarks, /api/millrace/service,
// /api/millrace/reset. Not of RabbitMQ's API, whose tools ask its nodes.
#include <boost/json/object.hpp>

#include "management/fields.hpp"
#include "management/items.hpp"

namespace millrace::management {
namespace operating {
namespace {

namespace json = boost::json;

// By the names that the node's fields have.
void show_watermarks(Api& api, const CallRef& call) {
  api.with_fresh_figures(call, [&api, call](const Figures& figures) {
    json::object item;
    item["mem_limit"] = figures.now->memory_limit_bytes;
    item["mem_total"] = api.options().memory_total();
    item["disk_free_limit"] = figures.now->disk_low_water_bytes;
    reply(call, json_answer(item));
  });
}

// Nothing: it is not given. invalid_argument: it is no number of bytes.
result<std::optional<std::uint64_t>> bytes_in(Fields& fields, std::string_view name) {
  const std::int64_t given = fields.number(name, 0);
  if (given < 0) return fail(Errc::invalid_argument, "'" + std::string(name) + "' must not be negative");
  if (fields.find(name) == nullptr) return std::optional<std::uint64_t>();
  return std::optional<std::uint64_t>(static_cast<std::uint64_t>(given));
}

void put_watermarks(Api& api, const CallRef& call) {
  auto body = json_body(*call);
  if (body.has_error()) return reply(call, refusal(body.error()));
  Fields fields(*body);
  const auto memory = bytes_in(fields, "mem_limit");
  if (memory.has_error()) return reply(call, refusal(memory.error()));
  const auto disk = bytes_in(fields, "disk_free_limit");
  if (disk.has_error()) return reply(call, refusal(disk.error()));
  if (auto bad = fields.error()) return reply(call, refusal(*bad));
  if (!*memory && !*disk) {
    return reply(call, refusal(400, "bad_request", "key_missing: mem_limit or disk_free_limit"));
  }
  api.core().set_bounds(call->subject, {*memory, *disk},
                        [call](result<void> outcome) { reply_done(call, outcome); });
}

void show_service(Api& api, const CallRef& call) {
  reply(call, json_answer(json::object{{"on", api.service().is_on()}}));
}

void put_service(Api& api, const CallRef& call) {
  auto body = json_body(*call);
  if (body.has_error()) return reply(call, refusal(body.error()));
  if (body->if_contains("on") == nullptr) return reply(call, refusal(400, "bad_request", "key_missing: on"));
  Fields fields(*body);
  const bool on = fields.flag("on", true);
  if (auto bad = fields.error()) return reply(call, refusal(*bad));
  api.service().turn(on, [call](result<void> outcome) { reply_done(call, outcome); });
}

// Clients would find what they use gone, and others would declare it while it goes.
void reset(Api& api, const CallRef& call) {
  if (api.service().is_on()) {
    return reply(call, refusal(400, "bad_request", "clients are served: turn the service off first"));
  }
  api.core().reset(call->subject, [call](result<void> outcome) { reply_done(call, outcome); });
}

constexpr Route kRoutes[] = {
    {"GET", "/millrace/watermarks", Door::monitoring, show_watermarks},
    {"PUT", "/millrace/watermarks", Door::administrator, put_watermarks},
    {"GET", "/millrace/service", Door::monitoring, show_service},
    {"PUT", "/millrace/service", Door::administrator, put_service},
    {"POST", "/millrace/reset", Door::administrator, reset},
};

}  // namespace
}  // namespace operating

std::span<const Route> operating_routes() {
  return operating::kRoutes;
}

}  // namespace millrace::management
