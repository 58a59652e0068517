// What a shard shows its Tap, and the copies for amq.rabbitmq.trace, which are as RabbitMQ's firehose writes
// them.
#include <algorithm>

#include "broker/node/shard.hpp"

namespace millrace::broker {
namespace {

constexpr std::size_t kMaxKeyBytes = 255;  // of a routing key, AMQP 0-9-1 §4.2.5.3

Arguments table_of(const MessageProperties& properties) {
  Arguments table;
  const auto text = [&](const char* name, const std::optional<std::string>& value) {
    if (value) table.set(name, Value::text(*value));
  };
  text("content_type", properties.content_type);
  text("content_encoding", properties.content_encoding);
  if (properties.headers) table.set("headers", Value::table(*properties.headers));
  if (properties.delivery_mode) table.set("delivery_mode", Value::integer(*properties.delivery_mode));
  if (properties.priority) table.set("priority", Value::integer(*properties.priority));
  text("correlation_id", properties.correlation_id);
  text("reply_to", properties.reply_to);
  text("expiration", properties.expiration);
  text("message_id", properties.message_id);
  if (properties.timestamp) {
    table.set("timestamp", Value::integer(static_cast<std::int64_t>(*properties.timestamp)));
  }
  text("type", properties.type);
  text("user_id", properties.user_id);
  text("app_id", properties.app_id);
  text("cluster_id", properties.cluster_id);
  return table;
}

Value text_list(std::span<const std::string> texts) {
  std::vector<Value> values;
  for (const std::string& text : texts) values.push_back(Value::text(text));
  return Value::array(std::move(values));
}

TraceStep step_of(DeathReason reason) noexcept {
  switch (reason) {
    case DeathReason::expired:
      return TraceStep::expired;
    case DeathReason::rejected:
      return TraceStep::rejected;
    case DeathReason::maxlen:
      return TraceStep::dropped;
    case DeathReason::delivery_limit:
      return TraceStep::given_up;
  }
  return TraceStep::dropped;
}

TraceStep step_of(Settlement how) noexcept {
  switch (how) {
    case Settlement::ack:
      return TraceStep::acknowledged;
    case Settlement::reject:
      return TraceStep::rejected;
    case Settlement::requeue:
    case Settlement::requeue_failed:
      return TraceStep::requeued;
  }
  return TraceStep::acknowledged;
}

}  // namespace

void Shard::change_tap(Tap::Sink sink, std::int64_t epoch_us, const std::function<void(Tap&)>& change) {
  if (!tap_) {
    tap_ = std::make_unique<Tap>(std::move(sink));
    trace_epoch_us_ = epoch_us;
  }
  change(*tap_);
  if (tap_->idle()) {
    tap_->flush();
    tap_.reset();
  }
  replica_.invalidate();  // connections publish by what they know of the last message while nobody looks
}

TraceEvent Shard::trace_event(TraceStep step) const {
  TraceEvent event;
  event.step = step;
  // The microseconds are those of the steady clock: events of one broker are in order.
  event.at_us = trace_epoch_us_ + runtime_.clock.steady().count() / 1000;
  return event;
}

std::vector<std::string> Shard::names_of(std::span<const QueueAddress> targets) const {
  std::vector<std::string> names;
  for (const QueueAddress& target : targets) {
    if (const QueueSpec* spec = replica_.find_queue(target.id)) names.push_back(spec->name);
  }
  return names;
}

void Shard::copy_to_firehose(const ConnectionImpl& connection, std::string routing_key,
                             const MessageRef& message, const Delivery& delivery, Arguments more) {
  Arguments headers;
  headers.set("exchange_name", Value::text(std::string(message->exchange())));
  headers.set("routing_keys", text_list(std::vector<std::string>{std::string(message->routing_key())}));
  headers.set("properties", Value::table(table_of(shared_.options.formats.of(*message).delivered(delivery))));
  headers.set("node", Value::text(shared_.options.node_name));
  headers.set("vhost", Value::text(connection.vhost()));
  headers.set("connection", Value::text(connection.info().peer));
  headers.set("channel", Value::integer(0, 'I'));
  headers.set("user", Value::text(connection.subject().user));
  for (const Argument& one : more) headers.set(one.key, one.value);
  tap_->copy({connection.vhost(), std::move(routing_key), std::move(headers), message});
}

void Shard::saw_published(const ConnectionImpl& connection, const MessageRef& message,
                          std::span<const QueueAddress> targets) {
  tap_->see(connection.vhost(), *message, shared_.options.formats.of(*message), [&] {
    TraceEvent event = trace_event(TraceStep::published);
    event.targets = names_of(targets);
    event.peer = connection.info().peer;
    event.user = connection.subject().user;
    return event;
  });
  if (!tap_->copies(connection.vhost())) return;
  Delivery as_published;
  as_published.message = message;
  Arguments more;
  more.set("routed_queues", text_list(names_of(targets)));
  copy_to_firehose(connection, "publish." + std::string(message->exchange()), message, as_published,
                   std::move(more));
}

void Shard::saw_given(const ConnectionImpl& connection, const QueueAddress& address, const Delivery& delivery,
                      bool asked_for) {
  if (delivery.message->exchange() == kTraceExchange) return;
  const QueueSpec* queue = replica_.find_queue(address.id);
  if (queue == nullptr) return;
  tap_->see(connection.vhost(), *delivery.message, shared_.options.formats.of(*delivery.message), [&] {
    TraceEvent event = trace_event(asked_for ? TraceStep::got : TraceStep::delivered);
    event.queue = queue->name;
    event.peer = connection.info().peer;
    event.user = connection.subject().user;
    event.seq = delivery.seq;
    event.redelivered = delivery.redelivered;
    event.began_us = event.at_us - delivery.waited_us;
    return event;
  });
  if (!tap_->copies(connection.vhost())) return;
  Arguments more;
  more.set("redelivered", Value::integer(delivery.redelivered ? 1 : 0, 'I'));
  copy_to_firehose(connection, "deliver." + queue->name, delivery.message, delivery, std::move(more));
}

void Shard::saw_in_queue(const Queue& queue, const Message& message, std::uint64_t seq, TraceStep step,
                         ConnectionId by, std::optional<std::int64_t> since_us) {
  tap_->see(queue.spec().vhost, message, shared_.options.formats.of(message), [&] {
    TraceEvent event = trace_event(step);
    event.queue = queue.spec().name;
    event.seq = seq;
    event.began_us = since_us ? trace_epoch_us_ + *since_us : event.at_us;
    if (const ConnectionImpl* connection = find_connection(by)) {
      event.peer = connection->info().peer;
      event.user = connection->subject().user;
    }
    return event;
  });
}

void Shard::saw_settled(const Queue& queue, const Entry& entry, ConnectionId by, Settlement how) {
  saw_in_queue(queue, *entry.message, entry.seq, step_of(how), by, entry.since_us);
}

void Shard::saw_death(const Queue& queue, const Entry& entry, DeathReason reason) {
  // Its consumer's word for it was seen.
  if (reason != DeathReason::rejected) {
    saw_in_queue(queue, *entry.message, entry.seq, step_of(reason), ConnectionId(), entry.since_us);
  }
}

void Shard::saw_dead_letter(const Queue& queue, const Message& copy, std::uint64_t seq,
                            const QueueTargets& targets) {
  tap_->see(queue.spec().vhost, copy, shared_.options.formats.of(copy), [&] {
    TraceEvent event = trace_event(TraceStep::dead_lettered);
    event.queue = queue.spec().name;
    event.seq = seq;
    event.targets = names_of(targets);
    return event;
  });
}

// After queues were pumped: a queue may get a copy of what it has just delivered.
void Shard::send_copies() {
  const MessageFormat& format = *shared_.options.formats.by_origin[static_cast<std::size_t>(Origin::amqp091)];
  for (Tap::Copy& copy : tap_->take_copies()) {
    VhostReplica* vhost = replica_.find_vhost(copy.vhost);
    Exchange* exchange = vhost ? vhost->table->find_exchange(kTraceExchange) : nullptr;
    if (exchange == nullptr) continue;
    MessageProperties properties;
    properties.headers = std::move(copy.headers);
    Buffer header;
    if (!format.put_header(header, properties)) continue;  // headers that are nested to the last level
    if (copy.routing_key.size() > kMaxKeyBytes) copy.routing_key.resize(kMaxKeyBytes);
    Message::Fields fields;
    fields.origin = Origin::amqp091;
    fields.received_ms = now_ms();
    fields.exchange = kTraceExchange;
    fields.routing_key = copy.routing_key;
    fields.header = header.view();
    const MessageRef message = Message::create(fields, copy.message->body());
    const std::string_view keys[] = {copy.routing_key};
    QueueTargets targets;
    RememberingExchanges remembering;
    if (!route(*vhost, *exchange, keys, *message, targets, remembering)) continue;
    for (const QueueAddress& target : targets) {
      if (target.shard == id_) {
        enqueue(message, {&target.id, 1}, {});
      } else {
        send(target.shard, EnqueueLetter{message, {target.id}, {}, {}});
      }
    }
  }
}

}  // namespace millrace::broker
