// /api/health/checks and /api/healthchecks: 200 {"status":"ok"}, or 503 with a reason.
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "base/number.hpp"
#include "base/utf8.hpp"
#include "management/items.hpp"

namespace millrace::management {
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

void check_port(Api& api, const CallRef& call) {
  const auto port = whole_number<std::uint16_t>(call->name("port"));
  if (!port) return reply(call, refusal(400, "bad_request", "Invalid port"));
  json::array ports;
  for (const ListeningOn& listener : api.listeners()) {
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
  for (const ListeningOn& listener : api.listeners()) {
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

constexpr Route kRoutes[] = {
    {"GET", "/health/checks/alarms", Door::anybody, check_alarms},
    {"GET", "/health/checks/local-alarms", Door::anybody, check_alarms},
    {"GET", "/health/checks/port-listener/:port", Door::anybody, check_port},
    {"GET", "/health/checks/protocol-listener/:protocol", Door::anybody, check_protocol},
    {"GET", "/health/checks/virtual-hosts", Door::anybody, check_nothing},
    {"GET", "/health/checks/certificate-expiration/:within/:unit", Door::anybody, check_nothing},
    {"GET", "/health/checks/node-is-mirror-sync-critical", Door::anybody, check_nothing},
    {"GET", "/health/checks/node-is-quorum-critical", Door::anybody, check_nothing},
    {"GET", "/health/checks/is-in-service", Door::anybody, check_nothing},
    {"GET", "/health/checks/ready-to-serve-clients", Door::anybody, check_nothing},
    {"GET", "/health/checks/below-node-connection-limit", Door::anybody, check_nothing},
    {"GET", "/health/checks/metadata-store/initialized", Door::anybody, check_nothing},
    {"GET", "/health/checks/metadata-store/initialized/with-data", Door::anybody, check_nothing},
    {"GET", "/healthchecks/node", Door::anybody, check_alarms},
    {"GET", "/healthchecks/node/:node", Door::anybody, check_alarms},
};

}  // namespace

std::span<const Route> health_routes() {
  return kRoutes;
}

}  // namespace millrace::management
