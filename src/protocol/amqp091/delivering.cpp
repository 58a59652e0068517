// Deliveries on their way out, and the credit that bounds them.
//
// A consumer's queue is lent credit: its own prefetch, or the channel's limit, less what is unsettled. Where
// neither is set, or nothing is acknowledged, a window that is refilled while the output drains. With a
// channel limit each consumer's queue may send up to the limit, since any of them may be the one that has
// messages; what is too much for the channel waits here, in `held`, until the client settles something.
#include <algorithm>

#include "protocol/amqp091/message_headers.hpp"
#include "protocol/amqp091/session.hpp"

namespace millrace::amqp091 {

namespace {
constexpr std::uint32_t kWindow = 1024;
}

std::uint32_t Session::credit_target(const Consumer& consumer) const noexcept {
  const std::uint32_t limit = consumer.no_ack ? 0 : consumer.channel->channel_limit;
  if (consumer.prefetch == 0) return limit == 0 ? kWindow : limit;
  return limit == 0 ? consumer.prefetch : std::min(consumer.prefetch, limit);
}

void Session::on_deliver(broker::ConsumerId id, broker::Delivery&& delivery) {
  Consumer* consumer = find_consumer(id);
  if (consumer == nullptr || broker_closing_) return;
  Channel& channel = *consumer->channel;
  if (consumer->lent != 0) --consumer->lent;
  if (!consumer->no_ack) {
    ++consumer->unsettled;
  }
  if (!channel.open()) {
    if (!consumer->ready || consumer->no_ack) return;
    const broker::QueueAddress queue = channel.sources[consumer->source].queue;
    const std::uint64_t seqs[] = {delivery.seq};
    return connection_->settle(queue, id, seqs, broker::Settlement::requeue);
  }
  if (!channel.held.empty() || !may_send(channel, *consumer)) {
    channel.held.push_back({consumer, std::move(delivery)});
    return;
  }
  deliver(channel, *consumer, delivery);
}

void Session::deliver(Channel& channel, Consumer& consumer, const broker::Delivery& delivery) {
  const std::uint64_t tag = ++channel.delivery_tag;
  if (delivery.redelivered) ++channel.counters.redelivered;
  if (consumer.no_ack) {
    ++channel.counters.delivered_no_ack;
    look_at_credit(consumer);
  } else {
    ++channel.counters.delivered;
    channel.unacked.push(tag, consumer.source, delivery.seq);
    ++channel.sources[consumer.source].entries;
    ++channel.channel_in_use;
    if (consumer.prefetch == 0) look_at_credit(consumer);
  }
  const broker::Message& message = *delivery.message;
  send_content(
      channel,
      basic::Deliver{consumer.tag, tag, delivery.redelivered, message.exchange(), message.routing_key()},
      message, properties_of(delivery));
}

void Session::send_got(Channel& channel, const broker::GotMessage& got, bool no_ack) {
  const std::uint64_t tag = ++channel.delivery_tag;
  if (got.delivery.redelivered) ++channel.counters.redelivered;
  ++(no_ack ? channel.counters.got_no_ack : channel.counters.got);
  if (!no_ack) {
    const std::uint32_t source = got_source(channel, got.queue);
    channel.unacked.push(tag, source, got.delivery.seq);
    ++channel.sources[source].entries;
  }
  const broker::Message& message = *got.delivery.message;
  const auto left = static_cast<std::uint32_t>(std::min<std::uint64_t>(got.messages_left, 0xffffffff));
  send_content(channel,
               basic::GetOk{tag, got.delivery.redelivered, message.exchange(), message.routing_key(), left},
               message, properties_of(got.delivery));
}

// As the publisher encoded them, unless the broker has something to add.
ByteView Session::properties_of(const broker::Delivery& delivery) {
  const broker::Message& message = *delivery.message;
  if (message.origin() == broker::Origin::amqp091 && message.annotations() == nullptr && !delivery.stamped &&
      !(delivery.show_delivery_count && delivery.delivery_count != 0)) [[likely]] {
    return message.header();
  }
  scratch_.clear();
  write_delivered_properties(scratch_, delivery);
  return scratch_.view();
}

void Session::release_held(Channel& channel) {
  if (!channel.open()) return;
  std::size_t sent = 0;
  while (sent < channel.held.size() && may_send(channel, *channel.held[sent].consumer)) {
    const Held held = std::move(channel.held[sent++]);
    deliver(channel, *held.consumer, held.delivery);
  }
  channel.held.erase(channel.held.begin(), channel.held.begin() + static_cast<std::ptrdiff_t>(sent));
}

// Gives back what waits for one consumer, or for all.
void Session::requeue_held(Channel& channel, const Consumer* of) {
  for (const Held& held : channel.held) {
    if ((of != nullptr && held.consumer != of) || held.consumer->no_ack || !held.consumer->ready) continue;
    const std::uint64_t seqs[] = {held.delivery.seq};
    connection_->settle(channel.sources[held.consumer->source].queue, held.consumer->id, seqs,
                        broker::Settlement::requeue);
  }
  std::erase_if(channel.held, [&](const Held& held) { return of == nullptr || held.consumer == of; });
  release_held(channel);
}

void Session::look_at_credit(Consumer& consumer) {
  if (consumer.credit_dirty) return;
  consumer.credit_dirty = true;
  dirty_credit_.push_back(consumer.id);
}

void Session::grant_credit() {
  if (dirty_credit_.empty()) return;
  const bool full = output_.size() > kOutputHighBytes;
  grants_waiting_ = false;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < dirty_credit_.size(); ++i) {
    const broker::ConsumerId id = dirty_credit_[i];
    Consumer* consumer = find_consumer(id);
    if (consumer == nullptr) continue;
    const std::uint32_t target = credit_target(*consumer);
    const bool windowed = target == kWindow && consumer->prefetch == 0 &&
                          (consumer->no_ack || consumer->channel->channel_limit == 0);
    if (windowed && full) {
      grants_waiting_ = true;
      dirty_credit_[kept++] = id;
      continue;
    }
    consumer->credit_dirty = false;
    if (consumer->cancelling || !consumer->channel->open()) continue;
    const std::uint32_t used = consumer->lent + (windowed ? 0 : consumer->unsettled);
    if (used >= target || (windowed && consumer->lent > kWindow / 2)) continue;
    consumer->lent += target - used;
    connection_->grant(id, target - used);
  }
  dirty_credit_.resize(kept);
}

}  // namespace millrace::amqp091
