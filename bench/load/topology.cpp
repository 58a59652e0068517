#include "load/topology.hpp"

#include "codec/amqp091/table_builder.hpp"

namespace millrace::load {

std::string exchange_of(const Options& options) {
  return options.fanout != 0 ? options.queue + "-fanout" : std::string();
}

std::string routing_key_of(const Options& options, std::uint32_t producer) {
  return options.fanout != 0 ? std::string() : options.queue_name(producer % options.queue_count());
}

void declare_topology(Connection& connection, const Options& options) {
  delete_topology(connection, options);
  Buffer table;
  amqp::TableBuilder arguments(table);
  if (!options.queue_type.empty()) arguments.put_text("x-queue-type", options.queue_type);
  if (options.shortest_first) arguments.put_text("x-scheduling", "sjf");
  const std::string exchange = exchange_of(options);
  if (!exchange.empty()) {
    amqp::exchange::Declare declare;
    declare.exchange = exchange;
    declare.type = "fanout";
    declare.durable = options.durable;
    connection.call<amqp::exchange::DeclareOk>(declare);
  }
  for (std::uint32_t i = 0; i < options.queue_count(); ++i) {
    const std::string name = options.queue_name(i);
    amqp::queue::Declare declare;
    declare.queue = name;
    declare.durable = options.durable;
    declare.arguments = arguments.view();
    connection.call<amqp::queue::DeclareOk>(declare);
    if (exchange.empty()) continue;
    amqp::queue::Bind bind;
    bind.queue = name;
    bind.exchange = exchange;
    connection.call<amqp::queue::BindOk>(bind);
  }
}

void delete_topology(Connection& connection, const Options& options) {
  for (std::uint32_t i = 0; i < options.queue_count(); ++i) {
    const std::string name = options.queue_name(i);
    amqp::queue::Delete remove;
    remove.queue = name;
    connection.call<amqp::queue::DeleteOk>(remove);
  }
  const std::string exchange = exchange_of(options);
  if (exchange.empty()) return;
  amqp::exchange::Delete remove;
  remove.exchange = exchange;
  connection.call<amqp::exchange::DeleteOk>(remove);
}

std::uint64_t count_messages(Connection& connection, const Options& options) {
  std::uint64_t count = 0;
  for (std::uint32_t i = 0; i < options.queue_count(); ++i) {
    const std::string name = options.queue_name(i);
    amqp::queue::Declare passive;
    passive.queue = name;
    passive.passive = true;
    connection.call<amqp::queue::DeclareOk>(
        passive, [&](const amqp::queue::DeclareOk& ok) { count += ok.message_count; });
  }
  return count;
}

}  // namespace millrace::load
