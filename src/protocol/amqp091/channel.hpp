// What a session keeps for each open channel and each consumer. Plain data: the session's files work on it.
#pragma once

#include <boost/unordered/unordered_flat_set.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/connection.hpp"
#include "protocol/amqp091/confirms.hpp"
#include "protocol/amqp091/unacked.hpp"

namespace millrace::amqp091 {

struct Channel;

struct Consumer {
  broker::ConsumerId id;
  Channel* channel = nullptr;
  std::string tag;
  std::uint32_t position = 0;  // in Channel::consumers
  std::uint32_t source = 0;    // in Channel::sources, once ready
  std::uint32_t prefetch = 0;
  std::uint32_t lent = 0;       // credit at the queue that it has not used
  std::uint32_t unsettled = 0;  // received with an ack to come, held ones included
  bool no_ack = false;
  bool ready = false;  // consume-ok was sent
  bool cancelling = false;
  bool credit_dirty = false;  // listed for a look at its credit
};

struct TagHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view tag) const noexcept { return std::hash<std::string_view>()(tag); }
  std::size_t operator()(const Consumer* consumer) const noexcept { return (*this)(consumer->tag); }
};
struct TagEqual {
  using is_transparent = void;
  static std::string_view tag_of(std::string_view tag) noexcept { return tag; }
  static std::string_view tag_of(const Consumer* consumer) noexcept { return consumer->tag; }
  template <class A, class B>
  bool operator()(const A& a, const B& b) const noexcept {
    return tag_of(a) == tag_of(b);
  }
};

// Whom an unacked delivery came from. Freed when the consumer is gone and nothing of it is unsettled.
struct Source {
  broker::QueueAddress queue;
  broker::ConsumerId consumer;  // 0: basic.get
  std::uint32_t entries = 0;    // of Channel::unacked and of `seqs`
  bool in_use = false;
  bool closed = false;  // no more will come
  bool dirty = false;
  broker::Settlement how = broker::Settlement::ack;
  std::vector<std::uint64_t> seqs;  // settled in this turn, not yet told to the broker
};

// A message on its way in, between basic.publish and the last of its body.
struct Incoming {
  enum class Stage : std::uint8_t { none, header, body };
  Stage stage = Stage::none;
  bool mandatory = false;
  std::string exchange;
  std::string routing_key;
  std::vector<std::string> extra_keys;
  std::uint64_t body_bytes = 0;
  std::uint64_t received_bytes = 0;
  Ref<broker::Message> message;  // with room for the whole body
};

struct TxPublish {
  Ref<broker::Message> message;
  std::vector<std::string> extra_keys;
  bool mandatory = false;
};
struct TxSettlement {
  Unacked::Entry entry;
  broker::Settlement how = broker::Settlement::ack;
};
struct Transaction {
  std::vector<TxPublish> publishes;
  std::uint64_t publish_bytes = 0;
  std::vector<TxSettlement> settlements;
  bool committing = false;
  bool refused = false;  // a publish of the commit was not accepted
};

struct Held {
  Consumer* consumer = nullptr;
  broker::Delivery delivery;
};

// A call of the broker's that later frames of the channel may have to wait for.
enum class Call : std::uint8_t {
  other,             // everything waits for its answer
  definition,        // further definitions may follow it at once
  exchange_declare,  // so they may, but for bindings: what a binding needs depends on its exchange's type
};

struct Channel {
  enum class State : std::uint8_t {
    open,
    closing,  // the client asked; close-ok follows when the consumers are gone
    failed,   // channel.close was sent: all but its close-ok is swallowed
    gone,     // the number is free again; waits for what the broker still owes
  };
  enum class Mode : std::uint8_t { plain, confirm, tx };

  std::uint16_t number = 0;
  State state = State::open;
  Mode mode = Mode::plain;
  bool confirm_dirty = false;
  std::uint32_t slot = 0;      // in the session, and in its publish tokens
  std::uint32_t pending = 0;   // calls of the broker whose answers later frames of this channel wait for
  std::uint32_t defining = 0;  // of them, those that define something
  std::uint32_t declaring_exchanges = 0;  // of those, exchange.declare

  Incoming incoming;
  std::string last_queue;  // the empty name

  std::uint64_t delivery_tag = 0;
  Unacked unacked;
  std::vector<Source> sources;
  std::vector<std::uint32_t> free_sources;
  std::vector<Consumer*> consumers;  // in no order
  boost::unordered_flat_set<Consumer*, TagHash, TagEqual> by_tag;
  Consumer* reply_consumer = nullptr;  // of amq.rabbitmq.reply-to
  std::uint32_t prefetch = 0;          // of consumers to come
  std::uint32_t channel_limit = 0;     // of all consumers together, 0: none
  std::uint32_t channel_in_use = 0;    // unacked deliveries of consumers
  std::vector<Held> held;              // beyond the channel's limit, or before consume-ok

  Confirms confirms;
  std::unique_ptr<Transaction> tx;
  broker::ChannelCounters counters;

  bool open() const noexcept { return state == State::open; }
};

}  // namespace millrace::amqp091
