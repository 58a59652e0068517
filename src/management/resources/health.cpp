// /api/health/checks and /api/healthchecks: 200 {"status":"ok"}, or 503 with a reason.
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <optional>

#include "base/number.hpp"
#include "base/utf8.hpp"
#include "management/items.hpp"

namespace millrace::management {
namespace health {
namespace {

namespace json = boost::json;

Answer fine() {
  json::object body;
  body["status"] = "ok";
  return json_answer(body);
}

Answer failed(std::string_view reason, json::object more = {}) {
  more["status"] = "failed";
  more["reason"] = reason;
  Answer answer = json_answer(more);
  answer.status = 503;
  return answer;
}

void check_nothing(Api&, const CallRef& call) {
  reply(call, fine());
}

void check_alarms(Api& api, const CallRef& call) {
  api.with_figures(call, [&api, call](const Figures& figures) {
    json::array alarms;
    const auto add = [&](bool in_force, std::string_view resource) {
      if (!in_force) return;
      json::object alarm;
      alarm["node"] = api.options().node_name;
      alarm["resource"] = resource;
      alarms.push_back(std::move(alarm));
    };
    add(figures.now->memory_alarm, "memory");
    add(figures.now->disk_alarm, "disk");
    if (alarms.empty()) return reply(call, fine());
    json::object more;
    more["alarms"] = std::move(alarms);
    reply(call, failed("resource alarm(s) in effect on this node", std::move(more)));
  });
}

void check_service(Api& api, const CallRef& call) {
  if (api.service().is_on()) return reply(call, fine());
  reply(call, failed("clients are not served: the service is turned off"));
}

void check_port(Api& api, const CallRef& call) {
  const auto port = whole_number<std::uint16_t>(call->name("port"));
  if (!port) return reply(call, refusal(400, "bad_request", "Invalid port"));
  json::array ports;
  for (const ListeningOn& listener : api.listening()) {
    if (listener.port == port) {
      json::object body;
      body["status"] = "ok";
      body["port"] = *port;
      return reply(call, json_answer(body));
    }
    ports.push_back(listener.port);
  }
  json::object more;
  more["missing"] = *port;
  more["ports"] = std::move(ports);
  reply(call, failed("No active listener", std::move(more)));
}

void check_protocol(Api& api, const CallRef& call) {
  const std::string& wanted = call->name("protocol");
  // RabbitMQ's older names for it.
  const std::string_view name =
      wanted == "amqp091" || wanted == "amqp0.9.1" ? "amqp" : std::string_view(wanted);
  json::array protocols;
  for (const ListeningOn& listener : api.listening()) {
    if (listener.protocol == name) {
      json::object body;
      body["status"] = "ok";
      body["protocol"] = as_utf8(wanted);
      return reply(call, json_answer(body));
    }
    protocols.push_back(json::string(listener.protocol));
  }
  json::object more;
  more["missing"] = as_utf8(wanted);
  more["protocols"] = std::move(protocols);
  reply(call, failed("No active listener", std::move(more)));
}

// Of RabbitMQ's units. None: it is none of them.
std::optional<std::int64_t> seconds_in(std::string_view unit) {
  constexpr std::int64_t kDay = 86'400;
  if (unit == "days") return kDay;
  if (unit == "weeks") return 7 * kDay;
  if (unit == "months") return 30 * kDay;
  if (unit == "years") return 365 * kDay;
  return std::nullopt;
}

void check_certificates(Api& api, const CallRef& call) {
  const auto within = whole_number<std::uint32_t>(call->name("within"));
  const auto unit = seconds_in(call->name("unit"));
  if (!within || !unit) {
    return reply(call, refusal(400, "bad_request", "it takes a number of days, weeks, months or years"));
  }
  const std::int64_t until = api.options().wall_ms() / 1000 + *within * *unit;
  json::array expired;
  for (const auto& certificate : api.certificates()) {
    if (certificate.ends_s >= until) continue;
    json::object item;
    item["node"] = api.options().node_name;
    item["certfile"] = as_utf8(certificate.chain_file);
    item["subject"] = as_utf8(certificate.subject);
    item["certfile_expires_on"] = certificate.ends_s;
    expired.push_back(std::move(item));
  }
  if (expired.empty()) return reply(call, fine());
  json::object more;
  more["expired"] = std::move(expired);
  reply(call, failed("Certificates expiring", std::move(more)));
}

void check_room(Api& api, const CallRef& call) {
  api.with_fresh_figures(call, [&api, call](const Figures& figures) {
    json::object more;
    more["limit"] = api.options().max_connections;
    more["connections"] = figures.now->connections.size();
    if (figures.now->connections.size() >= api.options().max_connections) {
      return reply(call, failed("node connection limit is reached", std::move(more)));
    }
    more["status"] = "ok";
    reply(call, json_answer(more));
  });
}

constexpr Route kRoutes[] = {
    {"GET", "/health/checks/alarms", Door::anybody, check_alarms},
    {"GET", "/health/checks/local-alarms", Door::anybody, check_alarms},
    {"GET", "/health/checks/port-listener/:port", Door::anybody, check_port},
    {"GET", "/health/checks/protocol-listener/:protocol", Door::anybody, check_protocol},
    {"GET", "/health/checks/virtual-hosts", Door::anybody, check_nothing},
    {"GET", "/health/checks/certificate-expiration/:within/:unit", Door::anybody, check_certificates},
    {"GET", "/health/checks/node-is-mirror-sync-critical", Door::anybody, check_nothing},
    {"GET", "/health/checks/quorum-queues-without-elected-leaders/all-vhosts/pattern/:pattern", Door::anybody,
     check_nothing},
    {"GET", "/health/checks/quorum-queues-without-elected-leaders/vhost/:vhost/pattern/:pattern",
     Door::vhost_to_look, check_nothing},
    {"GET", "/health/checks/reached-target-cluster-size", Door::anybody, check_nothing},
    {"GET", "/health/checks/node-is-quorum-critical", Door::anybody, check_nothing},
    {"GET", "/health/checks/is-in-service", Door::anybody, check_service},
    {"GET", "/health/checks/ready-to-serve-clients", Door::anybody, check_service},
    {"GET", "/health/checks/below-node-connection-limit", Door::anybody, check_room},
    {"GET", "/health/checks/metadata-store/initialized", Door::anybody, check_nothing},
    {"GET", "/health/checks/metadata-store/initialized/with-data", Door::anybody, check_nothing},
    {"GET", "/healthchecks/node", Door::anybody, check_alarms},
    {"GET", "/healthchecks/node/:node", Door::anybody, check_alarms},
};

}  // namespace
}  // namespace health

std::span<const Route> health_routes() {
  return health::kRoutes;
}

}  // namespace millrace::management
