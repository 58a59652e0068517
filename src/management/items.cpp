#include "management/items.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <charconv>
#include <chrono>
#include <cstdio>

#include "base/utf8.hpp"
#include "broker/queue/arguments.hpp"
#include "management/json_values.hpp"
#include "management/latencies.hpp"

namespace millrace::management {

namespace json = boost::json;
using broker::QueueCounters;

json::object rate_details(double rate) {
  json::object details;
  details["rate"] = rate;
  return details;
}

json::object counter_fields(const QueueCounters& now, const QueueCounters& before, const Figures& figures) {
  json::object fields;
  fields.reserve(18);  // all that follow: growing costs as much as filling
  const auto put = [&](std::string_view name, std::string_view details, std::uint64_t a, std::uint64_t b) {
    fields[name] = a;
    fields[details] = rate_details(figures.rate(a, b));
  };
  put("ack", "ack_details", now.acked, before.acked);
  put("deliver", "deliver_details", now.delivered, before.delivered);
  put("deliver_get", "deliver_get_details", now.given(), before.given());
  put("deliver_no_ack", "deliver_no_ack_details", now.delivered_no_ack, before.delivered_no_ack);
  put("get", "get_details", now.got, before.got);
  put("get_empty", "get_empty_details", now.got_nothing, before.got_nothing);
  put("get_no_ack", "get_no_ack_details", now.got_no_ack, before.got_no_ack);
  put("publish", "publish_details", now.published, before.published);
  put("redeliver", "redeliver_details", now.redelivered, before.redelivered);
  return fields;
}

std::string short_protocol(const std::string& protocol) {
  if (protocol == "AMQP 0-9-1") return "amqp091";
  return protocol == "HTTP" ? "http" : protocol;
}

std::string time_text(std::int64_t wall_ms) {
  using namespace std::chrono;
  const sys_time<milliseconds> time{milliseconds(wall_ms)};
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(time - day);
  char text[40];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%03d+00:00", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return text;
}

std::string_view queue_type(const broker::QueueSpec& queue) {
  const broker::Value* type = queue.arguments.find("x-queue-type");
  return type != nullptr && type->as_text() != nullptr ? std::string_view(*type->as_text()) : "classic";
}

namespace {

// What is in force: the operator's policy wins where it is stricter.
json::object effective_definition(const broker::PolicySpec* policy, const broker::PolicySpec* of_operator) {
  broker::Arguments effective;
  if (policy != nullptr) effective = policy->definition;
  if (of_operator == nullptr) return json_from_arguments(effective);
  for (const broker::Argument& rule : of_operator->definition) {
    const broker::Value* there = effective.find(rule.key);
    const auto mine = there != nullptr ? there->as_integer() : std::nullopt;
    const auto theirs = rule.value.as_integer();
    if (mine && theirs && *mine <= *theirs) continue;
    effective.set(rule.key, rule.value);
  }
  return json_from_arguments(effective);
}

json::value policy_name(const broker::PolicySpec* policy) {
  if (policy == nullptr) return nullptr;
  return json::string(as_utf8(policy->name));
}

json::string text(std::string_view given) {
  return json::string(as_utf8(given));
}

json::array tag_list(const std::vector<std::string>& tags) {
  json::array list;
  for (const std::string& tag : tags) list.push_back(text(tag));
  return list;
}

// Members that are read as they are: lists are sorted by them without making their items.
struct QueueNumber {
  std::string_view name;
  std::uint64_t (*of)(const broker::QueueStatistics&);
};
constexpr QueueNumber kQueueNumbers[] = {
    {"consumers", [](const auto& queue) { return std::uint64_t{queue.consumers}; }},
    {"memory", [](const auto& queue) { return queue.memory_bytes; }},
    {"message_bytes", [](const auto& queue) { return queue.ready_bytes + queue.unacked_bytes; }},
    {"message_bytes_ready", [](const auto& queue) { return queue.ready_bytes; }},
    {"message_bytes_unacknowledged", [](const auto& queue) { return queue.unacked_bytes; }},
    {"messages", [](const auto& queue) { return queue.ready + queue.unacked; }},
    {"messages_ready", [](const auto& queue) { return queue.ready; }},
    {"messages_unacknowledged", [](const auto& queue) { return queue.unacked; }},
};

}  // namespace

std::optional<std::uint64_t> queue_number(const broker::QueueStatistics& queue, std::string_view member) {
  for (const QueueNumber& number : kQueueNumbers)
    if (number.name == member) return number.of(queue);
  return std::nullopt;
}

json::object queue_definition(const Api& api, const broker::QueueSpec& queue, const Figures& figures,
                              bool with_totals) {
  json::object item;
  item["arguments"] = json_from_arguments(queue.arguments);
  item["auto_delete"] = queue.auto_delete;
  item["durable"] = queue.durable;
  item["exclusive"] = queue.exclusive_owner.value != 0;
  item["name"] = text(queue.name);
  item["node"] = api.options().node_name;
  item["state"] = "running";
  item["type"] = text(queue_type(queue));
  item["vhost"] = text(queue.vhost);
  if (!with_totals) return item;
  const broker::QueueStatistics& now = figures.of(queue.address.id);
  item["messages"] = now.ready + now.unacked;
  item["messages_ready"] = now.ready;
  item["messages_unacknowledged"] = now.unacked;
  return item;
}

json::object queue_item(const Api& api, const broker::QueueSpec& queue, const Figures& figures) {
  const broker::QueueStatistics& now = figures.of(queue.address.id);
  const broker::QueueStatistics& before = figures.before_of(queue.address.id);
  const broker::PolicySpec* policy = api.model().policy_of(queue, false);
  const broker::PolicySpec* of_operator = api.model().policy_of(queue, true);
  json::object item;
  item.reserve(48);
  item["arguments"] = json_from_arguments(queue.arguments);
  item["auto_delete"] = queue.auto_delete;
  item["consumer_capacity"] = consumer_capacity(now, before);
  item["consumer_utilisation"] = consumer_capacity(now, before);
  item["durable"] = queue.durable;
  item["effective_policy_definition"] = effective_definition(policy, of_operator);
  item["exclusive"] = queue.exclusive_owner.value != 0;
  item["exclusive_consumer_tag"] = nullptr;
  item["head_message_timestamp"] = nullptr;
  if (now.used_ms != 0) item["idle_since"] = time_text(now.used_ms);
  for (const QueueNumber& number : kQueueNumbers) item[number.name] = number.of(now);
  const std::uint64_t bytes = now.ready_bytes + now.unacked_bytes;
  const std::uint64_t bytes_in_memory = std::min(bytes, now.memory_bytes);
  item["message_bytes_paged_out"] = bytes - bytes_in_memory;
  item["message_bytes_ram"] = bytes_in_memory;
  item["message_stats"] = counter_fields(now.counters, before.counters, figures);
  const auto put_change = [&](std::string_view details, std::uint64_t a, std::uint64_t b) {
    item[details] = rate_details(figures.change_rate(a, b));
  };
  put_change("messages_details", now.ready + now.unacked, before.ready + before.unacked);
  put_change("messages_ready_details", now.ready, before.ready);
  put_change("messages_unacknowledged_details", now.unacked, before.unacked);
  item["millrace"] =
      latency_fields(now, before, figures, broker::queue_scheduling(queue, policy, of_operator), false);
  item["name"] = text(queue.name);
  item["node"] = api.options().node_name;
  item["operator_policy"] = policy_name(of_operator);
  item["policy"] = policy_name(policy);
  item["reductions"] = 0;
  item["reductions_details"] = rate_details(0);
  item["single_active_consumer_tag"] = nullptr;
  item["state"] = "running";
  item["type"] = text(queue_type(queue));
  item["vhost"] = text(queue.vhost);
  return item;
}

json::object exchange_item(const Api& api, const broker::ExchangeSpec& exchange, const Figures& figures) {
  json::object item = exchange_definition(api, exchange);
  const broker::ExchangeCounters now = figures.of_exchange(exchange.vhost, exchange.name);
  const broker::ExchangeCounters before = figures.before_of_exchange(exchange.vhost, exchange.name);
  json::object stats;
  stats["publish_in"] = now.in;
  stats["publish_in_details"] = rate_details(figures.rate(now.in, before.in));
  stats["publish_out"] = now.out;
  stats["publish_out_details"] = rate_details(figures.rate(now.out, before.out));
  item["message_stats"] = std::move(stats);
  return item;
}

json::object exchange_definition(const Api& api, const broker::ExchangeSpec& exchange) {
  json::object item;
  item["arguments"] = json_from_arguments(exchange.arguments);
  item["auto_delete"] = exchange.auto_delete;
  item["durable"] = exchange.durable;
  item["internal"] = exchange.internal;
  item["name"] = text(exchange.name);
  item["policy"] = policy_name(api.model().policy_of(exchange));
  item["type"] = text(exchange.type);
  item["vhost"] = text(exchange.vhost);
  return item;
}

std::string binding_key(const broker::BindingSpec& binding) {
  std::string key = quote(binding.routing_key);
  if (binding.arguments.empty()) return key.empty() ? "~" : key;
  char digits[16];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, hash(binding.arguments), 36);
  return key + "~" + std::string(digits, end);
}

