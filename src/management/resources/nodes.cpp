// What there is of the node itself: /api/overview, /api/nodes, and small things that tools ask for.
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "base/utf8.hpp"
#include "broker/access/password.hpp"
#include "management/fields.hpp"
#include "management/items.hpp"
#include "management/listing.hpp"
#include "management/memory.hpp"
#include "management/openapi.hpp"

namespace millrace::management {
namespace node {
namespace {

namespace json = boost::json;

struct ExchangeType {
  std::string_view name;
  std::string_view description;
};
constexpr ExchangeType kExchangeTypes[] = {
    {"direct", "By the routing key"},
    {"fanout", "To all that is bound"},
    {"headers", "By the message's headers"},
    {"topic", "By patterns of the routing key"},
    {"x-consistent-hash", "By the hash of the routing key or of a property, weighted"},
    {"x-delayed-message", "After the time that the message asks for"},
    {"x-message-deduplication", "Once for each value of a header"},
    {"x-modulus-hash", "By the hash of the routing key"},
    {"x-random", "To one that is bound, by chance"},
    {"x-recent-history", "To all that is bound, and the latest to what is bound anew"},
};

json::array exchange_types() {
  json::array types;
  for (const ExchangeType& type : kExchangeTypes) {
    json::object item;
    item["name"] = type.name;
    item["description"] = type.description;
    item["enabled"] = true;
    types.push_back(std::move(item));
  }
  return types;
}

json::array listener_items(const Api& api) {
  json::array items;
  for (const ListeningOn& listener : api.listening()) {
    json::object item;
    item["node"] = api.options().node_name;
    item["protocol"] = listener.protocol;
    item["ip_address"] = listener.address;
    item["port"] = listener.port;
    item["socket_opts"] = json::object();
    items.push_back(std::move(item));
  }
  return items;
}

struct Depth {
  std::uint64_t ready = 0;
  std::uint64_t unacked = 0;
};

Depth depth_of(const broker::NodeStatistics* statistics, const Api& api, const broker::Subject& subject) {
  Depth depth;
  if (statistics == nullptr) return depth;
  for (const auto* vhost : api.model().vhosts_seen_by(subject)) {
    for (const auto& [name, queue] : vhost->queues) {
      const auto found = statistics->queues.find(queue->address.id.value);
      if (found == statistics->queues.end()) continue;
      depth.ready += found->second.ready;
      depth.unacked += found->second.unacked;
    }
  }
  return depth;
}

json::object queue_totals(const Api& api, const Call& call, const Figures& figures) {
  const Depth now = depth_of(figures.now.get(), api, call.subject);
  const Depth before = depth_of(figures.before.get(), api, call.subject);
  json::object totals;
  const auto put = [&](std::string_view name, std::string_view details, std::uint64_t a, std::uint64_t b) {
    totals[name] = a;
    totals[details] = rate_details(figures.change_rate(a, b));
  };
  put("messages", "messages_details", now.ready + now.unacked, before.ready + before.unacked);
  put("messages_ready", "messages_ready_details", now.ready, before.ready);
  put("messages_unacknowledged", "messages_unacknowledged_details", now.unacked, before.unacked);
  return totals;
}

json::object object_totals(const Api& api, const Call& call, const Figures& figures) {
  std::size_t queues = 0, exchanges = 0, consumers = 0, connections = 0, channels = 0;
  const bool all = broker::has_role(call.subject, broker::ManagementRole::monitoring);
  for (const auto* vhost : api.model().vhosts_seen_by(call.subject)) {
    queues += vhost->queues.size();
    exchanges += vhost->exchanges.size();
    for (const auto& [name, queue] : vhost->queues) consumers += figures.of(queue->address.id).consumers;
  }
  for (const auto& connection : figures.now->connections) {
    if (!all && connection.user != call.subject.user) continue;
    ++connections;
    channels += connection.session.channels.size();
  }
  json::object totals;
  totals["channels"] = channels;
  totals["connections"] = connections;
  totals["consumers"] = consumers;
  totals["exchanges"] = exchanges;
  totals["queues"] = queues;
  return totals;
}

json::object churn(const Figures& figures) {
  const broker::NodeStatistics none;
  const broker::NodeStatistics& now = *figures.now;
  const broker::NodeStatistics& before = figures.before ? *figures.before : none;
  json::object rates;
  const auto put = [&](std::string_view name, std::string_view details, std::uint64_t a, std::uint64_t b) {
    rates[name] = a;
    rates[details] = rate_details(figures.rate(a, b));
  };
  put("channel_closed", "channel_closed_details", now.channels_closed, before.channels_closed);
  put("channel_created", "channel_created_details", now.channels_opened, before.channels_opened);
  put("connection_closed", "connection_closed_details", now.connections_closed, before.connections_closed);
  put("connection_created", "connection_created_details", now.connections_opened, before.connections_opened);
  put("queue_created", "queue_created_details", now.queues_created, before.queues_created);
  put("queue_declared", "queue_declared_details", now.queues_declared, before.queues_declared);
  put("queue_deleted", "queue_deleted_details", now.queues_deleted, before.queues_deleted);
  return rates;
}

// Of the whole node, so for those alone who may see it.
json::object message_stats(const Figures& figures) {
  const broker::NodeStatistics none;
  const broker::NodeStatistics& now = *figures.now;
  const broker::NodeStatistics& before = figures.before ? *figures.before : none;
  json::object stats = counter_fields(now.queue_totals, before.queue_totals, figures);
  const auto put = [&](std::string_view name, std::string_view details, std::uint64_t a, std::uint64_t b) {
    stats[name] = a;
    stats[details] = rate_details(figures.rate(a, b));
  };
  // A message may go to many queues or none: what publishers sent is counted where they are.
  put("publish", "publish_details", now.connection_totals.published, before.connection_totals.published);
  put("confirm", "confirm_details", now.connection_totals.wanting_confirm,
      before.connection_totals.wanting_confirm);
  put("drop_unroutable", "drop_unroutable_details", now.connection_totals.unroutable,
      before.connection_totals.unroutable);
  put("return_unroutable", "return_unroutable_details", now.connection_totals.returned,
      before.connection_totals.returned);
  put("disk_reads", "disk_reads_details", 0, 0);
  put("disk_writes", "disk_writes_details", 0, 0);
  return stats;
}

// Of the vhosts that the caller may see.
json::object own_message_stats(const Api& api, const Call& call, const Figures& figures) {
  broker::QueueCounters now, before;
  for (const auto* vhost : api.model().vhosts_seen_by(call.subject)) {
    for (const auto& [name, queue] : vhost->queues) {
      now += figures.of(queue->address.id).counters;
      before += figures.before_of(queue->address.id).counters;
    }
  }
  return counter_fields(now, before, figures);
}

void overview(Api& api, const CallRef& call) {
  api.with_figures(call, [&api, call](const Figures& figures) {
    const ApiOptions& options = api.options();
    const bool all = broker::has_role(call->subject, broker::ManagementRole::monitoring);
    json::object item;
    item["management_version"] = options.version;
    item["rates_mode"] = "basic";
    item["sample_retention_policies"] = json::object();
    item["exchange_types"] = exchange_types();
    item["product_version"] = options.version;
    item["product_name"] = options.product;
    item["rabbitmq_version"] = options.version;
    item["status"] = options.product + " " + options.version;
    item["cluster_name"] = as_utf8(api.cluster_name());
    // There is no Erlang; tools want a text.
    item["erlang_version"] = "none";
    item["erlang_full_version"] = "none";
    item["release_series_support_status"] = "supported";
    item["disable_stats"] = false;
    item["enable_queue_totals"] = false;
    item["message_stats"] = all ? message_stats(figures) : own_message_stats(api, *call, figures);
    item["churn_rates"] = churn(figures);
    item["queue_totals"] = queue_totals(api, *call, figures);
    item["object_totals"] = object_totals(api, *call, figures);
    item["statistics_db_event_queue"] = 0;
    item["node"] = options.node_name;
    item["listeners"] = all ? listener_items(api) : json::array();
    item["contexts"] = json::array();
    reply(call, object_answer(*call, item));
  });
}

json::object node_item(const Api& api, const Figures& figures) {
  const ApiOptions& options = api.options();
  const ProcessFigures process = options.process_figures();
  json::object item;
  item["applications"] = json::array();
  item["auth_mechanisms"] = json::array();
  item["being_drained"] = !api.service().is_on();
  item["cluster_links"] = json::array();
  item["config_files"] = json::array();
  item["contexts"] = json::array();
  item["db_dir"] = "";
  item["disk_free"] = process.disk_free_bytes;
  item["disk_free_alarm"] = figures.now->disk_alarm;
  item["disk_free_details"] = rate_details(0);
  item["disk_free_limit"] = figures.now->disk_low_water_bytes;
  item["enabled_plugins"] = json::array();
  item["exchange_types"] = exchange_types();
  item["fd_total"] = process.open_files_max;
  item["fd_used"] = process.open_files;
  item["fd_used_details"] = rate_details(0);
  item["log_files"] = json::array();
  // Not RabbitMQ's: what making figures costs the broker's work, at the longest.
  item["longest_look_us"] = figures.now->longest_look.passed.count() / 1000;
  item["longest_look_work_us"] = figures.now->longest_look.worked.count() / 1000;
  item["mem_alarm"] = figures.now->memory_alarm;
  item["mem_calculation_strategy"] = "rss";
  item["mem_limit"] = figures.now->memory_limit_bytes;
  item["mem_used"] = process.resident_bytes;
  item["mem_used_details"] = rate_details(0);
  item["metrics_gc_queue_length"] = json::object();
  item["name"] = options.node_name;
  item["net_ticktime"] = 60;
  item["os_pid"] = std::to_string(options.pid);
  item["partitions"] = json::array();
  item["proc_total"] = 1'048'576;
  item["proc_used"] = figures.now->connections.size();
  item["proc_used_details"] = rate_details(0);
  item["processors"] = figures.now->busy_permille.size();
  item["rabbitmq_version"] = options.version;
  item["rates_mode"] = "basic";
  item["run_queue"] = 0;
  item["running"] = true;
  item["sockets_total"] = process.open_files_max;
  item["sockets_used"] = figures.now->connections.size();
  item["sockets_used_details"] = rate_details(0);
  item["type"] = "disc";
  item["uptime"] = options.wall_ms() - options.started_ms;
  return item;
}

void list(Api& api, const CallRef& call) {
  api.with_figures(call, [&api, call](const Figures& figures) {
    std::vector<json::object> items;
    items.push_back(node_item(api, figures));
    reply(call, list_answer(*call, std::move(items)));
  });
}

void show(Api& api, const CallRef& call) {
  if (call->name("node") != api.options().node_name) return reply(call, nothing_there());
  api.with_figures(call, [&api, call](const Figures& figures) {
    reply(call, object_answer(*call, node_item(api, figures)));
  });
}

void show_memory(Api& api, const CallRef& call) {
  if (call->name("node") != api.options().node_name) return reply(call, nothing_there());
  api.with_figures(call, [&api, call](const Figures& figures) {
    const std::uint64_t resident = api.options().process_figures().resident_bytes;
    json::object total;
    total["rss"] = resident;
    total["allocated"] = resident;
    total["erlang"] = 0;
    json::object memory;
    for (const MemoryPart& part : memory_parts(*figures.now, resident)) memory[part.name] = part.bytes;
    memory["strategy"] = "rss";
    memory["total"] = std::move(total);
    json::object item;
    item["memory"] = std::move(memory);
    reply(call, json_answer(item));
  });
}

void show_relative_memory(Api& api, const CallRef& call) {
  if (call->name("node") != api.options().node_name) return reply(call, nothing_there());
  api.with_figures(call, [&api, call](const Figures& figures) {
    const std::uint64_t resident = api.options().process_figures().resident_bytes;
    json::object memory;
    memory["total"] = 100;
    for (const MemoryPart& part : memory_parts(*figures.now, resident)) {
      memory[part.name] = hundredths(part.bytes, resident);
    }
    json::object item;
    item["memory"] = std::move(memory);
    reply(call, json_answer(item));
  });
}

void effective_config(Api& api, const CallRef& call) {
  Answer answer;
  answer.body = api.options().effective_config;
  answer.content_type = "text/plain";
  reply(call, std::move(answer));
}

void cluster_name(Api& api, const CallRef& call) {
  json::object item;
  item["name"] = as_utf8(api.cluster_name());
  reply(call, json_answer(item));
}

// A global parameter, as RabbitMQ keeps it.
void name_cluster(Api& api, const CallRef& call) {
  auto body = json_body(*call);
  if (body.has_error()) return reply(call, refusal(body.error()));
  Fields fields(*body);
  const std::string name = fields.text("name");
  if (auto bad = fields.error()) return reply(call, refusal(*bad));
  if (name.empty()) return reply(call, refusal(400, "bad_request", "the name is empty"));
  broker::ParameterSpec parameter{"", "", "cluster_name", json::serialize(json::string(name))};
  api.core().change(call->subject, {broker::PutParameter{std::move(parameter)}},
                    [call](result<void> outcome) { reply_done(call, outcome); });
}

json::object attempts_item(const std::string& protocol, const broker::LoginCounters& logins) {
  json::object item;
  item["protocol"] = short_protocol(protocol);
  item["auth_attempts"] = logins.accepted + logins.refused;
  item["auth_attempts_failed"] = logins.refused;
  item["auth_attempts_succeeded"] = logins.accepted;
  return item;
}

void login_attempts(Api& api, const CallRef& call) {
  if (call->name("node") != api.options().node_name) return reply(call, nothing_there());
  api.with_figures(call, [call](const Figures& figures) {
    std::vector<json::object> items;
    for (const auto& [protocol, logins] : figures.now->logins)
      items.push_back(attempts_item(protocol, logins));
    reply(call, list_answer(*call, std::move(items)));
  });
}

// Where attempts come from is not kept: strangers could fill memory with it.
void login_attempts_by_source(Api& api, const CallRef& call) {
  if (call->name("node") != api.options().node_name) return reply(call, nothing_there());
  reply(call, list_answer(*call, {}));
}

void hash_password(Api& api, const CallRef& call) {
  const std::string& password = call->name("password");
  if (password.size() > broker::kMaxPasswordBytes) {
    return reply(call, refusal(400, "bad_request", "the password is too long"));
  }
  std::array<std::uint8_t, 4> salt{};
  api.options().random(salt);
  json::object item;
  item["ok"] = broker::export_rabbitmq_hash(broker::hash_for_rabbitmq(password, salt)).value().base64;
  reply(call, json_answer(item));
}

void version(Api& api, const CallRef& call) {
  reply(call, json_answer(json::string(api.options().version)));
}

void extensions(Api&, const CallRef& call) {
  reply(call, json_answer(json::array()));
}

void auth(Api&, const CallRef& call) {
  json::object item;
  item["oauth_enabled"] = false;
  reply(call, json_answer(item));
}

void openapi(Api& api, const CallRef& call) {
  reply(call, json_answer(openapi_document(api.options().version)));
}

void list_nothing(Api&, const CallRef& call) {
  reply(call, list_answer(*call, {}));
}

// What is shown counts from here on. Metrics do not: counters that fall are taken for a restart.
void reset(Api& api, const CallRef& call) {
  const std::string* node = call->find_name("node");
  if (node != nullptr && *node != api.options().node_name) return reply(call, nothing_there());
  api.reset_figures(call, [call] { reply(call, put_answer(false)); });
}

// There are none: RabbitMQ's word for one that it does not know.
void enable_feature_flag(Api&, const CallRef& call) {
  reply(call, refusal(400, "bad_request", "unsupported"));
}

// One node has nothing to rebalance.
void nothing_to_do(Api&, const CallRef& call) {
  reply(call, put_answer(false));
}

constexpr Route kRoutes[] = {
    {"GET", "/overview", Door::anybody, overview},
    {"GET", "/nodes", Door::monitoring, list},
    {"GET", "/nodes/:node", Door::monitoring, show},
    {"GET", "/nodes/:node/memory", Door::monitoring, show_memory},
    {"GET", "/nodes/:node/memory/relative", Door::monitoring, show_relative_memory},
    {"GET", "/config/effective", Door::administrator, effective_config},
    {"GET", "/cluster-name", Door::anybody, cluster_name},
    {"PUT", "/cluster-name", Door::administrator, name_cluster},
    {"GET", "/version", Door::anybody, version},
    {"GET", "/openapi.json", Door::anybody, openapi},
    {"GET", "/extensions", Door::anybody, extensions},
    {"GET", "/auth", Door::anybody, auth},
    {"GET", "/auth/attempts/:node", Door::monitoring, login_attempts},
    {"GET", "/auth/attempts/:node/source", Door::monitoring, login_attempts_by_source},
    {"GET", "/auth/hash_password/:password", Door::administrator, hash_password},
    {"GET", "/feature-flags", Door::anybody, list_nothing},
    {"PUT", "/feature-flags/:name/enable", Door::administrator, enable_feature_flag},
    {"GET", "/deprecated-features", Door::anybody, list_nothing},
    {"GET", "/deprecated-features/used", Door::anybody, list_nothing},
    {"GET", "/federation-links", Door::monitoring, list_nothing},
    {"GET", "/shovels", Door::monitoring, list_nothing},
    {"GET", "/stream/connections", Door::anybody, list_nothing},
    {"GET", "/stream/connections/:vhost", Door::vhost_to_look, list_nothing},
    {"GET", "/stream/publishers", Door::anybody, list_nothing},
    {"GET", "/stream/publishers/:vhost", Door::vhost_to_look, list_nothing},
    {"GET", "/stream/consumers", Door::anybody, list_nothing},
    {"GET", "/stream/consumers/:vhost", Door::vhost_to_look, list_nothing},
    {"POST", "/rebalance/queues", Door::administrator, nothing_to_do},
    {"DELETE", "/reset", Door::administrator, reset},
    {"DELETE", "/reset/:node", Door::administrator, reset},
};

}  // namespace
}  // namespace node

std::span<const Route> node_routes() {
  return node::kRoutes;
}

}  // namespace millrace::management
