// A whole broker in the simulation: a node over simulated disks, clients without sockets, and a model of what
// they were promised.
//
// The world runs a random load through as many lives of the node as a test likes: the process dies, the power
// goes in the middle of a step of I/O, or the node stops in order. Every recovery is held against the model:
//   - a confirmed message that nobody settled is there, whole, once, and in its publisher's order;
//   - what was settled may come back only when the end was not in order; what was transient never does;
//   - a rejected or expired message is in its queue or in the dead-letter queue;
//   - definitions are there once they were answered, and gone once their deletion was answered;
//   - delivery counts of quorum queues are no lower than the log was known to hold;
//   - a second recovery finds the same.
// While a node lives, a message is never with two consumers, and none comes back that was settled.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/prng.hpp"
#include "broker/node.hpp"
#include "simulation/file_system.hpp"
#include "simulation/scheduler.hpp"

namespace millrace::broker {

// One node on one disk, until either is gone.
class Machine {
 public:
  Machine(simulation::FileSystem& files, std::uint64_t seed, const NodeOptions& options, unsigned shards);
  ~Machine();

  // False when the power went, or after an error, which `error` tells.
  bool start();
  // One event, and the ends of turns that follow. False when the machine stands still.
  bool step();
  // Steps until the condition holds; false when the power goes first, or nothing more comes of it.
  bool run_until(const std::function<bool()>& condition);
  bool stop();
  bool off() const { return files_.powered_off() || failed_; }

  Node& node() { return *node_; }
  unsigned shards() const { return shards_; }
  simulation::Scheduler& scheduler() { return *scheduler_; }
  std::string error;
  bool one_event_a_turn = false;

 private:
  struct Ended {};  // thrown where a process would end: nothing of the broker runs on
  simulation::FileSystem& files_;
  Prng luck_;
  NodeOptions options_;
  unsigned shards_;
  bool failed_ = false;
  std::unique_ptr<simulation::Scheduler> scheduler_;
  std::unique_ptr<storage::DataDirectory> directory_;
  std::unique_ptr<Node> node_;
};

// What was found of a message.
struct Found {
  std::uint64_t id = 0;
  std::uint32_t deliveries = 0;
  friend bool operator==(const Found&, const Found&) = default;
};
// By queue, in the order delivered; queues that are not there are missing.
using Contents = std::map<std::string, std::vector<Found>>;

class BrokerWorld {
 public:
  enum class Death { kill, power_cut };

  explicit BrokerWorld(std::uint64_t seed);
  ~BrokerWorld();

  // A new life; compares what is there with what must be. False when the power went in it.
  bool open();
  // Something that a client does, and some of the machine's time.
  void act();
  // The same deeds in every run, for cuts at every step.
  void follow_script();
  // Until all that was asked is answered.
  void settle();
  bool stop();
  void die(Death how);
  bool failed() const { return !machine_ || machine_->off(); }
  void cut_power_at(std::uint64_t step);
  std::uint64_t steps() const { return files_.steps(); }

 private:
  class Client;
  friend class Client;
  struct Copy {
    bool confirmed = false;
    bool settled = false;      // in this life
    bool may_be_gone = false;  // or was settled in one
    bool held = false;
    bool durable = false;
    std::uint8_t priority = 0;
    std::uint32_t returns = 0;         // asked for
    std::uint32_t perhaps = 0;         // more of them, by connections that were closed
    std::uint32_t logged_returns = 0;  // known to be on disk
  };
  struct ModelQueue {
    std::string name;
    bool durable = true;
    Arguments arguments;
    std::string dead_letters_to;
    bool bounded = false;      // may drop any
    bool dead_letter = false;  // takes dead letters
    bool quorum = false;
    unsigned purging = 0;      // purges not answered yet
    unsigned no_ack_gets = 0;  // likewise
    enum class State { absent, declaring, there, deleting } state = State::absent;
    std::map<std::uint64_t, Copy> copies;
  };

  Contents contents(simulation::FileSystem& files, bool stop_after);
  void compare(const Contents& found);
  void compare_queue(ModelQueue& queue, const std::vector<Found>& found, const Contents& all);
  void declare(Client& client, ModelQueue& queue);
  void publish(Client& client);
  void consume(Client& client);
  void settle_some(Client& client);
  void get(Client& client);
  void purge(Client& client);
  void remove(Client& client);
  void close(std::size_t client);
  void lose_any(ModelQueue& queue);
  Client* some_client();
  ModelQueue& some_queue() { return queues_[luck_.below(queues_.size())]; }
  ModelQueue* find(std::string_view name);
  void received(Client& client, ModelQueue& queue, const Delivery& delivery, bool held);

  simulation::FileSystem files_;
  Prng luck_;
  NodeOptions options_;
  unsigned shards_ = 1;
  std::unique_ptr<Machine> machine_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<ModelQueue> queues_;
  std::uint64_t next_id_ = 1;
  std::uint64_t next_client_ = 1;
  std::uint64_t unanswered_ = 0;
  bool ended_in_order_ = false;
};

}  // namespace millrace::broker
