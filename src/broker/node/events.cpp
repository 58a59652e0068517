#include "broker/node/events.hpp"

#include <optional>
#include <string>
#include <utility>

#include "broker/node/shard.hpp"

namespace millrace::broker {
namespace {

using Event = std::optional<std::pair<std::string_view, Arguments>>;

Arguments named(std::string_view name, std::string_view vhost) {
  Arguments details;
  details.set("name", Value::text(std::string(name)));
  details.set("vhost", Value::text(std::string(vhost)));
  return details;
}

Arguments of_binding(const BindingSpec& binding) {
  Arguments details;
  details.set("source_name", Value::text(binding.source));
  details.set("source_kind", Value::text("exchange"));
  details.set("destination_name", Value::text(binding.destination));
  details.set("destination_kind", Value::text(binding.to_exchange ? "exchange" : "queue"));
  details.set("routing_key", Value::text(binding.routing_key));
  details.set("vhost", Value::text(binding.vhost));
  details.set("arguments", Value::table(binding.arguments));
  return details;
}

Arguments of_user_in(std::string_view user, std::string_view vhost) {
  Arguments details;
  details.set("user", Value::text(std::string(user)));
  details.set("vhost", Value::text(std::string(vhost)));
  return details;
}

struct EventOf {
  Event operator()(const PutVhost& c) const { return {{"vhost.created", just("name", c.vhost.name)}}; }
  Event operator()(const DeleteVhost& c) const { return {{"vhost.deleted", just("name", c.name)}}; }
  Event operator()(const PutExchange& c) const {
    Arguments details = named(c.exchange.name, c.exchange.vhost);
    details.set("type", Value::text(c.exchange.type));
    details.set("durable", Value::boolean(c.exchange.durable));
    details.set("auto_delete", Value::boolean(c.exchange.auto_delete));
    details.set("internal", Value::boolean(c.exchange.internal));
    details.set("arguments", Value::table(c.exchange.arguments));
    return {{"exchange.created", std::move(details)}};
  }
  Event operator()(const DeleteExchange& c) const { return {{"exchange.deleted", named(c.name, c.vhost)}}; }
  Event operator()(const PutQueue& c) const {
    Arguments details = named(c.queue->name, c.queue->vhost);
    details.set("durable", Value::boolean(c.queue->durable));
    details.set("auto_delete", Value::boolean(c.queue->auto_delete));
    details.set("exclusive", Value::boolean(c.queue->exclusive_owner.value != 0));
    details.set("arguments", Value::table(c.queue->arguments));
    return {{"queue.created", std::move(details)}};
  }
  Event operator()(const DeleteQueue& c) const { return {{"queue.deleted", named(c.name, c.vhost)}}; }
  Event operator()(const PutBinding& c) const { return {{"binding.created", of_binding(c.binding)}}; }
  Event operator()(const DeleteBinding& c) const { return {{"binding.deleted", of_binding(c.binding)}}; }
  Event operator()(const PutUser& c) const { return {{"user.created", just("name", c.user.name)}}; }
  Event operator()(const DeleteUser& c) const { return {{"user.deleted", just("name", c.name)}}; }
  Event operator()(const PutPermission& c) const {
    Arguments details = of_user_in(c.permission.user, c.permission.vhost);
    details.set("configure", Value::text(c.permission.configure));
    details.set("write", Value::text(c.permission.write));
    details.set("read", Value::text(c.permission.read));
    return {{"permission.created", std::move(details)}};
  }
  Event operator()(const DeletePermission& c) const {
    return {{"permission.deleted", of_user_in(c.user, c.vhost)}};
  }
  Event operator()(const PutTopicPermission& c) const {
    Arguments details = of_user_in(c.permission.user, c.permission.vhost);
    details.set("exchange", Value::text(c.permission.exchange));
    details.set("write", Value::text(c.permission.write));
    details.set("read", Value::text(c.permission.read));
    return {{"topic.permission.created", std::move(details)}};
  }
  Event operator()(const DeleteTopicPermission& c) const {
    return {{"topic.permission.deleted", of_user_in(c.user, c.vhost)}};
  }
  Event operator()(const PutPolicy& c) const {
    Arguments details = named(c.policy.name, c.policy.vhost);
    details.set("pattern", Value::text(c.policy.pattern));
    details.set("priority", Value::integer(c.policy.priority));
    details.set("definition", Value::table(c.policy.definition));
    return {{"policy.set", std::move(details)}};
  }
  Event operator()(const DeletePolicy& c) const { return {{"policy.cleared", named(c.name, c.vhost)}}; }
  Event operator()(const PutLimit&) const { return {}; }
  Event operator()(const NextQueueId&) const { return {}; }
  Event operator()(const PutParameter& c) const {
    Arguments details = named(c.parameter.name, c.parameter.vhost);
    details.set("component", Value::text(c.parameter.component));
    return {{"parameter.set", std::move(details)}};
  }
  Event operator()(const DeleteParameter& c) const {
    Arguments details = named(c.name, c.vhost);
    details.set("component", Value::text(c.component));
    return {{"parameter.cleared", std::move(details)}};
  }
  Event operator()(const ProtectVhost&) const { return {}; }

