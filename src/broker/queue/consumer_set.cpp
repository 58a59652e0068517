#include "broker/queue/consumer_set.hpp"

#include <utility>

#include "base/assert.hpp"

namespace millrace::broker {

void ConsumerSet::add(QueueConsumer consumer) {
  Group& group = groups_[consumer.priority];
  const ConsumerKey key = consumer.key;
  Turns& turns = consumer.credit > 0 ? group.waiting : group.aside;
  group.members.push_back(Member{std::move(consumer), {}});
  const auto member = std::prev(group.members.end());
  member->turn = turns.insert(turns.end(), &*member);
  const bool added = by_key_.emplace(key, member).second;
  MILLRACE_ASSERT(added, "a session gives each of its consumers an id of its own");
}

bool ConsumerSet::remove(const ConsumerKey& key) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return false;
  const auto member = found->second;
  by_key_.erase(found);
  const auto at = groups_.find(member->consumer.priority);
  Group& group = at->second;
  (member->consumer.credit > 0 ? group.waiting : group.aside).erase(member->turn);
  group.members.erase(member);
  if (group.members.empty()) groups_.erase(at);
  return true;
}

void ConsumerSet::clear() noexcept {
  by_key_.clear();
  groups_.clear();
}

void ConsumerSet::grant(const ConsumerKey& key, std::uint64_t credit) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end() || credit == 0) return;
  Member& member = *found->second;
  if (member.consumer.credit == 0) {
    Group& group = groups_.find(member.consumer.priority)->second;
    group.waiting.splice(group.waiting.end(), group.aside, member.turn);
  }
  member.consumer.credit += credit;
}

void ConsumerSet::rehome(ConnectionId connection, ShardId shard, ConnectionImpl* local) noexcept {
  for (auto& [priority, group] : groups_) {
    for (Member& member : group.members) {
      if (member.consumer.key.connection != connection) continue;
      member.consumer.shard = shard;
      member.consumer.local = local;
    }
  }
}

const QueueConsumer* ConsumerSet::first() const noexcept {
  return groups_.empty() ? nullptr : &groups_.begin()->second.members.front().consumer;
}

QueueConsumer* ConsumerSet::next() noexcept {
  // As many steps as there are priorities in use at most: a handful.
  for (auto& [priority, group] : groups_) {
    if (!group.waiting.empty()) return &group.waiting.front()->consumer;
  }
  return nullptr;
}

void ConsumerSet::served(QueueConsumer& consumer) {
  MILLRACE_ASSERT(consumer.credit > 0, "who has no credit is not served");
  --consumer.credit;
  const auto top = groups_.begin();
  Group& group = top->first == consumer.priority ? top->second : groups_.find(consumer.priority)->second;
  // Nearly always it is the next one in turn, found without asking for its key.
  Turns::iterator turn = group.waiting.begin();
  if (&(*turn)->consumer != &consumer) turn = by_key_.find(consumer.key)->second->turn;
  Turns& to = consumer.credit > 0 ? group.waiting : group.aside;
  to.splice(to.end(), group.waiting, turn);
}

}  // namespace millrace::broker
