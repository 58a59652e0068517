// What a recovery must have found.
#include <gtest/gtest.h>

#include <algorithm>

#include "broker_model.hpp"

namespace millrace::broker {
namespace {

bool contains(const Contents& contents, const std::string& queue, std::uint64_t id) {
  const auto it = contents.find(queue);
  return it != contents.end() && std::any_of(it->second.begin(), it->second.end(),
                                             [&](const Found& message) { return message.id == id; });
}

std::string_view fate_of(const Copy& copy) {
  return copy.settled ? "settled" : copy.held ? "held" : "ready";
}

}  // namespace

void Model::compare(const Contents& found, bool ended_in_order) {
  using State = ModelQueue::State;
  for (ModelQueue& queue : queues_) {
    const auto it = found.find(queue.name);
    const bool there = it != found.end();
    if (queue.durable && queue.is_there()) {
      EXPECT_TRUE(there) << "queue " << queue.name << " is lost";
    }
    if (queue.state == State::absent || !queue.durable) {
      EXPECT_FALSE(there) << "queue " << queue.name << " came back";
    }
    compare_queue(queue, there ? it->second : std::vector<Found>(), found, ended_in_order);
    queue.state = there ? State::there : State::absent;
    for (auto& [exchange, bound] : queue.bound) {
      if (!there) bound = Presence::absent;
    }
  }
  compare_dying(found);
}

void Model::compare_queue(ModelQueue& queue, const std::vector<Found>& found, const Contents& all,
                          bool ended_in_order) {
  queue.purging = 0;
  if (queue.dead_letter) return;
  compare_order(queue, found);
  std::map<std::uint64_t, Copy> now;
  for (const Found& message : found) {
    const auto it = queue.copies.find(message.id);
    if (it == queue.copies.end()) {
      ADD_FAILURE() << "message " << message.id << " of " << queue.name << " comes from nowhere";
      continue;
    }
    const Copy& was = it->second;
    EXPECT_TRUE(was.durable) << "transient message " << message.id << " of " << queue.name << " is there";
    EXPECT_FALSE(was.settled && ended_in_order)
        << "message " << message.id << " of " << queue.name << " was settled before a stop in order";
    EXPECT_LE(message.deliveries, was.returns + was.perhaps) << "message " << message.id;
    if (queue.quorum && !was.settled) {
      EXPECT_GE(message.deliveries, was.logged_returns)
          << "message " << message.id << " of " << queue.name << ": deliveries forgotten";
    }
    EXPECT_TRUE(message.redelivered || !was.given)
        << "message " << message.id << " of " << queue.name << " comes as new again";
    Copy copy;
    copy.confirmed = copy.durable = true;
    copy.given = was.given;
    copy.delayed = was.delayed;
    copy.publisher = was.publisher;
    copy.priority = was.priority;
    copy.returns = copy.logged_returns = message.deliveries;
    const auto [known, first] = now.emplace(message.id, copy);
    known->second.returns = std::max(known->second.returns, copy.returns);
    known->second.logged_returns = std::min(known->second.logged_returns, copy.logged_returns);
    EXPECT_TRUE(first) << "message " << message.id << " of " << queue.name << " is there twice";
  }
  compare_missing(queue, now, all);
  // What the look itself dropped or moved on may still be there when the next life has no time to do so, and
  // what it had no queue for when its delay ended may come to one that is declared in time.
  for (const auto& [id, copy] : queue.copies) {
    if (!queue.bounded && !queue.may_die() && !copy.delayed) continue;
    if (!copy.durable || (copy.settled && ended_in_order)) continue;
    Copy left = copy;
    left.settled = left.held = left.confirmed = false;
    left.may_be_gone = true;
    left.logged_returns = 0;
    left.returns = copy.returns + 1;
    now.try_emplace(id, left);
  }
  queue.copies = std::move(now);
}

void Model::compare_order(const ModelQueue& queue, const std::vector<Found>& found) {
  if (queue.takes_delayed() || queue.retry_min_ms > 0) return;  // a retry waits through a restart
  SeenOrder order;
  std::uint8_t lowest = UINT8_MAX;
  for (const Found& message : found) {
    const auto it = queue.copies.find(message.id);
    if (it == queue.copies.end()) continue;
    const Copy& copy = it->second;
    EXPECT_TRUE(copy.priority <= lowest || queue.ranked == ModelQueue::Ranked::by_key)
        << "message " << message.id << " of " << queue.name << " comes too late";
    lowest = std::min(lowest, copy.priority);
    std::uint64_t& last = order[{copy.publisher, copy.priority}];
    EXPECT_LE(last, message.id) << "message " << message.id << " of " << queue.name << " comes after "
                                << last;
    last = message.id;
  }
}

void Model::compare_missing(ModelQueue& queue, const std::map<std::uint64_t, Copy>& now,
                            const Contents& all) {
  for (const auto& [id, copy] : queue.copies) {
    if (!copy.confirmed || copy.may_be_gone || !copy.durable || queue.bounded || now.contains(id)) continue;
    if (queue.may_die() && contains(all, queue.dead_letters_to, id)) continue;
    ADD_FAILURE() << "message " << id << " of " << queue.name << " is lost (" << fate_of(copy)
                  << ", came back " << copy.returns << " times)";
  }
}

void Model::compare_dying(const Contents& found) {
  std::map<std::uint64_t, Dying> now;
  for (const ModelQueue& queue : queues_) {
    if (!queue.may_die() && !queue.dead_letter) continue;
    const auto it = found.find(queue.name);
    if (it == found.end()) continue;
    for (const Found& message : it->second) {
      const auto [dying, first] = now.try_emplace(message.id);
      if (!first) ++dying->second.instances;
    }
  }
  for (const auto& [id, dying] : now) {
    const auto was = dying_.find(id);
    const std::uint64_t instances = was == dying_.end() ? 1 : was->second.instances;
    EXPECT_LE(dying.instances, instances) << "message " << id << " died twice";
  }
  dying_ = std::move(now);
}

}  // namespace millrace::broker