 private:
  static Arguments just(const char* key, std::string_view value) {
    Arguments details;
    details.set(key, Value::text(std::string(value)));
    return details;
  }
};

struct Outlet {
  VhostReplica& vhost;
  Exchange& exchange;
};

// None: nobody can hear of anything, as nearly always. Asked before an event is described.
std::optional<Outlet> outlet_of(Shard& shard) {
  if (shard.shared().stopping.load(std::memory_order_relaxed)) return std::nullopt;
  VhostReplica* vhost = shard.replica().find_vhost("/");
  Exchange* exchange = vhost ? vhost->table->find_exchange(kEventExchange) : nullptr;
  if (exchange == nullptr || vhost->table->leads_nowhere(*exchange)) return std::nullopt;
  return Outlet{*vhost, *exchange};
}

void tell(Shard& shard, const Outlet& outlet, std::string_view event, Arguments details) {
  const std::string_view keys[] = {event};
  Message::Fields fields;
  fields.exchange = kEventExchange;
  fields.routing_key = event;
  QueueTargets targets;
  RememberingExchanges remembering;
  const MessageRef asked = Message::create(fields, ByteView());  // of some events only, perhaps
  if (!shard.route(outlet.vhost, outlet.exchange, keys, *asked, targets, remembering) || targets.empty())
    return;
  details.set("timestamp_in_ms", Value::integer(shard.wall_ms()));
  MessageProperties properties;
  properties.timestamp = static_cast<std::uint64_t>(shard.wall_ms() / 1000);
  properties.headers = std::move(details);
  properties.delivery_mode = 2;
  Buffer header;
  const MessageFormat& format = *shard.options().formats.by_origin[static_cast<std::size_t>(Origin::amqp091)];
  if (!format.put_header(header, properties)) return;
  fields.origin = Origin::amqp091;
  fields.durable = true;
  fields.received_ms = shard.wall_ms();
  fields.header = header.view();
  const MessageRef message = Message::create(fields, ByteView());
  for (const QueueAddress& target : targets) {
    if (target.shard == shard.id()) {
      shard.enqueue(message, {&target.id, 1}, {});
    } else {
      shard.send(target.shard, EnqueueLetter{message, {target.id}, {}, {}});
    }
  }
}

}  // namespace

void announce(Shard& shard, const Change& change) {
  const std::optional<Outlet> outlet = outlet_of(shard);
  if (!outlet) return;
  Event event = std::visit(EventOf(), change);
  if (event) tell(shard, *outlet, event->first, std::move(event->second));
}

void announce(Shard& shard, std::string_view event, const ConnectionImpl& connection) {
  const std::optional<Outlet> outlet = outlet_of(shard);
  if (!outlet || connection.info().is_management) return;
  Arguments details;
  details.set("name", Value::text(connection.info().peer));
  details.set("user", Value::text(connection.subject().user));
  details.set("vhost", Value::text(connection.vhost()));
  details.set("protocol", Value::text(connection.info().protocol));
  details.set("user_provided_name", Value::text(connection.info().client_name));
  details.set("connected_at", Value::integer(connection.connected_ms()));
  tell(shard, *outlet, event, std::move(details));
}

void announce_channel(Shard& shard, std::string_view event, const ConnectionImpl& connection) {
  const std::optional<Outlet> outlet = outlet_of(shard);
  if (!outlet || connection.info().is_management) return;
  Arguments details = of_user_in(connection.subject().user, connection.vhost());
  details.set("connection", Value::text(connection.info().peer));
  tell(shard, *outlet, event, std::move(details));
}

void announce(Shard& shard, std::string_view event, const Queue& queue, const QueueConsumer& consumer) {
  const std::optional<Outlet> outlet = outlet_of(shard);
  if (!outlet) return;
  Arguments details;
  details.set("consumer_tag", Value::text(consumer.tag));
  details.set("queue", Value::text(queue.spec().name));
  details.set("vhost", Value::text(queue.spec().vhost));
  details.set("exclusive", Value::boolean(consumer.exclusive));
  details.set("ack_required", Value::boolean(!consumer.no_ack));
  details.set("priority", Value::integer(consumer.priority));
  // Whose session lives on another shard is not known here.
  if (const ConnectionImpl* connection = shard.find_connection(consumer.key.connection)) {
    details.set("connection", Value::text(connection->info().peer));
    details.set("user", Value::text(connection->subject().user));
  }
  tell(shard, *outlet, event, std::move(details));
}

void announce_alarm(Shard& shard, std::string_view event, std::string_view source) {
  const std::optional<Outlet> outlet = outlet_of(shard);
  if (!outlet) return;
  Arguments details;
  details.set("source", Value::text(std::string(source)));
  details.set("node", Value::text(shard.options().node_name));
  tell(shard, *outlet, event, std::move(details));
}

}  // namespace millrace::broker
