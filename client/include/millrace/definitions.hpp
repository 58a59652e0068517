// What queues and exchanges are declared as (AMQP 0-9-1 §1.6, §1.7).
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "millrace/message.hpp"

namespace millrace {

class QueueSpec {
 public:
  QueueSpec() = default;
  QueueSpec(std::string queue_name) : name(std::move(queue_name)) {}
  QueueSpec(const char* queue_name) : name(queue_name) {}

  std::string name;  // empty: the client makes a name up, exclusive or not
  bool durable = true;
  bool exclusive = false;
  bool auto_delete = false;
  FieldTable arguments;
  // On each new connection of this client. False: this once, for a queue that has an end of its own.
  bool declare_again = true;
};

class ExchangeSpec {
 public:
  explicit ExchangeSpec(std::string exchange_name, std::string exchange_type = "direct")
      : name(std::move(exchange_name)), type(std::move(exchange_type)) {}
  ExchangeSpec() = default;

  std::string name;
  std::string type = "direct";  // direct, fanout, topic, headers, or what the broker offers beside these
  bool durable = true;
  bool auto_delete = false;
  bool internal = false;
  FieldTable arguments;
};

// Messages of an exchange go to a queue, or to another exchange.
class BindingSpec {
 public:
  BindingSpec() = default;
  BindingSpec(std::string from, std::string to, std::string routing_key = {})
      : exchange(std::move(from)), destination(std::move(to)), key(std::move(routing_key)) {}

  std::string exchange;
  std::string destination;
  std::string key;
  bool to_exchange = false;
  FieldTable arguments;
};

struct QueueInfo {
  std::string name;
  std::uint32_t messages = 0;  // ready ones
  std::uint32_t consumers = 0;
};

}  // namespace millrace
