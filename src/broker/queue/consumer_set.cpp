#include "broker/queue/consumer_set.hpp"

#include <utility>

#include "base/assert.hpp"

namespace millrace::broker {

const QueueConsumer& ConsumerSet::add(QueueConsumer consumer) {
  if (empty()) members_ = std::make_unique<Members>();
  Group& group = members_->groups[consumer.priority];
  const ConsumerKey key = consumer.key;
  Turns& turns = consumer.credit > 0 ? group.waiting : group.aside;
  group.members.push_back(Member{std::move(consumer), {}});
  const auto member = std::prev(group.members.end());
  member->turn = turns.insert(turns.end(), &*member);
  const bool added = members_->by_key.emplace(key, member).second;
  MILLRACE_ASSERT(added, "a session gives each of its consumers an id of its own");
  return member->consumer;
}

bool ConsumerSet::remove(const ConsumerKey& key) {
  if (empty()) return false;
  auto& [groups, by_key] = *members_;
  const auto found = by_key.find(key);
  if (found == by_key.end()) return false;
  const auto member = found->second;
  by_key.erase(found);
  const auto at = groups.find(member->consumer.priority);
  Group& group = at->second;
  (member->consumer.credit > 0 ? group.waiting : group.aside).erase(member->turn);
  group.members.erase(member);
  if (group.members.empty()) groups.erase(at);
  if (groups.empty()) members_.reset();
  return true;
}

const QueueConsumer* ConsumerSet::find(const ConsumerKey& key) const noexcept {
  if (empty()) return nullptr;
  const auto found = members_->by_key.find(key);
  return found == members_->by_key.end() ? nullptr : &found->second->consumer;
}

void ConsumerSet::clear() noexcept {
  members_.reset();
}

void ConsumerSet::grant(const ConsumerKey& key, std::uint64_t credit) {
  if (empty() || credit == 0) return;
  const auto found = members_->by_key.find(key);
  if (found == members_->by_key.end()) return;
  Member& member = *found->second;
  if (member.consumer.credit == 0) {
    Group& group = members_->groups.find(member.consumer.priority)->second;
    group.waiting.splice(group.waiting.end(), group.aside, member.turn);
  }
  member.consumer.credit += credit;
}

void ConsumerSet::rehome(ConnectionId connection, ShardId shard, ConnectionImpl* local) noexcept {
  if (empty()) return;
  for (auto& [priority, group] : members_->groups) {
    for (Member& member : group.members) {
      if (member.consumer.key.connection != connection) continue;
      member.consumer.shard = shard;
      member.consumer.local = local;
    }
  }
}

const QueueConsumer* ConsumerSet::first() const noexcept {
  return empty() ? nullptr : &members_->groups.begin()->second.members.front().consumer;
}

QueueConsumer* ConsumerSet::next() noexcept {
  if (empty()) return nullptr;
  // As many steps as there are priorities in use at most: a handful.
  for (auto& [priority, group] : members_->groups) {
    if (!group.waiting.empty()) return &group.waiting.front()->consumer;
  }
  return nullptr;
}

void ConsumerSet::served(QueueConsumer& consumer) {
  MILLRACE_ASSERT(consumer.credit > 0, "who has no credit is not served");
  --consumer.credit;
  const auto top = members_->groups.begin();
  Group& group =
      top->first == consumer.priority ? top->second : members_->groups.find(consumer.priority)->second;
  // Nearly always it is the next one in turn, found without asking for its key.
  Turns::iterator turn = group.waiting.begin();
  if (&(*turn)->consumer != &consumer) turn = members_->by_key.find(consumer.key)->second->turn;
  Turns& to = consumer.credit > 0 ? group.waiting : group.aside;
  to.splice(to.end(), group.waiting, turn);
}

}  // namespace millrace::broker
