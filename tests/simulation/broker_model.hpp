// What the simulated world was promised: of every message in every queue, where it must be and where it may
// be.
//
// The world tells the model what it asks for and what it is told; what cannot be known from outside (a
// settlement that was under way when the power went) makes a copy one that may be gone. Every recovery is
// held against it:
//   - a confirmed message that nobody settled is there, whole and once, in its publisher's order, behind
//   those of
//     higher priority, or less work where the queue serves by that;
//   - what was settled may come back only when the end was not in order; what was transient never does;
//   - a rejected or expired message is in its queue or in the dead-letter queue, never in both;
//   - definitions are there once they were answered, and gone once their deletion was answered;
//   - delivery counts of quorum queues are no lower than the log was known to hold.
// While a node lives, a message is never with two consumers, none comes back that was settled, fresh ones
// reach a consumer in their publisher's order, and what is to be retried later is not retried sooner.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "broker/connection.hpp"
#include "broker_look.hpp"

namespace millrace::broker {

// Whether something declared is there.
enum class Presence : std::uint8_t { absent, unsure, there };

// One message in one queue.
struct Copy {
  bool confirmed = false;
  bool settled = false;      // in this life
  bool may_be_gone = false;  // or was settled in one
  bool held = false;
  bool given = false;  // to a client, in any life: comes again as redelivered
  bool durable = false;
  bool delayed = false;         // came, or comes, by the delayed exchange
  std::uint64_t publisher = 0;  // the client's number
  std::uint8_t priority = 0;   // the level of the queue that it belongs to; of ranked ones what stands for it
  std::int64_t retry_ms = 0;   // not delivered again before that, by the clock of the queue's shard
  std::uint32_t returns = 0;   // asked for
  std::uint64_t returner = 0;  // who asked last; 0: nobody in particular
  std::uint32_t perhaps = 0;   // more of them, by connections that were closed
  std::uint32_t logged_returns = 0;  // known to be on disk
};

struct ModelQueue {
  std::string name;
  bool durable = true;
  Arguments arguments;
  std::string dead_letters_to;
  bool bounded = false;      // may drop any
  bool dead_letter = false;  // takes dead letters
  bool quorum = false;       // counts deliveries
  unsigned levels = 1;       // of priority
  enum class Ranked { no, by_size, by_key } ranked = Ranked::no;
  std::int64_t retry_min_ms = 0;  // what comes back waits at least so long
  unsigned purging = 0;           // purges not answered yet
  unsigned no_ack_gets = 0;       // likewise
  std::uint64_t deletions = 0;
  enum class State { absent, declaring, there, deleting } state = State::absent;
  std::map<std::string, Presence> bound;  // by exchange
  std::map<std::uint64_t, Copy> copies;   // by message

  bool is_there() const { return state == State::there; }
  bool is_settled(std::uint64_t id) const {
    const auto copy = copies.find(id);
    return copy != copies.end() && copy->second.settled;
  }
  bool may_die() const { return !dead_letters_to.empty(); }
  // What goes before what in this queue: a higher one before a lower, or each apart from the others.
  std::uint8_t level_of(std::uint64_t id, std::uint8_t priority) const;
  // Messages come into it by a delay, so that those of one publisher may change places.
  bool takes_delayed() const { return bound.contains("later"); }
};

// What one consumer saw of each publisher's messages.
using SeenOrder = std::map<std::pair<std::uint64_t, std::uint8_t>, std::uint64_t>;

class Model {
 public:
  ModelQueue& add(std::string name, bool durable, std::vector<Argument> arguments);
  ModelQueue* find(std::string_view name);
  std::deque<ModelQueue>& queues() { return queues_; }

  // A message reached a client. `held`: it must be settled. `order` is the consumer's, absent for a get.
  // `shard_ms`: the time at the queue's shard, or 0 when that is not known.
  void received(ModelQueue& queue, std::uint64_t id, const Delivery& delivery, bool held, SeenOrder* order,
                std::int64_t shard_ms);
  // A client asks for it. `shard_ms` as above.
  void settled(ModelQueue& queue, std::uint64_t id, Settlement how, std::uint64_t client,
               std::int64_t shard_ms);
  // Any message of the queue may be gone from now on, and so may what has died into it.
  void lose_any(ModelQueue& queue);
  void all_may_be_gone(ModelQueue& queue);
  void deleted(ModelQueue& queue);

  // A life ended; `found` is what the disk holds now. The model goes on from what was found.
  void compare(const Contents& found, bool ended_in_order);

 private:
  // How often a message that may die is in its queue and the dead-letter queue together.
  struct Dying {
    std::uint64_t instances = 1;
    std::set<std::uint64_t> arrived;  // sequence numbers in the dead-letter queue, in this life
  };

  void received_dead(std::uint64_t id, const Delivery& delivery, bool held);
  void compare_queue(ModelQueue& queue, const std::vector<Found>& found, const Contents& all,
                     bool ended_in_order);
  void compare_order(const ModelQueue& queue, const std::vector<Found>& found);
  void compare_missing(ModelQueue& queue, const std::map<std::uint64_t, Copy>& now, const Contents& all);
  void compare_dying(const Contents& found);

  std::deque<ModelQueue> queues_;
  std::map<std::uint64_t, Dying> dying_;
};

}  // namespace millrace::broker
