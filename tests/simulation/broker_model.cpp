// What happens while a node lives.
#include "broker_model.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "broker_messages.hpp"

namespace millrace::broker {

std::uint8_t ModelQueue::level_of(std::uint64_t id, std::uint8_t given) const {
  switch (ranked) {
    case Ranked::by_size:
      return static_cast<std::uint8_t>(kWorkSizes - size_of(id));
    case Ranked::by_key:
      return static_cast<std::uint8_t>(key_of(id));
    case Ranked::no:
      break;
  }
  return static_cast<std::uint8_t>(std::min<unsigned>(given, levels - 1));
}

ModelQueue& Model::add(std::string name, bool durable, std::vector<Argument> arguments) {
  ModelQueue& queue = queues_.emplace_back();
  queue.name = std::move(name);
  queue.durable = durable;
  queue.arguments = Arguments(std::move(arguments));
  return queue;
}

ModelQueue* Model::find(std::string_view name) {
  const auto it = std::find_if(queues_.begin(), queues_.end(), [&](const auto& q) { return q.name == name; });
  return it == queues_.end() ? nullptr : &*it;
}

void Model::received(ModelQueue& queue, std::uint64_t id, const Delivery& delivery, bool held,
                     SeenOrder* order, std::int64_t shard_ms) {
  if (queue.dead_letter) return received_dead(id, delivery, held);
  const auto it = queue.copies.find(id);
  if (it == queue.copies.end()) {
    ADD_FAILURE() << "message " << id << " came out of " << queue.name << " and must not be there";
    return;
  }
  Copy& copy = it->second;
  EXPECT_FALSE(copy.held) << "message " << id << " of " << queue.name << " is with two consumers";
  EXPECT_FALSE(copy.settled) << "message " << id << " of " << queue.name << " came back after it was settled";
  EXPECT_LE(delivery.delivery_count, copy.returns + copy.perhaps) << "message " << id;
  EXPECT_TRUE(delivery.redelivered || !copy.given)
      << "message " << id << " of " << queue.name << " comes as new again";
  if (shard_ms != 0) {
    EXPECT_GE(shard_ms, copy.retry_ms) << "message " << id << " of " << queue.name << " is retried too soon";
  }
  if (order && !delivery.redelivered && !copy.delayed) {
    std::uint64_t& last = (*order)[{copy.publisher, copy.priority}];
    EXPECT_LT(last, id) << "message " << id << " of " << queue.name << " was overtaken by " << last;
    last = std::max(last, id);
  }
  copy.held = held;
  copy.given = true;
  if (!held) copy.settled = copy.may_be_gone = true;
}

void Model::received_dead(std::uint64_t id, const Delivery& delivery, bool held) {
  Dying& dying = dying_[id];
  dying.arrived.insert(delivery.seq);
  EXPECT_LE(dying.arrived.size(), dying.instances) << "message " << id << " died twice";
  if (held) return;
  // Its first queue has let go of it; what happens here loses it for good.
  for (ModelQueue& other : queues_) {
    if (const auto copy = other.copies.find(id); copy != other.copies.end()) copy->second.may_be_gone = true;
  }
}

void Model::settled(ModelQueue& queue, std::uint64_t id, Settlement how, std::uint64_t client,
                    std::int64_t shard_ms) {
  const bool ends = how == Settlement::ack || how == Settlement::reject;
  if (const auto it = queue.copies.find(id); it != queue.copies.end()) {
    Copy& copy = it->second;
    copy.held = false;
    if (ends) copy.settled = true;
    if (ends && !(how == Settlement::reject && queue.may_die())) copy.may_be_gone = true;
    if (how == Settlement::requeue_failed) {
      ++copy.returns;
      copy.returner = client;
    }
    if (!ends && shard_ms != 0) copy.retry_ms = shard_ms + queue.retry_min_ms;
  }
  if (!queue.dead_letter || !ends) return;
  for (ModelQueue& other : queues_) {
    if (const auto it = other.copies.find(id); it != other.copies.end()) it->second.may_be_gone = true;
  }
}

void Model::lose_any(ModelQueue& queue) {
  for (ModelQueue& other : queues_) {
    if (&other == &queue || other.dead_letters_to == queue.name) all_may_be_gone(other);
  }
}

void Model::all_may_be_gone(ModelQueue& queue) {
  for (auto& [id, copy] : queue.copies) copy.may_be_gone = true;
}

void Model::deleted(ModelQueue& queue) {
  queue.state = ModelQueue::State::absent;
  ++queue.deletions;
  for (auto& [exchange, bound] : queue.bound) bound = Presence::absent;
  // What is held back may still come, when the queue is declared again.
  for (auto& [id, copy] : queue.copies) copy.settled = copy.settled || !copy.delayed;
}

}  // namespace millrace::broker
