// What the world declares: two exchanges, its queues, and the bindings between them.
#include <gtest/gtest.h>

#include "broker_world.hpp"

namespace millrace::broker {

// At the beginning of a life: most of what is not there.
bool BrokerWorld::declare_everything() {
  Client& client = *clients_[0];
  declare_exchanges(client);
  // Without the queue they go to, dead letters are dropped.
  for (ModelQueue& queue : model_.queues()) {
    if (queue.dead_letter) declare(client, queue);
  }
  settle();
  if (failed()) return false;
  for (ModelQueue& queue : model_.queues()) {
    if (!luck_.one_in(6)) declare(client, queue);
  }
  settle();
  if (failed()) return false;
  for (ModelQueue& queue : model_.queues()) bind(client, queue);
  settle();
  return !failed();
}

void BrokerWorld::declare_exchanges(Client& client) {
  for (const auto& [name, type] : {std::pair("all", "fanout"), std::pair("later", "x-delayed-message")}) {
    Presence& presence = exchanges_[name];
    ++unanswered_;
    if (presence == Presence::there) {
      client.connection->check_exchange(name, [this, name = name](result<void> answer) {
        --unanswered_;
        EXPECT_TRUE(answer) << "exchange " << name << " is lost";
      });
      continue;
    }
    presence = Presence::unsure;
    ExchangeDeclare declare;
    declare.name = name;
    declare.type = type;
    declare.durable = true;
    declare.arguments = Arguments({{"x-delayed-type", Value::text("direct")}});
    client.connection->declare_exchange(declare, [this, &presence](result<void> answer) {
      --unanswered_;
      ASSERT_TRUE(answer) << answer.error().text;
      presence = Presence::there;
    });
  }
}

void BrokerWorld::declare(Client& client, ModelQueue& queue) {
  if (queue.state != ModelQueue::State::absent) return;
  queue.state = ModelQueue::State::declaring;
  ++unanswered_;
  QueueDeclare declare;
  declare.name = queue.name;
  declare.durable = queue.durable;
  declare.arguments = queue.arguments;
  client.connection->declare_queue(declare, [this, &queue](result<QueueStatus> answer) {
    --unanswered_;
    ASSERT_TRUE(answer) << answer.error().text;
    queue.state = ModelQueue::State::there;
  });
}

// What was answered before must still be there, so it is not asked for again.
void BrokerWorld::bind(Client& client, ModelQueue& queue) {
  if (!queue.is_there()) return;
  for (auto& [exchange, bound] : queue.bound) {
    if (bound == Presence::there || exchanges_[exchange] != Presence::there) continue;
    bound = Presence::unsure;
    ++unanswered_;
    client.connection->bind(exchange, queue.name, false, queue.name, {},
                            [this, &queue, &present = bound](result<void> answer) {
                              --unanswered_;
                              // The queue may have been deleted meanwhile.
                              if (answer && queue.is_there()) present = Presence::there;
                            });
  }
}

void BrokerWorld::remove(Client& client) {
  ModelQueue& queue = some_queue();
  if (!queue.is_there() || queue.dead_letter) return;
  queue.state = ModelQueue::State::deleting;
  for (auto& [exchange, bound] : queue.bound) {
    if (bound == Presence::there) bound = Presence::unsure;
  }
  model_.all_may_be_gone(queue);
  ++unanswered_;
  client.connection->delete_queue(queue.name, false, false, [this, &queue](result<std::uint64_t> answer) {
    --unanswered_;
    ASSERT_TRUE(answer) << answer.error().text;
    model_.deleted(queue);
  });
}

}  // namespace millrace::broker