json::object binding_item(const broker::BindingSpec& binding) {
  json::object item;
  item["source"] = text(binding.source);
  item["vhost"] = text(binding.vhost);
  item["destination"] = text(binding.destination);
  item["destination_type"] = binding.to_exchange ? "exchange" : "queue";
  item["routing_key"] = text(binding.routing_key);
  item["arguments"] = json_from_arguments(binding.arguments);
  item["properties_key"] = binding_key(binding);
  return item;
}

std::vector<broker::BindingSpec> implicit_bindings(const broker::VhostDefinitions& vhost) {
  std::vector<broker::BindingSpec> bindings;
  for (const auto& [name, queue] : vhost.queues)
    bindings.push_back({vhost.spec.name, "", name, false, name, {}});
  return bindings;
}

json::object vhost_item(const Api& api, const broker::VhostDefinitions& vhost, const Figures& figures) {
  std::uint64_t ready = 0, unacked = 0, ready_before = 0, unacked_before = 0;
  QueueCounters now, before;
  for (const auto& [name, queue] : vhost.queues) {
    const broker::QueueStatistics& one = figures.of(queue->address.id);
    const broker::QueueStatistics& was = figures.before_of(queue->address.id);
    ready += one.ready;
    unacked += one.unacked;
    ready_before += was.ready;
    unacked_before += was.unacked;
    now += one.counters;
    before += was.counters;
  }
  json::object item;
  item["name"] = text(vhost.spec.name);
  item["description"] = text(vhost.spec.description);
  item["tags"] = tag_list(vhost.spec.tags);
  item["default_queue_type"] =
      vhost.spec.default_queue_type.empty() ? json::string("undefined") : text(vhost.spec.default_queue_type);
  json::object metadata;
  metadata["description"] = item["description"];
  metadata["tags"] = item["tags"];
  metadata["protected_from_deletion"] = vhost.is_protected;
  item["protected_from_deletion"] = vhost.is_protected;
  item["metadata"] = std::move(metadata);
  item["tracing"] = api.core().has_firehose(vhost.spec.name);
  json::object state;
  state[api.options().node_name] = "running";
  item["cluster_state"] = std::move(state);
  item["messages"] = ready + unacked;
  item["messages_details"] =
      rate_details(figures.change_rate(ready + unacked, ready_before + unacked_before));
  item["messages_ready"] = ready;
  item["messages_ready_details"] = rate_details(figures.change_rate(ready, ready_before));
  item["messages_unacknowledged"] = unacked;
  item["messages_unacknowledged_details"] = rate_details(figures.change_rate(unacked, unacked_before));
  item["message_stats"] = counter_fields(now, before, figures);
  return item;
}

