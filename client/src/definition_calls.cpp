#include "client/src/definition_calls.hpp"

#include "client/src/fields.hpp"
#include "codec/amqp091/methods.hpp"

namespace millrace::client {

namespace amqp = millrace::amqp091;

namespace {

template <class Method>
void write(Buffer& out, std::uint16_t channel, Method method, const FieldTable& arguments) {
  Buffer table;
  write_table(table, arguments);
  method.arguments = amqp::TableView{table.view()};
  amqp::encode(out, channel, method);
}

template <class QueueMethod, class ExchangeMethod>
void write_binding(Buffer& out, std::uint16_t channel, const BindingSpec& binding) {
  if (binding.to_exchange) {
    ExchangeMethod method;
    method.destination = binding.destination;
    method.source = binding.exchange;
    method.routing_key = binding.key;
    return write(out, channel, method, binding.arguments);
  }
  QueueMethod method;
  method.queue = binding.destination;
  method.exchange = binding.exchange;
  method.routing_key = binding.key;
  write(out, channel, method, binding.arguments);
}

}  // namespace

void write_declare(Buffer& out, std::uint16_t channel, const QueueSpec& queue, bool passive) {
  check_short_text("the queue name", queue.name);
  amqp::queue::Declare method;
  method.queue = queue.name;
  method.passive = passive;
  method.durable = queue.durable;
  method.exclusive = queue.exclusive;
  method.auto_delete = queue.auto_delete;
  write(out, channel, method, queue.arguments);
}

void write_declare(Buffer& out, std::uint16_t channel, const ExchangeSpec& exchange, bool passive) {
  check_short_text("the exchange name", exchange.name);
  check_short_text("the exchange type", exchange.type);
  amqp::exchange::Declare method;
  method.exchange = exchange.name;
  method.type = exchange.type;
  method.passive = passive;
  method.durable = exchange.durable;
  method.auto_delete = exchange.auto_delete;
  method.internal = exchange.internal;
  write(out, channel, method, exchange.arguments);
}

void write_bind(Buffer& out, std::uint16_t channel, const BindingSpec& binding) {
  check_short_text("the routing key", binding.key);
  check_short_text("the exchange name", binding.exchange);
  check_short_text("the destination", binding.destination);
  write_binding<amqp::queue::Bind, amqp::exchange::Bind>(out, channel, binding);
}

void write_unbind(Buffer& out, std::uint16_t channel, const BindingSpec& binding) {
  write_binding<amqp::queue::Unbind, amqp::exchange::Unbind>(out, channel, binding);
}

std::string describe(const QueueSpec& queue) {
  return "declaring queue '" + queue.name + "'";
}

std::string describe(const ExchangeSpec& exchange) {
  return "declaring exchange '" + exchange.name + "'";
}

std::string describe(const BindingSpec& binding) {
  return "binding " + std::string(binding.to_exchange ? "exchange '" : "queue '") + binding.destination +
         "' to exchange '" + binding.exchange + "'";
}

}  // namespace millrace::client
