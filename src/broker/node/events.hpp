// What happens to the broker's objects, told as messages of the exchange amq.rabbitmq.event in the vhost "/",
// in RabbitMQ's words (its event exchange plug-in): the routing key says what ("queue.created"), headers say
// of which, and the body is empty. Nobody bound there: nothing is told.
#pragma once

#include <string_view>

#include "broker/definitions/change.hpp"

namespace millrace::broker {

class Shard;
class ConnectionImpl;
class Queue;
struct QueueConsumer;

inline constexpr std::string_view kEventExchange = "amq.rabbitmq.event";

// On the shard's thread. Persistent messages, as durable as the exchange's queues.
void announce(Shard& shard, const Change& change);
void announce(Shard& shard, std::string_view event, const ConnectionImpl& connection);
void announce_channel(Shard& shard, std::string_view event, const ConnectionImpl& connection);
void announce(Shard& shard, std::string_view event, const Queue& queue, const QueueConsumer& consumer);
// `source`: memory or disk.
void announce_alarm(Shard& shard, std::string_view event, std::string_view source);

}  // namespace millrace::broker