json::object parameter_item(const broker::ParameterSpec& parameter) {
  json::object item;
  if (!parameter.component.empty()) {
    item["vhost"] = text(parameter.vhost);
    item["component"] = text(parameter.component);
  }
  item["name"] = text(parameter.name);
  boost::system::error_code malformed;
  item["value"] = json::parse(parameter.value, malformed);
  return item;
}

json::object limit_values(const broker::Definitions& definitions, bool of_user, std::string_view subject) {
  json::object values;
  for (const broker::LimitSpec& limit : definitions.limits()) {
    if (limit.of_user == of_user && limit.subject == subject) values[limit.limit] = limit.value;
  }
  return values;
}

// Hashes are for exports alone.
json::object user_item(const broker::UserSpec& user, const broker::Definitions& definitions) {
  json::object item;
  item["name"] = text(user.name);
  item["tags"] = tag_list(user.tags);
  item["limits"] = limit_values(definitions, true, user.name);
  return item;
}

json::object permission_item(const broker::PermissionSpec& permission) {
  json::object item;
  item["user"] = text(permission.user);
  item["vhost"] = text(permission.vhost);
  item["configure"] = text(permission.configure);
  item["write"] = text(permission.write);
  item["read"] = text(permission.read);
  return item;
}

json::object topic_permission_item(const broker::TopicPermissionSpec& permission) {
  json::object item;
  item["user"] = text(permission.user);
  item["vhost"] = text(permission.vhost);
  item["exchange"] = text(permission.exchange);
  item["write"] = text(permission.write);
  item["read"] = text(permission.read);
  return item;
}

