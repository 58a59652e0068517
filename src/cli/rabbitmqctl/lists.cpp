// list_queues, list_exchanges, list_bindings, list_connections, list_channels, list_consumers, list_vhosts
#include <algorithm>
#include <boost/json/array.hpp>

#include "cli/listing.hpp"
#include "cli/rabbitmqctl/ctl.hpp"
#include "cli/stop.hpp"

namespace millrace::cli::rabbitmqctl {
namespace list {
namespace {

namespace json = boost::json;

// A column of RabbitMQ's, and where the API has it; without a path it is always empty here, as it is there
// where it does not apply.
struct Column {
  std::string_view name;
  std::string_view path;
};

constexpr Column kQueues[] = {
    {"name", "name"},
    {"durable", "durable"},
    {"auto_delete", "auto_delete"},
    {"arguments", "arguments"},
    {"policy", "policy"},
    {"operator_policy", "operator_policy"},
    {"effective_policy_definition", "effective_policy_definition"},
    {"pid", "node"},
    {"owner_pid", ""},
    {"exclusive", "exclusive"},
    {"exclusive_consumer_pid", ""},
    {"exclusive_consumer_tag", "exclusive_consumer_tag"},
    {"messages_ready", "messages_ready"},
    {"messages_unacknowledged", "messages_unacknowledged"},
    {"messages", "messages"},
    {"message_bytes", "message_bytes"},
    {"message_bytes_ready", "message_bytes_ready"},
    {"message_bytes_unacknowledged", "message_bytes_unacknowledged"},
    {"message_bytes_ram", "message_bytes_ram"},
    {"messages_ready_ram", ""},
    {"messages_unacknowledged_ram", ""},
    {"messages_ram", ""},
    {"messages_persistent", ""},
    {"message_bytes_persistent", ""},
    {"head_message_timestamp", "head_message_timestamp"},
    {"disk_reads", ""},
    {"disk_writes", ""},
    {"consumers", "consumers"},
    {"consumer_utilisation", "consumer_utilisation"},
    {"consumer_capacity", "consumer_capacity"},
    {"memory", "memory"},
    {"slave_pids", ""},
    {"synchronised_slave_pids", ""},
    {"mirror_pids", ""},
    {"synchronised_mirror_pids", ""},
    {"leader", "node"},
    {"members", ""},
    {"online", ""},
    {"state", "state"},
    {"type", "type"},
    {"vhost", "vhost"},
};

constexpr Column kExchanges[] = {
    {"name", "name"},         {"type", "type"},
    {"durable", "durable"},   {"auto_delete", "auto_delete"},
    {"internal", "internal"}, {"arguments", "arguments"},
    {"policy", "policy"},     {"vhost", "vhost"},
};

constexpr Column kBindings[] = {
    {"source_name", "source"},
    {"source_kind", "source_kind"},
    {"destination_name", "destination"},
    {"destination_kind", "destination_type"},
    {"routing_key", "routing_key"},
    {"arguments", "arguments"},
    {"vhost", "vhost"},
};

constexpr Column kConnections[] = {
    {"pid", "name"},
    {"name", "name"},
    {"port", "port"},
    {"host", "host"},
    {"peer_port", "peer_port"},
    {"peer_host", "peer_host"},
    {"ssl", "ssl"},
    {"ssl_protocol", ""},
    {"ssl_key_exchange", ""},
    {"ssl_cipher", ""},
    {"ssl_hash", ""},
    {"peer_cert_subject", ""},
    {"peer_cert_issuer", ""},
    {"peer_cert_validity", ""},
    {"state", "state"},
    {"channels", "channels"},
    {"protocol", "protocol"},
    {"auth_mechanism", "auth_mechanism"},
    {"user", "user"},
    {"vhost", "vhost"},
    {"timeout", "timeout"},
    {"frame_max", "frame_max"},
    {"channel_max", "channel_max"},
    {"client_properties", "client_properties"},
    {"connected_at", "connected_at"},
    {"recv_oct", "recv_oct"},
    {"recv_cnt", ""},
    {"send_oct", "send_oct"},
    {"send_cnt", ""},
    {"send_pend", ""},
    {"node", "node"},
};

constexpr Column kChannels[] = {
    {"pid", "name"},
    {"connection", "connection_details.name"},
    {"name", "name"},
    {"number", "number"},
    {"user", "user"},
    {"vhost", "vhost"},
    {"transactional", "transactional"},
    {"confirm", "confirm"},
    {"consumer_count", "consumer_count"},
    {"messages_unacknowledged", "messages_unacknowledged"},
    {"messages_uncommitted", "messages_uncommitted"},
    {"acks_uncommitted", "acks_uncommitted"},
    {"messages_unconfirmed", "messages_unconfirmed"},
    {"prefetch_count", "prefetch_count"},
    {"global_prefetch_count", "global_prefetch_count"},
    {"node", "node"},
};

constexpr Column kConsumers[] = {
    {"queue_name", "queue.name"},           {"channel_pid", "channel_details.name"},
    {"consumer_tag", "consumer_tag"},       {"ack_required", "ack_required"},
    {"prefetch_count", "prefetch_count"},   {"active", "active"},
    {"activity_status", "activity_status"}, {"arguments", "arguments"},
};

constexpr Column kVhosts[] = {
    {"name", "name"},
    {"description", "description"},
    {"tags", "tags"},
    {"default_queue_type", "default_queue_type"},
    {"protected_from_deletion", "protected_from_deletion"},
    {"tracing", "tracing"},
    {"cluster_state", "cluster_state"},
};

std::string_view path_of(const Ctl& ctl, std::span<const Column> columns, const std::string& name) {
  for (const Column& column : columns) {
    if (column.name == name) return column.path;
  }
  throw Stop(kUsage, "Error (argument validation): Info key(s) " + name + " are not supported (of " +
                         std::to_string(ctl.words().size()) + " given)");
}

// Columns may be given apart or with commas between them.
std::vector<std::string> wanted_columns(const Ctl& ctl, std::vector<std::string> otherwise) {
  std::vector<std::string> wanted;
  for (const std::string& word : ctl.words()) {
    std::size_t from = 0;
    while (from <= word.size()) {
      const std::size_t comma = std::min(word.find(',', from), word.size());
      if (comma != from) wanted.push_back(word.substr(from, comma - from));
      from = comma + 1;
    }
  }
  return wanted.empty() ? otherwise : wanted;
}

int list(Ctl& ctl, std::span<const Column> known, std::vector<std::string> otherwise,
         const std::vector<std::string>& banners, const std::string& path) {
  const std::vector<std::string> columns = wanted_columns(ctl, std::move(otherwise));
  std::vector<std::string_view> paths;
  for (const std::string& column : columns) paths.push_back(path_of(ctl, known, column));
  for (const std::string& banner : banners) ctl.banner(banner);
  json::value got = json::array();
  try {
    got = ctl.api().get(path);
  } catch (const Stop& stop) {
    if (stop.http_status() != 404) throw;  // a vhost that is not there has nothing in it
  }
  std::vector<std::vector<json::value>> rows;
  for (json::value& item : got.as_array()) {
    if (item.get_object().contains("destination_type")) item.get_object()["source_kind"] = "exchange";
    std::vector<json::value> row;
    for (const std::string_view column : paths) {
      const json::value* value = column.empty() ? nullptr : find_in(item, column);
      row.push_back(value == nullptr ? json::value(nullptr) : *value);
      if (column == "protocol" && row.back() == json::value("AMQP 0-9-1")) row.back() = "{0,9,1}";
    }
    rows.push_back(std::move(row));
  }
  ctl.rows(columns, rows);
  return 0;
}

int list_queues(Ctl& ctl) {
  const std::string timeout = ctl.options().find("timeout").value_or("60");
  return list(ctl, kQueues, {"name", "messages"},
              {"Timeout: " + timeout + (timeout.find('.') == std::string::npos ? ".0" : "") + " seconds ...",
               "Listing queues for vhost " + ctl.vhost() + " ..."},
              api_path({"queues", ctl.vhost()}) + "?fresh=true");
}

int list_exchanges(Ctl& ctl) {
  return list(ctl, kExchanges, {"name", "type"}, {"Listing exchanges for vhost " + ctl.vhost() + " ..."},
              api_path({"exchanges", ctl.vhost()}) + "?fresh=true");
}

int list_bindings(Ctl& ctl) {
  return list(
      ctl, kBindings,
      {"source_name", "source_kind", "destination_name", "destination_kind", "routing_key", "arguments"},
      {"Listing bindings for vhost " + ctl.vhost() + "..."}, api_path({"bindings", ctl.vhost()}));
}

int list_connections(Ctl& ctl) {
  return list(ctl, kConnections, {"user", "peer_host", "peer_port", "state"}, {"Listing connections ..."},
              api_path({"connections"}) + "?fresh=true");
}

int list_channels(Ctl& ctl) {
  return list(ctl, kChannels, {"pid", "user", "consumer_count", "messages_unacknowledged"},
              {"Listing channels ..."}, api_path({"channels"}) + "?fresh=true");
}

int list_consumers(Ctl& ctl) {
  return list(
      ctl, kConsumers,
      {"queue_name", "channel_pid", "consumer_tag", "ack_required", "prefetch_count", "active", "arguments"},
      {"Listing consumers in vhost " + ctl.vhost() + " ..."},
      api_path({"consumers", ctl.vhost()}) + "?fresh=true");
}

int list_vhosts(Ctl& ctl) {
  return list(ctl, kVhosts, {"name"}, {"Listing vhosts ..."}, api_path({"vhosts"}));
}

constexpr Command kCommands[] = {
    {"list_queues", "[--vhost <vhost>] [--no-table-headers] [<column>, ...]", 0, kAnyNumber, list_queues},
    {"list_exchanges", "[--vhost <vhost>] [--no-table-headers] [<column>, ...]", 0, kAnyNumber,
     list_exchanges},
    {"list_bindings", "[--vhost <vhost>] [--no-table-headers] [<column>, ...]", 0, kAnyNumber, list_bindings},
    {"list_connections", "[--no-table-headers] [<column>, ...]", 0, kAnyNumber, list_connections},
    {"list_channels", "[--no-table-headers] [<column>, ...]", 0, kAnyNumber, list_channels},
    {"list_consumers", "[--vhost <vhost>] [--no-table-headers] [<column>, ...]", 0, kAnyNumber,
     list_consumers},
    {"list_vhosts", "[--no-table-headers] [<column>, ...]", 0, kAnyNumber, list_vhosts},
};

}  // namespace
}  // namespace list

std::span<const Command> list_commands() {
  return list::kCommands;
}

}  // namespace millrace::cli::rabbitmqctl
