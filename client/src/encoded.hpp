// For the libraries built on this one: messages as the bytes of AMQP 0-9-1, past the tables of Message.
#pragma once

#include <string>
#include <string_view>

#include "client/src/recycled_bytes.hpp"
#include "millrace/client.hpp"

namespace millrace::client {

// A message that is ready to be sent. Persistent or not, that is in `properties`.
struct Encoded {
  std::string exchange;
  std::string routing_key;
  // Its properties, raw (codec/amqp091/properties.hpp), with an id by which a basic.return is recognised;
  // behind them its body.
  RecycledBytes content;
  std::size_t properties_bytes = 0;
  bool mandatory = true;
};

// How such a library gets at what a Client and a Delivery hide.
struct Internals {
  static Core& core(Client& client) noexcept { return *client.core_; }
};

// As Client::async_publish. Any thread.
void publish(Client& client, Encoded message, detail::Completion<> done);
// Likewise, on a channel of its own: where the broker refuses it (no such exchange, no permission), no other
// message has to be sent again for that. It may overtake what else is published, or be overtaken.
void publish_aside(Client& client, Address to, Message message, detail::Completion<> done);
// The client's I/O thread, which runs until the client is destroyed. What is done there must not wait for
// anything; it saves being woken for what is done at once.
Executor io_executor(Client& client);
// Returns once all has run that was posted there before. Any thread but that one.
void wait_for_io_thread(Client& client);
// An id for a message, as the client gives them.
std::string make_message_id(Client& client);
// Valid until the delivery is destroyed. Of a delivery that is one.
ByteView raw_properties(const Delivery& delivery) noexcept;
std::string_view raw_body(const Delivery& delivery) noexcept;

}  // namespace millrace::client