json::object policy_item(const broker::PolicySpec& policy) {
  json::object item;
  item["vhost"] = text(policy.vhost);
  item["name"] = text(policy.name);
  item["pattern"] = text(policy.pattern);
  item["apply-to"] = text(policy.apply_to);
  item["definition"] = json_from_arguments(policy.definition);
  item["priority"] = policy.priority;
  return item;
}

namespace {

struct HostAndPort {
  std::string host;
  std::uint16_t port = 0;
};

HostAndPort split_address(std::string_view address) {
  const std::size_t colon = address.rfind(':');
  HostAndPort parts;
  if (colon == std::string_view::npos) return {std::string(address), 0};
  std::from_chars(address.data() + colon + 1, address.data() + address.size(), parts.port);
  std::string_view host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  parts.host = host;
  return parts;
}

// Where it came in.
ListeningOn listener_of(const Api& api, const broker::ConnectionStatistics& connection) {
  const std::string_view wanted = connection.info.protocol == "HTTP" ? "http" : "amqp";
  for (const ListeningOn& listener : api.listeners()) {
    if (listener.protocol == wanted) return listener;
  }
  return {};
}

}  // namespace

std::string connection_name(const Api& api, const broker::ConnectionStatistics& connection) {
  const ListeningOn listener = listener_of(api, connection);
  return connection.info.peer + " -> " + listener.address + ":" + std::to_string(listener.port);
}

