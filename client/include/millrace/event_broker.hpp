// An event bus that is a topic exchange on a broker: what is emitted here is heard by every program that
// listens, this one included.
//
//   millrace::Client client("amqp://host");           // or the address of an embedded broker, or RabbitMQ
//   millrace::event_bus bus(millrace::over_broker<millrace::Json, order_placed, order_paid>(client));
//
// From there on it is the bus of event_bus.hpp. The types that may travel are named, since their bodies are
// written and read by the codec (codec.hpp); a type's event_topic is its name on the wire.
//
// An event is a persistent message with the event's topic as its routing key, the type's name as its `type`,
// and the codec's content type. Each bus listens by an exclusive transient queue of its own: it hears what is
// emitted while it listens, and misses what is emitted while its connection is down.
//
// A listener with a name (listen_as) misses nothing:
//
//   auto billing = bus.on<order_placed>("orders.#", handler, millrace::listen_as("billing"));
//
// - It has a durable queue, EXCHANGE:NAME:TYPE:PATTERN, which stays when the listener is removed, the bus
//   ends, or the program or the broker is started again. What is emitted meanwhile is heard by whoever
//   listens next by the same name, type and pattern. Here that is
//   "millrace.events:billing:orders.placed:orders.#".
// - Another pattern is another queue, which begins empty; the one of the old pattern stays, and goes on to
//   fill. A queue that nobody will listen by again goes by event_listener::forget(), or when it has not been
//   used for subscription_expires.
// - An event is acknowledged when the listener has returned, or has thrown. It is heard at least once: one
//   that was on its way when its listener or connection went, or whose acknowledgement was, comes again, and
//   may come behind later ones. All others come in the order of each emitter's emits.
// - Listeners of the same name, type and pattern, in one program or in several, share the events: each goes
//   to one of them.
// - An event of another type that the pattern lets through is dropped.
// - A listener whose queue somebody deletes hears nothing more; on_failure is told.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <typeindex>
#include <vector>

#include "millrace/client.hpp"
#include "millrace/codec.hpp"
#include "millrace/event_bus.hpp"

namespace millrace {

struct broker_bus_options {
  std::string exchange = "millrace.events";  // a durable topic exchange, declared when it is not there
  // How long events are kept for a listener with a name while nobody listens by it; then they go, and the
  // queue with them. At most 2^32 - 1 ms; 0: for ever. A queue keeps what it was made with, and on() fails
  // with ErrorKind::precondition for another time.
  std::chrono::milliseconds subscription_expires = std::chrono::hours(7 * 24);
  // What nobody waits for: an event that could not be sent or read, a listener that threw or whose queue was
  // deleted. Called by the client's callback threads.
  std::function<void(const std::string& why)> on_failure;
};

namespace detail {

struct CarriedType {
  std::string name;
  std::type_index type;
  Message (*encode)(const void* value);
  std::shared_ptr<const void> (*decode)(const Message& message);
};

template <class C, class Event>
requires Codec<C, Event> CarriedType carried_type() {
  return {std::string(event_topic<Event>::value), typeid(Event),
          [](const void* value) { return millrace::encode<C>(*static_cast<const Event*>(value)); },
          [](const Message& message) -> std::shared_ptr<const void> {
            return std::make_shared<const Event>(millrace::decode<Event, C>(message));
          }};
}

std::unique_ptr<event_carrier> carry_over_broker(Client& client, std::vector<CarriedType> types,
                                                 broker_bus_options options);

}  // namespace detail

// For the constructor of event_bus. The client outlives the bus.
//
// emit() gives the event to the client and returns; the client sends it, again where needed. It throws
// invalid_argument for a type that is not among `Events`, and what the codec throws. on() returns when the
// broker routes the pattern to this bus, or throws a ClientError; invalid_argument also for a listener with a
// name that has a ':' in its pattern or its type's name, or all of them over 255 bytes. Listeners are called
// by the client's executor, in the order of each emitter's emits if that has one thread, those with a name
// also if it has more; they may do all that others may.
template <class C, class... Events>
std::unique_ptr<event_carrier> over_broker(Client& client, broker_bus_options options = {}) {
  return detail::carry_over_broker(client, {detail::carried_type<C, Events>()...}, std::move(options));
}

}  // namespace millrace
