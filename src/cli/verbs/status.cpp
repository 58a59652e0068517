// status, health, top
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "cli/listing.hpp"
#include "cli/session.hpp"
#include "cli/stop.hpp"
#include "cli/terminal.hpp"
#include "cli/text.hpp"
#include "cli/top.hpp"
#include "cli/verb.hpp"

namespace millrace::cli {
namespace looking {
namespace {

namespace json = boost::json;

constexpr Option kTop[] = {
    {"-p,--vhost", "VHOST", "Of this virtual host alone"},
    {"--once", "", "Print one table and end, for scripts"},
    {"--interval", "SECONDS", "Between two looks (default 1)"},
    {"--sort", "COLUMN", "name, ready (default), unacked, in, out, ack, wait, hold or consumers"},
};
constexpr Option kHealth[] = {
    {"--port", "PORT", "Also check that something listens on this port"},
    {"--protocol", "NAME", "Also check that this protocol is served, as amqp"},
};

// The node's own figures need the tag "monitoring".
json::value node_of(Api& api) {
  try {
    const json::value nodes = api.get(api_path({"nodes"}));
    if (nodes.is_array() && !nodes.get_array().empty()) return nodes.get_array().front();
  } catch (const Stop& stop) {
    if (stop.http_status() != 401) throw;
  }
  return json::object();
}

std::string alarms_text(const json::value& node) {
  std::string text;
  const auto add = [&](const char* path, const char* what) {
    const json::value* alarm = find_in(node, path);
    if (alarm != nullptr && alarm->is_bool() && alarm->get_bool())
      text += (text.empty() ? "" : ", ") + std::string(what);
  };
  add("mem_alarm", "MEMORY: publishers are held back");
  add("disk_free_alarm", "DISK: publishers are held back");
  return text.empty() ? "none" : text;
}

int status(Session& session) {
  const json::value overview = session.api().get(api_path({"overview"}));
  const json::value node = node_of(session.api());
  if (session.wants_json()) {
    print(json::serialize(json::object{{"overview", overview}, {"node", node}}) + "\n");
    return kOk;
  }
  std::string text;
  const auto line = [&](std::string_view title, const std::string& value) {
    std::string padded(title);
    padded.resize(14, ' ');
    text += padded + printable(value) + "\n";
  };
  const auto count = [&](const char* path) {
    return std::to_string(static_cast<std::uint64_t>(number_in(overview, path)));
  };
  const auto rate = [&](const char* path) { return rate_text(number_in(overview, path)); };
  // Clients choose how to behave by product and version, so the broker gives RabbitMQ's.
  line("Broker", session.api().address() + ", clients see " + text_in(overview, "product_name") + " " +
                     text_in(overview, "product_version"));
  line("Node", text_in(overview, "node") + ", cluster name " + text_in(overview, "cluster_name"));
  if (find_in(node, "uptime") != nullptr) {
    line("Up for", duration_text(static_cast<std::uint64_t>(number_in(node, "uptime")) / 1000) +
                       ", process " + text_in(node, "os_pid"));
    line("Alarms", alarms_text(node));
    line("Memory",
         bytes_text(number_in(node, "mem_used")) + " of " + bytes_text(number_in(node, "mem_limit")));
    line("Disk free", bytes_text(number_in(node, "disk_free")) + ", publishers wait below " +
                          bytes_text(number_in(node, "disk_free_limit")));
    line("Open files", std::to_string(static_cast<std::uint64_t>(number_in(node, "fd_used"))) + " of " +
                           std::to_string(static_cast<std::uint64_t>(number_in(node, "fd_total"))));
  }
  line("Messages", count("queue_totals.messages_ready") + " ready, " +
                       count("queue_totals.messages_unacknowledged") + " unacknowledged");
  line("Rates", rate("message_stats.publish_details.rate") + " in, " +
                    rate("message_stats.deliver_get_details.rate") + " out, " +
                    rate("message_stats.ack_details.rate") + " acknowledged");
  line("Objects", count("object_totals.queues") + " queues, " + count("object_totals.exchanges") +
                      " exchanges, " + count("object_totals.connections") + " connections, " +
                      count("object_totals.channels") + " channels, " + count("object_totals.consumers") +
                      " consumers");
  std::string listeners;
  if (const json::value* list = find_in(overview, "listeners"); list != nullptr && list->is_array()) {
    for (const json::value& one : list->get_array()) {
      listeners += (listeners.empty() ? "" : ", ") + text_in(one, "protocol") + " " +
                   text_in(one, "ip_address") + ":" +
                   std::to_string(static_cast<unsigned>(number_in(one, "port")));
    }
  }
  if (!listeners.empty()) line("Listens on", listeners);
  print(text);
  return kOk;
}

struct Check {
  std::string name;
  std::string path;
};

int health(Session& session) {
  std::vector<Check> checks = {
      {"alarms", api_path({"health", "checks", "alarms"})},
      {"virtual hosts", api_path({"health", "checks", "virtual-hosts"})},
      {"ready for clients", api_path({"health", "checks", "ready-to-serve-clients"})},
  };
  if (const auto port = session.given.find("port")) {
    (void)session.given.number("port", 0, 65535);
    checks.push_back({"port " + *port, api_path({"health", "checks", "port-listener", *port})});
  }
  if (const auto protocol = session.given.find("protocol")) {
    checks.push_back(
        {"protocol " + *protocol, api_path({"health", "checks", "protocol-listener", *protocol})});
  }
  json::array said;
  std::string text;
  bool healthy = true;
  session.api().get(api_path({"overview"}));  // says what is wrong with the login, if it is that
  for (const Check& check : checks) {
    const HttpReply reply = session.api().ask("GET", check.path);
    const bool fine = reply.status == 200;
    std::string why;
    if (!fine) {
      boost::system::error_code malformed;
      const json::value body = json::parse(reply.body, malformed);
      why = malformed ? "status " + std::to_string(reply.status) : text_in(body, "reason");
    }
    healthy = healthy && fine;
    said.push_back(json::object{{"check", check.name}, {"ok", fine}, {"reason", why}});
    text += (fine ? "ok      " : "FAILED  ") + printable(check.name + (why.empty() ? "" : ": " + why)) + "\n";
  }
  print(session.wants_json() ? json::serialize(json::object{{"healthy", healthy}, {"checks", said}}) + "\n"
                             : text);
  return healthy ? kOk : kRefused;
}

}  // namespace
}  // namespace looking

std::span<const Verb> looking_verbs() {
  using namespace looking;
  static const Verb verbs[] = {
      {"status",
       "Show the broker at a glance",
       {},
       {},
       "millrace status\nmillrace status --json | jq .node.mem_used",
       status},
      {"health",
       "Check the broker; the exit status tells scripts",
       {},
       kHealth,
       "millrace health || echo 'something is wrong'\nmillrace health --protocol amqp --port 5672",
       health},
      {"top",
       "Watch queues live: length, rates, what holds them back",
       {},
       kTop,
       "millrace top\nmillrace top --sort in --vhost orders\nmillrace top --once",
       top},
  };
  return verbs;
}

}  // namespace millrace::cli
