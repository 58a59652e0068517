#include "broker_client.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "broker_messages.hpp"

namespace millrace::broker {

void Client::on_confirm(std::span<const Confirmation> confirmations) {
  for (const Confirmation& confirmation : confirmations) confirmed(confirmation.token, confirmation.accepted);
}

void Client::on_deliver(ConsumerId consumer, Delivery&& delivery) {
  const auto it = consumers.find(consumer.value);
  if (it == consumers.end() || closing) return;  // what is on its way while a connection closes goes back
  ModelQueue& queue = *world_.model.find(it->second.queue);
  const auto address = addresses.find(consumer.value);
  const std::uint64_t id = id_of(*delivery.message);
  const bool no_ack = it->second.no_ack;
  world_.model.received(queue, id, delivery, !no_ack, &it->second.order,
                        shard_ms(address == addresses.end() ? nullptr : &address->second));
  if (no_ack) {
    if (on_its_way_) to_grant_.push_back(consumer);
    if (!on_its_way_) connection->grant(consumer, 1);
  } else {
    held.push_back({queue.name, {}, consumer, delivery.seq, id});
  }
}

void Client::on_turn_end() {
  if (asked_to_close_ && !closing) begin_close([](result<void>) {});
}

void Client::confirmed(PublishToken token, bool accepted) {
  const auto it = sent.find(token);
  if (it == sent.end()) {
    ADD_FAILURE() << "a second answer to publish " << token;
    return;
  }
  const Sent publish = std::move(it->second);
  sent.erase(it);
  --world_.unanswered;
  for (const std::string& name : publish.queues) {
    auto& copies = world_.model.find(name)->copies;
    const auto copy = copies.find(publish.id);
    if (copy == copies.end()) continue;
    if (accepted) copy->second.confirmed = true;
    if (!accepted) copy->second.may_be_gone = true;
  }
  if (!accepted) return;
  for (const Sent::Return& known : publish.returns) {
    auto& copies = world_.model.find(known.queue)->copies;
    const auto copy = copies.find(known.id);
    if (copy == copies.end()) continue;
    copy->second.logged_returns = std::max(copy->second.logged_returns, known.returns);
  }
}

const QueueAddress* Client::address_of(const Held& message) const {
  if (message.consumer.value == 0) return &message.address;
  const auto it = addresses.find(message.consumer.value);
  return it == addresses.end() ? nullptr : &it->second;
}

void Client::lose_sent() {
  for (const auto& [id, consumer] : consumers) {
    if (consumer.no_ack) world_.model.lose_any(*world_.model.find(consumer.queue));
  }
}

bool Client::begin_move(ShardId to, std::function<void(Task)> post) {
  on_its_way_ = connection->leave_for(to, [this, to, post = std::move(post)] {
    between_shards = true;
    post([this, to] {
      between_shards = on_its_way_ = false;
      shard = to.value;
      connection->arrive();
      if (closing) return;
      for (const ConsumerId consumer : std::exchange(to_grant_, {})) connection->grant(consumer, 1);
    });
  });
  return on_its_way_;
}

void Client::begin_close(Done<void> done) {
  closing = true;
  lose_sent();
  for (ModelQueue& queue : world_.model.queues()) {
    for (auto& [id, copy] : queue.copies) ++copy.perhaps;
  }
  for (const Held& message : held) {
    auto& copies = world_.model.find(message.queue)->copies;
    const auto it = copies.find(message.id);
    if (it == copies.end()) continue;
    it->second.held = false;
    it->second.returner = 0;
    ++it->second.returns;
  }
  held.clear();
  connection->close(std::move(done));
}

}  // namespace millrace::broker
