// What clients do with messages, each told to the model as it is asked for.
#include <gtest/gtest.h>

#include <algorithm>

#include "broker_messages.hpp"
#include "broker_world.hpp"

namespace millrace::broker {

Copy BrokerWorld::new_copy(const Client& client, const ModelQueue& queue, const MessageWish& wish) const {
  Copy copy;
  copy.durable = wish.durable && queue.durable;
  copy.may_be_gone = queue.purging > 0 || !queue.is_there();
  copy.publisher = client.number;
  copy.priority = queue.level_of(wish.id, wish.priority);
  return copy;
}

void BrokerWorld::send(Client& client, std::string_view exchange, std::string_view key,
                       const MessageWish& wish, std::vector<std::string> queues) {
  Client::Sent sent{wish.id, std::move(queues), {}};
  for (const std::string& name : sent.queues) {
    const ModelQueue& queue = *model_.find(name);
    if (!wish.durable || !queue.durable || wish.delay_ms > 0) continue;
    for (const auto& [id, copy] : queue.copies) {
      if (copy.returner == client.number && copy.returns > copy.logged_returns)
        sent.returns.push_back({name, id, copy.returns});
    }
  }
  client.sent.emplace(wish.id, std::move(sent));
  ++unanswered_;
  Publish publish;
  publish.exchange = exchange;
  publish.routing_key = key;
  publish.token = wish.id;
  publish.message = make_message(wish);
  const auto outcome = client.connection->publish(publish);
  ASSERT_TRUE(outcome) << outcome.error().text;
  if (!outcome->pending) client.confirmed(publish.token, true);
}

void BrokerWorld::publish(Client& client) {
  static constexpr std::size_t kSizes[] = {20, 20, 100, 400, 1500, 6000};
  static constexpr std::size_t kLargeBytes = (1u << 20) + 1;
  ModelQueue& queue = some_queue();
  if (queue.dead_letter || !queue.is_there() || client.connection->publishers_blocked()) return;
  MessageWish wish;
  wish.id = next_id_++;
  wish.bytes = luck_.below(kSizes[luck_.below(std::size(kSizes))]);
  if (large_bodies_ && luck_.one_in(40)) wish.bytes += kLargeBytes;
  wish.durable = !luck_.one_in(5);
  wish.priority = static_cast<std::uint8_t>(luck_.below(5));
  wish.now_ms = machine_->node().gate(client.shard).wall_ms();
  if (queue.may_die() && luck_.one_in(3)) wish.ttl_ms = static_cast<std::int64_t>(luck_.below(200));
  queue.copies.emplace(wish.id, new_copy(client, queue, wish));
  send(client, "", queue.name, wish, {queue.name});
}

// To several queues, on whatever shards they are.
void BrokerWorld::publish_to_all(Client& client) {
  if (exchanges_["all"] != Presence::there || client.connection->publishers_blocked()) return;
  MessageWish wish;
  wish.id = next_id_++;
  wish.bytes = luck_.below(400);
  wish.durable = !luck_.one_in(5);
  wish.priority = static_cast<std::uint8_t>(luck_.below(5));
  wish.now_ms = machine_->node().gate(client.shard).wall_ms();
  std::vector<std::string> queues;
  for (ModelQueue& queue : model_.queues()) {
    const auto bound = queue.bound.find("all");
    if (bound == queue.bound.end() || bound->second == Presence::absent) continue;
    Copy copy = new_copy(client, queue, wish);
    copy.may_be_gone = copy.may_be_gone || bound->second != Presence::there;
    queue.copies.emplace(wish.id, copy);
    queues.push_back(queue.name);
  }
  send(client, "all", "", wish, std::move(queues));
}

void BrokerWorld::publish_for_later(Client& client) {
  if (exchanges_["later"] != Presence::there || client.connection->publishers_blocked()) return;
  ModelQueue& queue = *model_.find(luck_.one_in(2) ? "second" : "quorum");
  if (queue.bound["later"] != Presence::there) return;
  MessageWish wish;
  wish.id = next_id_++;
  wish.bytes = luck_.below(1500);
  wish.durable = !luck_.one_in(5);
  wish.priority = static_cast<std::uint8_t>(luck_.below(5));
  wish.now_ms = machine_->node().gate(client.shard).wall_ms();
  wish.delay_ms = 1 + static_cast<std::int64_t>(luck_.below(luck_.one_in(3) ? 5000 : 100));
  ++delayed_;
  latest_due_ms_ = std::max(latest_due_ms_, wish.now_ms + wish.delay_ms);
  Copy copy = new_copy(client, queue, wish);
  copy.delayed = true;
  queue.copies.emplace(wish.id, copy);
  send(client, "later", queue.name, wish, {queue.name});
}

void BrokerWorld::consume(Client& client) {
  ModelQueue& queue = some_queue();
  if (!queue.is_there()) return;
  const std::uint64_t id = client.next_consumer++;
  client.consumers[id] = {queue.name, luck_.one_in(5), false, {}};
  Consume consume;
  consume.queue = queue.name;
  consume.id = ConsumerId(id);
  consume.no_ack = client.consumers[id].no_ack;
  consume.credit = 1 + static_cast<std::uint32_t>(luck_.below(20));
  consume.priority = static_cast<std::int64_t>(luck_.below(2));
  ++unanswered_;
  client.connection->consume(consume, [this, &client, id](result<QueueAddress> answer) {
    --unanswered_;
    if (!answer) {
      client.consumers.erase(id);  // the queue went meanwhile
      return;
    }
    client.addresses[id] = *answer;
    if (const auto it = client.consumers.find(id); it != client.consumers.end()) it->second.ready = true;
  });
}

void BrokerWorld::cancel(Client& client) {
  const std::uint64_t id = client.consumers.begin()->first;
  if (!client.consumers.begin()->second.ready) return;
  client.lose_sent();
  ++unanswered_;
  client.connection->cancel(ConsumerId(id), [this, &client, id](result<void> answer) {
    --unanswered_;
    EXPECT_TRUE(answer);
    client.consumers.erase(id);
  });
}

void BrokerWorld::settle_some(Client& client) {
  if (client.held.empty()) return;
  const std::size_t at = luck_.one_in(2) ? 0 : luck_.below(client.held.size());
  const std::size_t count = std::min<std::size_t>(client.held.size() - at, 1 + luck_.below(6));
  static constexpr Settlement kWays[] = {Settlement::ack,    Settlement::ack,     Settlement::ack,
                                         Settlement::reject, Settlement::requeue, Settlement::requeue_failed};
  const Settlement how = kWays[luck_.below(std::size(kWays))];
  for (std::size_t i = 0; i < count; ++i) {
    const Client::Held held = client.held[at];
    const QueueAddress* address = client.address_of(held);
    if (!address) return;  // consume-ok is under way
    client.held.erase(client.held.begin() + static_cast<std::ptrdiff_t>(at));
    model_.settled(*model_.find(held.queue), held.id, how, client.number, client.shard_ms(address));
    client.connection->settle(*address, held.consumer, {&held.seq, 1}, how);
    if (held.consumer.value != 0) client.connection->grant(held.consumer, 1);
  }
}

void BrokerWorld::get(Client& client) {
  ModelQueue& queue = some_queue();
  if (!queue.is_there()) return;
  const bool no_ack = luck_.one_in(4);
  ++unanswered_;
  queue.no_ack_gets += no_ack;
  client.connection->get(
      queue.name, no_ack,
      [this, &client, &queue, no_ack, deletions = queue.deletions](result<std::optional<GotMessage>> answer) {
        --unanswered_;
        queue.no_ack_gets -= no_ack;
        if (!answer || !*answer) return;
        const GotMessage& got = **answer;
        const std::uint64_t id = id_of(*got.delivery.message);
        // Given before the queue was deleted, and told after.
        if (queue.deletions != deletions && queue.is_settled(id)) return;
        model_.received(queue, id, got.delivery, !no_ack, nullptr, client.shard_ms(&got.queue));
        if (!no_ack) client.held.push_back({queue.name, got.queue, ConsumerId(), got.delivery.seq, id});
      });
}

void BrokerWorld::purge(Client& client) {
  ModelQueue& queue = some_queue();
  if (!queue.is_there() || queue.dead_letter) return;
  model_.all_may_be_gone(queue);
  ++unanswered_;
  ++queue.purging;
  client.connection->purge_queue(queue.name, [this, &queue](result<std::uint64_t>) {
    --unanswered_;
    --queue.purging;
  });
}

void BrokerWorld::close(std::size_t index) {
  Client& client = *clients_[index];
  // Its answers come no more.
  if (!client.sent.empty() || client.closing || client.between_shards || unanswered_ > 0) return;
  ++unanswered_;
  client.begin_close([this](result<void>) { --unanswered_; });
  if (machine_->run_until([&] { return unanswered_ == 0; })) {
    clients_.erase(clients_.begin() + static_cast<std::ptrdiff_t>(index));
  }
}

// Confirms, deliveries and what others do go on meanwhile.
void BrokerWorld::move(Client& client) {
  const auto to = static_cast<std::uint16_t>(luck_.below(shards_));
  client.begin_move(ShardId(to), [this, to](Task arrival) { machine_->post(to, std::move(arrival)); });
}

// Nothing is left on the disk until somebody makes room: publishers must be told and held back, and go on
// then.
void BrokerWorld::fill_disk() {
  constexpr runtime::Milliseconds kNoticed{4500};  // the disk is looked at every two seconds
  const auto all_know = [&](bool blocked) {
    for (const auto& client : clients_) {
      if (client->busy()) continue;
      EXPECT_EQ(client->blocked == "low on disk", blocked) << "client " << client->number;
      if (blocked) {
        EXPECT_TRUE(client->connection->publishers_blocked());
      }
    }
  };
  const std::uint64_t capacity = std::uint64_t{1} << 40;
  files_.set_capacity(0);  // what others free in the meantime is taken at once
  if (machine_->run_for(kNoticed)) {
    all_know(true);
    for (unsigned i = 0; i < 4; ++i) {
      Client& client = *clients_[luck_.below(clients_.size())];
      if (client.busy()) continue;
      settle_some(client);
      get(client);
    }
    machine_->run_for(runtime::Milliseconds(static_cast<std::int64_t>(luck_.below(500))));
  }
  files_.set_capacity(capacity);
  if (!failed() && machine_->run_for(kNoticed)) all_know(false);
}

}  // namespace millrace::broker
