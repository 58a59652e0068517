// basic.qos, consume, cancel and get.
#include "codec/amqp091/constants.hpp"
#include "protocol/amqp091/arguments.hpp"
#include "protocol/amqp091/session.hpp"

namespace millrace::amqp091 {

namespace {

constexpr std::string_view kReplyTo = "amq.rabbitmq.reply-to";

std::string base64url(std::span<const std::uint8_t> bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string text;
  unsigned bits = 0;
  std::uint32_t held = 0;
  for (const std::uint8_t byte : bytes) {
    held = (held << 8) | byte;
    for (bits += 8; bits >= 6; bits -= 6) text += kDigits[(held >> (bits - 6)) & 63];
  }
  if (bits != 0) text += kDigits[(held << (6 - bits)) & 63];
  return text;
}

}  // namespace

std::string Session::make_tag() {
  std::uint8_t bytes[16] = {};
  options_.random(bytes);
  return "amq.ctag-" + base64url(bytes);
}

void Session::on(Channel& channel, const basic::Qos& method) {
  if (method.prefetch_size != 0) {
    return refuse(channel, ReplyCode::not_implemented,
                  "prefetch_size!=0 (" + std::to_string(method.prefetch_size) + ")");
  }
  // RabbitMQ's meaning of `global`: false is for each consumer to come, and ends an earlier limit of the
  // channel; true is for the channel as a whole.
  if (method.global) {
    channel.channel_limit = method.prefetch_count;
  } else {
    channel.prefetch = method.prefetch_count;
    channel.channel_limit = 0;
  }
  send(channel.number, basic::QosOk{});
  for (Consumer* consumer : channel.consumers) look_at_credit(*consumer);
  release_held(channel);
}

void Session::on(Channel& channel, const basic::Consume& method) {
  std::string queue;
  if (!queue_name(channel, method.queue, queue)) return;
  broker::Consume consume;
  if (!read_arguments(method.arguments, consume.arguments)) return;
  if (channel.by_tag.contains(method.consumer_tag)) {
    return refuse(channel, ReplyCode::not_allowed,
                  "attempt to reuse consumer tag '" + std::string(method.consumer_tag) + "'");
  }
  if (consumers_.size() - free_consumers_.size() >= kConsumersMax) {
    return refuse(channel, ReplyCode::resource_error,
                  "reached maximum (" + std::to_string(kConsumersMax) + ") of consumers per connection");
  }
  const bool reply_to = queue == kReplyTo;
  if (reply_to) {
    if (!method.no_ack) {
      return refuse(channel, ReplyCode::precondition_failed, "reply consumer cannot acknowledge");
    }
    if (channel.reply_consumer != nullptr) {
      return refuse(channel, ReplyCode::precondition_failed, "reply consumer already set");
    }
  }
  if (const broker::Value* priority = consume.arguments.find("x-priority")) {
    if (!priority->as_integer()) {
      return refuse(channel, ReplyCode::precondition_failed,
                    "invalid arg 'x-priority' for queue '" + queue + "' in vhost '" + connection_->vhost() +
                        "': {unacceptable_type," + std::string(priority->type_name()) + "}");
    }
    consume.priority = *priority->as_integer();
  }

  Consumer& consumer =
      add_consumer(channel, method.consumer_tag.empty() ? make_tag() : std::string(method.consumer_tag));
  consumer.no_ack = method.no_ack;
  if (reply_to) channel.reply_consumer = &consumer;
  consumer.prefetch = method.no_ack ? 0 : channel.prefetch;
  consumer.lent = credit_target(consumer);
  consume.queue = queue;
  consume.id = consumer.id;
  consume.no_ack = method.no_ack;
  consume.exclusive = method.exclusive;
  consume.no_local = method.no_local;
  consume.credit = consumer.lent;
  consume.tag = consumer.tag;
  ++channel.pending;
  connection_->consume(consume, [this, &channel, id = consumer.id, nowait = method.nowait,
                                 method_id = method_id_](result<broker::QueueAddress> outcome) {
    --channel.pending;
    if (broker_closing_) return;
    if (outcome.has_value()) {
      consumer_ready(channel, id, *outcome, nowait);
    } else {
      if (Consumer* refused = find_consumer(id)) remove_consumer(*refused);
      if (channel.open()) refuse(channel, fault_of(outcome.error()), method_id);
    }
    answered(channel);
  });
}

void Session::consumer_ready(Channel& channel, broker::ConsumerId id, const broker::QueueAddress& queue,
                             bool nowait) {
  Consumer* consumer = find_consumer(id);
  if (consumer == nullptr) return;  // cancelled by the broker meanwhile
  consumer->source = add_source(channel, queue, id);
  consumer->ready = true;
  if (!channel.open()) return;
  if (!nowait) send(channel.number, basic::ConsumeOk{consumer->tag});
  release_held(channel);
}

void Session::on(Channel& channel, const basic::Cancel& method) {
  const auto found = channel.by_tag.find(method.consumer_tag);
  if (found == channel.by_tag.end()) {
    if (!method.nowait) send(channel.number, basic::CancelOk{method.consumer_tag});
    return;
  }
  Consumer& consumer = **found;
  consumer.cancelling = true;
  connection_->cancel(consumer.id, answer<void>(channel, [this, &channel, id = consumer.id,
                                                          tag = consumer.tag, nowait = method.nowait] {
                        if (Consumer* gone = find_consumer(id)) {
                          requeue_held(channel, gone);
                          remove_consumer(*gone);
                        }
                        if (!nowait) send(channel.number, basic::CancelOk{tag});
                      }));
}

void Session::on(Channel& channel, const basic::Get& method) {
  std::string queue;
  if (!queue_name(channel, method.queue, queue)) return;
  connection_->get(
      queue, method.no_ack,
      answer<std::optional<broker::GotMessage>>(
          channel, [this, &channel, no_ack = method.no_ack](std::optional<broker::GotMessage> got) {
            if (!got) {
              ++channel.counters.got_nothing;
              return send(channel.number, basic::GetEmpty{});
            }
            send_got(channel, *got, no_ack);
          }));
}

Consumer& Session::add_consumer(Channel& channel, std::string tag) {
  auto slot = static_cast<std::uint32_t>(consumers_.size());
  if (free_consumers_.empty()) {
    consumers_.emplace_back();
  } else {
    slot = free_consumers_.back();
    free_consumers_.pop_back();
  }
  consumers_[slot] = std::make_unique<Consumer>();
  Consumer& consumer = *consumers_[slot];
  consumer.id = broker::ConsumerId((++consumer_serial_ << kSlotBits) | slot);
  consumer.channel = &channel;
  consumer.tag = std::move(tag);
  consumer.position = static_cast<std::uint32_t>(channel.consumers.size());
  channel.consumers.push_back(&consumer);
  channel.by_tag.insert(&consumer);
  return consumer;
}

// The broker knows it no more. What the client holds of it can still be settled.
void Session::remove_consumer(Consumer& consumer) {
  Channel& channel = *consumer.channel;
  if (consumer.ready) {
    channel.sources[consumer.source].closed = true;
    free_source_if_done(channel, consumer.source);
  }
  std::erase_if(channel.held, [&](const Held& held) { return held.consumer == &consumer; });
  channel.consumers[consumer.position] = channel.consumers.back();
  channel.consumers[consumer.position]->position = consumer.position;
  channel.consumers.pop_back();
  channel.by_tag.erase(&consumer);
  if (channel.reply_consumer == &consumer) channel.reply_consumer = nullptr;
  const auto slot = static_cast<std::uint32_t>(consumer.id.value & kSlotMask);
  consumers_[slot].reset();
  free_consumers_.push_back(slot);
}

void Session::on_consumer_cancelled(broker::ConsumerId id) {
  Consumer* consumer = find_consumer(id);
  if (consumer == nullptr || broker_closing_) return;
  Channel& channel = *consumer->channel;
  if (channel.open() && consumer->ready && cancel_notify_) {
    send(channel.number, basic::Cancel{consumer->tag, true});
  }
  remove_consumer(*consumer);
  channel_progress(channel);
}

}  // namespace millrace::amqp091