json::object connection_item(const Api& api, const broker::ConnectionStatistics& connection,
                             const Figures& figures) {
  const HostAndPort peer = split_address(connection.info.peer);
  const ListeningOn listener = listener_of(api, connection);
  const broker::SessionDetails& session = connection.session;
  json::object properties;
  if (!connection.info.client_name.empty()) properties["connection_name"] = text(connection.info.client_name);
  json::object item;
  item["auth_mechanism"] = session.mechanism;
  item["channel_max"] = session.channel_max;
  item["channels"] = session.channels.size();
  item["client_properties"] = std::move(properties);
  item["connected_at"] = connection.connected_ms;
  item["frame_max"] = session.frame_max;
  item["host"] = listener.address;
  item["name"] = connection_name(api, connection);
  item["node"] = api.options().node_name;
  item["peer_host"] = peer.host;
  item["peer_port"] = peer.port;
  item["port"] = listener.port;
  item["protocol"] = connection.info.protocol;
  const broker::ConnectionStatistics* was = figures.before_of(connection.id);
  const auto put_bytes = [&](std::string_view name, std::string_view details,
                             std::uint64_t broker::SessionDetails::*bytes) {
    item[name] = session.*bytes;
    item[details] = rate_details(figures.rate(session.*bytes, was == nullptr ? 0 : was->session.*bytes));
  };
  put_bytes("recv_oct", "recv_oct_details", &broker::SessionDetails::bytes_received);
  put_bytes("send_oct", "send_oct_details", &broker::SessionDetails::bytes_sent);
  const broker::TlsPeer* tls = connection.info.tls.get();
  item["ssl"] = tls != nullptr;
  if (tls != nullptr) {
    item["ssl_protocol"] = tls->version;
    item["ssl_cipher"] = tls->cipher;
  }
  if (tls != nullptr && !tls->subject.empty()) {
    item["peer_cert_subject"] = text(tls->subject);
    item["peer_cert_issuer"] = text(tls->issuer);
  }
  item["state"] = connection.blocked ? "blocked" : connection.throttled ? "flow" : "running";
  item["timeout"] = session.heartbeat_s;
  item["type"] = "network";
  item["user"] = text(connection.user);
  item["user_provided_name"] = text(connection.info.client_name);
  item["vhost"] = text(connection.vhost);
  return item;
}

namespace {

json::object connection_details(const Api& api, const broker::ConnectionStatistics& connection) {
  const HostAndPort peer = split_address(connection.info.peer);
  json::object details;
  details["name"] = connection_name(api, connection);
  details["peer_host"] = peer.host;
  details["peer_port"] = peer.port;
  return details;
}

}  // namespace

namespace {

json::object channel_stats(const broker::ChannelCounters& now, const broker::ChannelCounters& before,
                           const Figures& figures) {
  json::object stats;
  const auto put = [&](std::string_view name, std::uint64_t a, std::uint64_t b) {
    stats[name] = a;
    stats[std::string(name) + "_details"] = rate_details(figures.rate(a, b));
  };
  put("ack", now.acked, before.acked);
  put("confirm", now.confirmed, before.confirmed);
  put("deliver", now.delivered, before.delivered);
  put("deliver_get", now.given(), before.given());
  put("deliver_no_ack", now.delivered_no_ack, before.delivered_no_ack);
  put("drop_unroutable", now.unroutable, before.unroutable);
  put("get", now.got, before.got);
  put("get_empty", now.got_nothing, before.got_nothing);
  put("get_no_ack", now.got_no_ack, before.got_no_ack);
  put("publish", now.published, before.published);
  put("redeliver", now.redelivered, before.redelivered);
  put("return_unroutable", now.returned, before.returned);
  return stats;
}

// As the channel of that number was, if it was there.
broker::ChannelCounters counters_before(const Figures& figures,
                                        const broker::ConnectionStatistics& connection,
                                        std::uint16_t number) {
  const broker::ConnectionStatistics* was = figures.before_of(connection.id);
  if (was == nullptr) return {};
  const auto& channels = was->session.channels;
  const auto found = std::find_if(channels.begin(), channels.end(),
                                  [&](const auto& channel) { return channel.number == number; });
  return found == channels.end() ? broker::ChannelCounters{} : found->counters;
}

}  // namespace

json::object channel_item(const Api& api, const broker::ConnectionStatistics& connection,
                          const broker::ChannelDetails& channel, const Figures& figures) {
  json::object item;
  item["acks_uncommitted"] = 0;
  item["confirm"] = channel.confirm;
  item["connection_details"] = connection_details(api, connection);
  item["consumer_count"] = channel.consumers;
  item["global_prefetch_count"] = channel.channel_prefetch;
  item["messages_unacknowledged"] = channel.unacked;
  item["messages_uncommitted"] = 0;
  item["message_stats"] =
      channel_stats(channel.counters, counters_before(figures, connection, channel.number), figures);
  item["messages_unconfirmed"] = channel.unconfirmed;
  item["name"] = connection_name(api, connection) + " (" + std::to_string(channel.number) + ")";
  item["node"] = api.options().node_name;
  item["number"] = channel.number;
  item["prefetch_count"] = channel.prefetch;
  item["state"] = "running";
  item["transactional"] = channel.transactional;
  item["user"] = text(connection.user);
  item["user_who_performed_action"] = text(connection.user);
  item["vhost"] = text(connection.vhost);
  return item;
}

