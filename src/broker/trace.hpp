// Following messages: which ones are wanted, and what was seen of them on their way.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/message.hpp"

namespace millrace::broker {

// What is given must hold, all of it. A dead letter is found by the key that it was published with as well.
struct TraceFilter {
  std::string vhost;  // empty: all
  std::optional<std::string> message_id;
  std::optional<std::string> correlation_id;
  std::optional<std::string> routing_key;  // as a binding of a topic exchange: '*' is a word, '#' any number

  bool wants(std::string_view of_vhost, const Message& message, const MessageFormat& format) const;
};

// Whether a topic exchange would bring the key to the pattern.
bool topic_matches(std::string_view pattern, std::string_view key);

enum class TraceStep : std::uint8_t {
  published,      // came to its exchange, and is to go to `targets`
  queued,         // is in a queue
  refused,        // a full queue did not take it
  delivered,      // was given to a consumer
  got,            // was asked for, and given
  acknowledged,   // is done
  rejected,       // by its consumer
  requeued,       // by its consumer
  expired,        // too old
  dropped,        // had to make room
  given_up,       // was delivered too often
  dead_lettered,  // came to a dead-letter exchange, and is to go to `targets`
};
std::string_view to_string(TraceStep step) noexcept;

struct TraceEvent {
  std::int64_t at_us = 0;  // since the Unix epoch
  TraceStep step = TraceStep::published;
  std::string vhost;
  std::string exchange;  // as published, or dead-lettered
  std::string routing_key;
  std::string queue;
  std::vector<std::string> targets;  // queues
  std::string message_id;
  std::string correlation_id;
  std::string peer;  // the client's address, where it is known
  std::string user;
  std::uint64_t seq = 0;  // names the message within its queue
  bool redelivered = false;
  std::uint64_t body_bytes = 0;
  std::int64_t began_us = 0;  // of what this step ends: the wait in the queue, or the consumer's hold
  std::string trace_parent;   // only of spans: the message's, which is well formed
  std::string trace_state;    // likewise, maybe empty
};

// Who is told of every step of messages whose publishers record a trace (TraceContext::sampled). Called at
// the ends of shards' turns, on their threads: it may not wait. `missed`: steps that were too many for a
// turn.
using SpanSink = std::function<void(std::vector<TraceEvent>&& steps, std::uint64_t missed)>;

}  // namespace millrace::broker
