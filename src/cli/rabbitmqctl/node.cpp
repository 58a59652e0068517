// The node, its connections and queues, definitions; and what RabbitMQ has and this broker has not.
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <thread>

#include "cli/definitions_file.hpp"
#include "cli/listing.hpp"
#include "cli/rabbitmqctl/connections.hpp"
#include "cli/rabbitmqctl/ctl.hpp"
#include "cli/stop.hpp"
#include "cli/terminal.hpp"
#include "cli/text.hpp"

namespace millrace::cli::rabbitmqctl {
namespace node {
namespace {

namespace json = boost::json;

constexpr std::uint64_t kStartupSeconds = 300;
constexpr std::chrono::milliseconds kStartupPause{200};
constexpr std::uint64_t kMostSeconds = 1'000'000;

int ping(Ctl& ctl) {
  ctl.banner("Will ping " + ctl.api().address() + ". This only checks that the broker answers there.");
  ctl.api().ask("GET", api_path({"whoami"}));  // stops without an answer
  ctl.line("Ping succeeded");
  return 0;
}

int await_startup(Ctl& ctl) {
  const auto until = std::chrono::steady_clock::now() +
                     std::chrono::seconds(ctl.options().number("timeout", kStartupSeconds, kMostSeconds));
  while (true) {
    try {
      ctl.api().ask("GET", api_path({"whoami"}));
      return 0;
    } catch (const Stop& stop) {
      if (stop.status() != kUnreachable || std::chrono::steady_clock::now() >= until) throw;
      std::this_thread::sleep_for(kStartupPause);
    }
  }
}

// RabbitMQ has more levels; those between are taken for the next that logs more, and "none" is not offered.
int set_log_level(Ctl& ctl) {
  const std::string given = ctl.word(0);
  const std::string level = given == "notice" ? "info" : given == "critical" ? "error" : given;
  ctl.banner("Setting log level to \"" + given + "\" ...");
  ctl.api().put(api_path({"millrace", "log-level"}), json::object{{"level", level}});
  return 0;
}

int trace(Ctl& ctl, bool on) {
  const std::string vhost = ctl.vhost();
  ctl.banner(std::string(on ? "Starting" : "Stopping") + " tracing for vhost \"" + vhost + "\" ...");
  ctl.api().get(api_path({"vhosts", vhost}));  // says that there is none, rather than make it
  ctl.api().put(api_path({"vhosts", vhost}), json::object{{"tracing", on}});
  ctl.line(std::string("Trace ") + (on ? "enabled" : "disabled") + " for vhost " + vhost);
  return 0;
}

int status(Ctl& ctl) {
  const json::value overview = ctl.api().get(api_path({"overview"}));
  const json::value nodes = ctl.api().get(api_path({"nodes"}));
  const json::value node = nodes.as_array().empty() ? json::value(json::object()) : nodes.as_array().front();
  if (ctl.options().find("formatter") == "json") {
    print(json::serialize(json::object{{"overview", overview}, {"node", node}}) + "\n");
    return 0;
  }
  ctl.banner("Status of node " + text_in(overview, "node") + " ...");
  const auto whole = [](const json::value& item, const char* path) {
    return std::to_string(static_cast<std::uint64_t>(number_in(item, path)));
  };
  const auto giga = [&](const char* path) {
    char text[40];
    std::snprintf(text, sizeof text, "%.4f gb", number_in(node, path) / 1e9);
    return std::string(text);
  };
  const auto is_on = [&](const char* path) {
    const json::value* flag = find_in(node, path);
    return flag != nullptr && flag->is_bool() && flag->get_bool();
  };
  std::string alarms;
  if (is_on("mem_alarm")) alarms += "Memory alarm on node " + text_in(overview, "node") + "\n";
  if (is_on("disk_free_alarm")) alarms += "Free disk space alarm on node " + text_in(overview, "node") + "\n";
  std::string listeners;
  if (const json::value* list = find_in(overview, "listeners"); list != nullptr && list->is_array()) {
    for (const json::value& one : list->get_array()) {
      listeners += "Interface: " + text_in(one, "ip_address") + ", port: " + whole(one, "port") +
                   ", protocol: " + text_in(one, "protocol") + "\n";
    }
  }
  print("Runtime\n\nOS PID: " + text_in(node, "os_pid") + "\nOS: Linux\nUptime (seconds): " +
        std::to_string(static_cast<std::uint64_t>(number_in(node, "uptime")) / 1000) +
        "\nIs under maintenance?: " + (is_on("being_drained") ? "true" : "false") +
        "\nRabbitMQ version: " + text_in(overview, "rabbitmq_version") +
        "\nNode name: " + printable(text_in(overview, "node")) + "\n\nAlarms\n\n" +
        (alarms.empty() ? "(none)\n" : alarms) + "\nMemory\n\nTotal memory used: " + giga("mem_used") +
        "\nCalculation strategy: rss\nMemory high watermark: " + giga("mem_limit") +
        "\n\nFile Descriptors\n\nTotal: " + whole(node, "fd_used") + ", limit: " + whole(node, "fd_total") +
        "\n\nFree Disk Space\n\nLow free disk space watermark: " + giga("disk_free_limit") +
        "\nFree disk space: " + giga("disk_free") +
        "\n\nTotals\n\nConnection count: " + whole(overview, "object_totals.connections") +
        "\nQueue count: " + whole(overview, "object_totals.queues") + "\n\nListeners\n\n" + listeners);
  return 0;
}

int version(Ctl& ctl) {
  ctl.line(text_in(ctl.api().get(api_path({"overview"})), "rabbitmq_version"));
  return 0;
}

// -- connections

int close_connection(Ctl& ctl) {
  ctl.banner("Closing connection " + ctl.word(0) + ", reason: " + ctl.word(1) + "...");
  ctl.api().remove(api_path({"connections", ctl.word(0)}), ctl.word(1));
  return 0;
}

int close_all_connections(Ctl& ctl) {
  const bool everywhere = ctl.options().has("global");
  ctl.banner("Closing all connections in " + (everywhere ? "the node" : "vhost " + ctl.vhost()) +
             ", reason: " + ctl.word(0) + "...");
  const std::string path =
      everywhere ? api_path({"connections"}) : api_path({"vhosts", ctl.vhost(), "connections"});
  ctl.banner("Closed " + std::to_string(close_those_at(ctl, path, ctl.word(0))) + " connections");
  return 0;
}

int close_all_user_connections(Ctl& ctl) {
  ctl.banner("Closing connections of user " + ctl.word(0) + ", reason: " + ctl.word(1) + "...");
  close_those_at(ctl, api_path({"connections", "username", ctl.word(0)}), ctl.word(1));
  return 0;
}

// -- queues

int purge_queue(Ctl& ctl) {
  ctl.banner("Purging queue '" + ctl.word(0) + "' in vhost '" + ctl.vhost() + "' ...");
  try {
    ctl.api().remove(api_path({"queues", ctl.vhost(), ctl.word(0)}) + "/contents");
  } catch (const Stop& stop) {
    if (stop.http_status() == 404) throw Stop(kUnavailable, "Error:\nnot_found");
    throw;
  }
  return 0;
}

int delete_queue(Ctl& ctl) {
  ctl.banner("Deleting queue '" + ctl.word(0) + "' on vhost '" + ctl.vhost() + "' ...");
  const std::string path = api_path({"queues", ctl.vhost(), ctl.word(0)});
  std::string conditions;
  if (ctl.options().has("if-unused")) conditions += "&if-unused=true";
  if (ctl.options().has("if-empty")) conditions += "&if-empty=true";
  if (!conditions.empty()) conditions[0] = '?';
  try {
    const auto ready = static_cast<std::uint64_t>(number_in(ctl.api().get(path), "messages_ready"));
    ctl.api().remove(path + conditions);
    ctl.banner("Queue was successfully deleted with " + std::to_string(ready) + " ready messages");
  } catch (const Stop& stop) {
    if (stop.http_status() == 404) throw Stop(kUsage, "Error:\nQueue not found");
    throw;
  }
  return 0;
}

// -- definitions

int export_definitions(Ctl& ctl) {
  const std::string file = ctl.word(0);
  const std::string text = json::serialize(ctl.api().get(api_path({"definitions"}))) + "\n";
  if (file == "-") {
    print(text);
    return 0;
  }
  ctl.banner("Exporting definitions in JSON to a file at \"" + file + "\" ...");
  write_definitions(file, text);
  return 0;
}

int import_definitions(Ctl& ctl) {
  const std::string file = ctl.words().empty() ? "-" : ctl.word(0);
  std::string text = read_whole(file);
  check_definitions(text, file);
  ctl.banner(file == "-" ? "Importing definitions in JSON from standard input ..."
                         : "Importing definitions in JSON from a file at \"" + file + "\" ...");
  ctl.api().post_text(api_path({"definitions"}), std::move(text));
  return 0;
}

constexpr Command kCommands[] = {
    {"status", "", 0, 0, status},
    {"ping", "", 0, 0, ping},
    {"await_startup", "[--timeout <seconds>]", 0, 0, await_startup},
    {"version", "", 0, 0, version},
    {"set_log_level", "<log_level>", 1, 1, set_log_level},
    {"trace_on", "[--vhost <vhost>]", 0, 0, [](Ctl& ctl) { return trace(ctl, true); }},
    {"trace_off", "[--vhost <vhost>]", 0, 0, [](Ctl& ctl) { return trace(ctl, false); }},
    {"close_connection", "<connection name> <explanation>", 2, 2, close_connection},
    {"close_all_connections", "[--vhost <vhost>] [--global] <explanation>", 1, 1, close_all_connections},
    {"close_all_user_connections", "<username> <explanation>", 2, 2, close_all_user_connections},
    {"purge_queue", "[--vhost <vhost>] <queue>", 1, 1, purge_queue},
    {"delete_queue", "[--vhost <vhost>] [--if-empty] [--if-unused] <queue>", 1, 1, delete_queue},
    {"export_definitions", "<file_path | \"-\">", 1, 1, export_definitions},
    {"import_definitions", "[<file_path | \"-\">]", 0, 1, import_definitions},
};

constexpr std::string_view kOneNode = "there is one node";
constexpr NotOffered kNotOfferedHere[] = {
    {"rotate_logs", "logs go to standard error; whoever keeps them rotates them"},
    {"stop", "stop the process with SIGTERM"},
    {"shutdown", "stop the process with SIGTERM"},
    {"join_cluster", kOneNode},
    {"forget_cluster_node", kOneNode},
    {"cluster_status", kOneNode},
    {"eval", "there is no Erlang here"},
    {"environment", "options are those of 'millrace serve'; docs/configuration.md lists them"},
};

}  // namespace
}  // namespace node

std::uint64_t close_those_at(Ctl& ctl, const std::string& path, const std::string& reason) {
  const boost::json::value connections = ctl.api().get(path);
  std::uint64_t closed = 0;
  for (const boost::json::value& connection : connections.as_array()) {
    try {
      ctl.api().remove(api_path({"connections", text_in(connection, "name")}), reason);
      ++closed;
    } catch (const Stop& stop) {
      if (stop.http_status() != 404) throw;
    }
  }
  return closed;
}

std::span<const Command> node_commands() {
  return node::kCommands;
}

std::span<const NotOffered> not_offered() {
  return node::kNotOfferedHere;
}

}  // namespace millrace::cli::rabbitmqctl
