// What shards say to each other. Letters gather in one vector for each destination and are handed over once a
// turn; they arrive in the order written.
#pragma once

#include <boost/container/small_vector.hpp>
#include <variant>
#include <vector>

#include "base/task.hpp"
#include "broker/connection.hpp"
#include "broker/node/arrivals.hpp"
#include "broker/queue/queue.hpp"

namespace millrace::broker {

// Flag of a message record: its body is in the file that the record ends with.
inline constexpr std::uint8_t kBodyInFile = 1;
// Flag of a message or delayed record: it names the message that it is a copy of.
inline constexpr std::uint8_t kSentOn = 2;

// Whose publish it was, and who waits for its confirmation.
struct ConfirmTo {
  ShardId shard;
  ConnectionId connection;  // 0: a dead-lettered message's queue waits, see DeadLetterOrigin
  PublishToken token = 0;   // 0: nobody waits
  bool counted = false;     // one of several parts; the connection counts them
};

struct EnqueueLetter {
  MessageRef message;
  boost::container::small_vector<QueueId, 2> queues;
  ConfirmTo confirm;
  Original original = {};
};

struct DeliverLetter {
  ConsumerKey consumer;
  Delivery delivery;
};

struct CancelledLetter {
  ConsumerKey consumer;
};

struct ConfirmLetter {
  ConfirmTo to;
  bool accepted = false;
};

struct SettleLetter {
  QueueId queue;
  ConsumerKey consumer;
  std::vector<std::uint64_t> seqs;
  Settlement how = Settlement::ack;
};

struct GrantLetter {
  QueueId queue;
  ConsumerKey consumer;
  std::uint64_t credit = 0;
};

// These originals are settled for good: Arrivals need not know them any more.
struct ForgetLetter {
  std::vector<Arrivals::Name> names;
};

using Letter = std::variant<EnqueueLetter, DeliverLetter, CancelledLetter, ConfirmLetter, SettleLetter,
                            GrantLetter, ForgetLetter, Task>;

}  // namespace millrace::broker
