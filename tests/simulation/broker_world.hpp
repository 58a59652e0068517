// A whole broker in the simulation: a node over simulated disks, clients without sockets, and a model of what
// they were promised (broker_model.hpp).
//
// The world runs a random load through as many lives of the node as a test likes: the process dies, the power
// goes in the middle of a step of I/O, a write or a sync fails, the disk fills up, or the node stops in
// order. Before every life the disk is looked at twice, by machines of their own, and held against the model.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/prng.hpp"
#include "broker_client.hpp"
#include "broker_machine.hpp"
#include "broker_messages.hpp"
#include "broker_model.hpp"

namespace millrace::broker {

class BrokerWorld {
 public:
  enum class Death { kill, power_cut };

  explicit BrokerWorld(std::uint64_t seed);
  ~BrokerWorld();

  // A new life; compares what is there with what must be. False when the life ended in it.
  bool open();
  // Something that a client does, and some of the machine's time.
  void act();
  // The same deeds in every run, for faults at every step.
  void follow_script();
  // Messages are taken and settled at once, so that little else is logged.
  void take_some();
  // Until all that was asked is answered.
  void settle();
  bool stop();
  void die(Death how);
  bool failed() const { return !machine_ || machine_->off(); }
  void cut_power_at(std::uint64_t step);  // counted from here
  // Some steps after the next checkpoint but `skip` has its name.
  void cut_power_after_checkpoint(std::uint64_t skip, std::uint64_t steps);
  void fail_write_at(std::uint64_t step);
  // Each `every`th read of a segment fails until the node ends; tried again, it comes nevertheless.
  void fail_reads(std::uint64_t every) { files_.fail_reads(every); }
  std::uint64_t steps() const { return files_.steps(); }

 private:
  // broker_world.cpp
  void look();
  Client* some_client();
  ModelQueue& some_queue() { return model_.queues()[luck_.below(model_.queues().size())]; }

  // broker_definitions.cpp: what is declared
  bool declare_everything();
  void declare_exchanges(Client& client);
  void declare(Client& client, ModelQueue& queue);
  void bind(Client& client, ModelQueue& queue);
  void remove(Client& client);

  // broker_deeds.cpp: what clients do with messages
  void publish(Client& client);
  void publish_to_all(Client& client);
  void publish_for_later(Client& client);
  Copy new_copy(const Client& client, const ModelQueue& queue, const MessageWish& wish) const;
  void send(Client& client, std::string_view exchange, std::string_view key, const MessageWish& wish,
            std::vector<std::string> queues);
  void consume(Client& client);
  void cancel(Client& client);
  void settle_some(Client& client);
  void get(Client& client);
  void purge(Client& client);
  void close(std::size_t client);
  void move(Client& client);
  void fill_disk();

  simulation::FileSystem files_;
  Prng luck_;
  NodeOptions options_;
  Model model_;
  unsigned shards_ = 1;
  bool large_bodies_ = false;  // some bodies get files of their own
  std::unique_ptr<Machine> machine_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::map<std::string, Presence> exchanges_;
  std::uint64_t next_id_ = 1;
  std::uint64_t next_client_ = 1;
  std::uint64_t unanswered_ = 0;
  std::int64_t wall_ms_ = 1'700'000'000'000;  // when the last life ended
  std::int64_t latest_due_ms_ = 0;            // of delayed messages
  std::uint64_t delayed_ = 0;                 // ever published
  bool ended_in_order_ = false;
};

}  // namespace millrace::broker