// A consumer's queue knows its state, its session the channel; both are needed.
ConsumerList::ConsumerList(const Api& api, const Figures& figures,
                           const std::vector<const broker::VhostDefinitions*>& vhosts,
                           const std::function<bool(const broker::ConsumerStatistics&)>& wanted)
    : api_(api), figures_(figures) {
  boost::unordered_flat_map<std::uint64_t, std::shared_ptr<const broker::QueueSpec>> queues;
  std::vector<const broker::ConsumerStatistics*> found;
  for (const auto& consumer : figures_.now->consumers) {
    if (!wanted(consumer)) continue;
    found.push_back(&consumer);
    queues.try_emplace(consumer.queue.value);
    holders_.try_emplace(consumer.connection.value);
  }
  if (found.empty()) return;
  for (const auto* vhost : vhosts) {
    if (vhost == nullptr) continue;
    for (const auto& [name, queue] : vhost->queues) {
      const auto place = queues.find(queue->address.id.value);
      if (place != queues.end()) place->second = queue;
    }
  }
  for (const auto& connection : figures_.now->connections) {
    const auto place = holders_.find(connection.id.value);
    if (place == holders_.end()) continue;
    place->second.connection = &connection;
    for (const auto& consumer : connection.session.consumers)
      place->second.consumers.emplace(consumer.id.value, &consumer);
  }
  for (const auto* consumer : found) {
    const auto& queue = queues[consumer->queue.value];
    if (queue && holders_[consumer->connection.value].connection != nullptr) {
      consumers_.emplace_back(consumer, queue);
    }
  }
}

json::object ConsumerList::make(std::size_t place) const {
  const broker::ConsumerStatistics& consumer = *consumers_[place].first;
  const broker::QueueSpec& queue = *consumers_[place].second;
  const Holder& holder = holders_.find(consumer.connection.value)->second;
  const broker::ConnectionStatistics& connection = *holder.connection;
  const auto found = holder.consumers.find(consumer.consumer.value);
  const broker::ConsumerDetails* details = found == holder.consumers.end() ? nullptr : found->second;
  const std::uint16_t number = details == nullptr ? 0 : details->channel;
  json::object channel;
  channel["connection_name"] = connection_name(api_, connection);
  channel["name"] = connection_name(api_, connection) + " (" + std::to_string(number) + ")";
  channel["node"] = api_.options().node_name;
  channel["number"] = number;
  const HostAndPort peer = split_address(connection.info.peer);
  channel["peer_host"] = peer.host;
  channel["peer_port"] = peer.port;
  channel["user"] = text(connection.user);
  json::object of;
  of["name"] = text(queue.name);
  of["vhost"] = text(queue.vhost);
  json::object item;
  item["ack_required"] = !consumer.no_ack;
  item["active"] = consumer.active;
  item["activity_status"] = consumer.active ? "up" : "waiting";
  json::object arguments;
  if (consumer.priority != 0) arguments["x-priority"] = consumer.priority;
  item["arguments"] = std::move(arguments);
  item["channel_details"] = std::move(channel);
  item["consumer_tag"] = text(consumer.tag);
  item["consumer_timeout"] = 0;
  item["exclusive"] = consumer.exclusive;
  item["prefetch_count"] = details == nullptr ? 0 : details->prefetch;
  item["queue"] = std::move(of);
  return item;
}

json::array ConsumerList::make_all() const {
  json::array items;
  for (std::size_t i = 0; i < consumers_.size(); ++i) items.push_back(make(i));
  return items;
}

}  // namespace millrace::management
