// A client of the simulated world, without a socket: it remembers what it holds and what it waits for.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "broker/connection.hpp"
#include "broker_model.hpp"

namespace millrace::broker {

class Client final : public ConnectionListener {
 public:
  // What clients share with their world.
  struct World {
    Model& model;
    std::uint64_t& unanswered;
    std::function<std::int64_t(ShardId)> shard_ms;
  };
  struct Held {
    std::string queue;
    QueueAddress address;  // of what was got; consumers have their own
    ConsumerId consumer;
    std::uint64_t seq = 0;
    std::uint64_t id = 0;
  };
  struct Consumer {
    std::string queue;
    bool no_ack = false;
    bool ready = false;
    SeenOrder order;
  };
  struct Sent {
    std::uint64_t id = 0;
    std::vector<std::string> queues;
    // What this client had given back how often before, in which queue: as sure as the publish is, when
    // confirmed.
    struct Return {
      std::string queue;
      std::uint64_t id = 0;
      std::uint32_t returns = 0;
    };
    std::vector<Return> returns;
  };

  Client(World world, std::uint64_t its_number, unsigned its_shard)
      : number(its_number), shard(its_shard), world_(std::move(world)) {}

  void on_confirm(std::span<const Confirmation> confirmations) override;
  void on_deliver(ConsumerId consumer, Delivery&& delivery) override;
  void on_consumer_cancelled(ConsumerId consumer) override { consumers.erase(consumer.value); }
  void on_blocked(std::string_view reason) override { blocked = reason; }
  void on_unblocked() override { blocked.clear(); }
  void on_close_requested(const Error&) override { asked_to_close_ = true; }
  void on_turn_end() override;

  void confirmed(PublishToken token, bool accepted);
  // Where the queue of what is held is; absent while consume-ok is under way.
  const QueueAddress* address_of(const Held& held) const;
  std::int64_t shard_ms(const QueueAddress* address) const {
    return address ? world_.shard_ms(address->shard) : 0;
  }
  // What is on its way to a consumer that does not acknowledge is gone when it does not arrive.
  void lose_sent();
  // What it holds goes back.
  void begin_close(Done<void> done);
  // To another shard; `post` runs a task there. False: something is under way.
  bool begin_move(ShardId to, std::function<void(Task)> post);
  // It asks for nothing while it is closing or on its way to another shard.
  bool busy() const { return closing || on_its_way_; }

  const std::uint64_t number;
  unsigned shard;
  std::unique_ptr<Connection> connection;
  std::map<std::uint64_t, Consumer> consumers;
  std::map<std::uint64_t, QueueAddress> addresses;  // of all consumers there ever were
  std::uint64_t next_consumer = 1;
  std::vector<Held> held;
  std::map<PublishToken, Sent> sent;
  std::string blocked;  // why publishers are held back, as it was told
  bool closing = false;
  bool between_shards = false;  // not even close() may be asked for

 private:
  World world_;
  bool asked_to_close_ = false;
  bool on_its_way_ = false;
  std::vector<ConsumerId> to_grant_;  // to consumers that do not acknowledge, once it has arrived
};

}  // namespace millrace::broker
