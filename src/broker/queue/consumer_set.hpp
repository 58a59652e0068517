// The consumers of a queue, and who of them is served next. Nothing here takes longer the more there are,
// but for visiting all.
//
// Served first is the highest priority that has credit; among equals it goes in turn: who was served goes
// behind the others, who has no credit stands aside and queues up again with the next grant.
//
// Thread: the owning shard's.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "broker/ids.hpp"

namespace millrace::broker {

class ConnectionImpl;

struct ConsumerKey {
  ConnectionId connection;
  ConsumerId consumer;  // 0: basic.get
  friend bool operator==(const ConsumerKey&, const ConsumerKey&) = default;
};

// A consumer as its queue sees it.
struct QueueConsumer {
  ConsumerKey key;
  ShardId shard;                    // where its session lives
  ConnectionImpl* local = nullptr;  // when its session is on this shard
  bool no_ack = false;
  bool exclusive = false;
  std::int64_t priority = 0;
  std::uint64_t credit = 0;  // messages that may still be sent to it
  std::string tag;
};

class ConsumerSet {
 public:
  bool empty() const noexcept { return members_ == nullptr; }
  std::size_t size() const noexcept { return members_ ? members_->by_key.size() : 0; }

  // Its key must be new. Consumers stay where they are in memory until they are removed.
  const QueueConsumer& add(QueueConsumer consumer);
  bool remove(const ConsumerKey& key);
  const QueueConsumer* find(const ConsumerKey& key) const noexcept;  // null: there is none
  void clear() noexcept;
  void grant(const ConsumerKey& key, std::uint64_t credit);

  // Where the sessions of a connection's consumers are from here on.
  void rehome(ConnectionId connection, ShardId shard, ConnectionImpl* local) noexcept;

  // Of the highest priority the one that came first; null when there is none.
  const QueueConsumer* first() const noexcept;
  QueueConsumer* first() noexcept { return const_cast<QueueConsumer*>(std::as_const(*this).first()); }
  // Who is served next; null when nobody has credit.
  QueueConsumer* next() noexcept;
  // A message was sent to it: takes one from its credit, which is not 0.
  void served(QueueConsumer& consumer);

  // By falling priority, in the order they came.
  template <class Visit>
  void for_each(Visit visit) const {
    if (empty()) return;
    for (const auto& [priority, group] : members_->groups) {
      for (const Member& member : group.members) visit(member.consumer);
    }
  }

 private:
  struct Member;
  using Turns = std::list<Member*>;
  struct Member {
    QueueConsumer consumer;
    Turns::iterator turn;  // in `waiting` with credit, in `aside` without
  };
  struct Group {
    std::list<Member> members;  // in the order they came
    Turns waiting;
    Turns aside;
  };
  struct KeyHash {
    std::size_t operator()(const ConsumerKey& key) const noexcept {
      return std::hash<std::uint64_t>()(key.connection.value * 0x9e3779b97f4a7c15u ^ key.consumer.value);
    }
  };
  using Groups = std::map<std::int64_t, Group, std::greater<>>;

  struct Members {
    Groups groups;  // none empty
    boost::unordered_flat_map<ConsumerKey, std::list<Member>::iterator, KeyHash> by_key;
  };

  std::unique_ptr<Members> members_;  // none while there are no consumers: of most queues
};

}  // namespace millrace::broker
