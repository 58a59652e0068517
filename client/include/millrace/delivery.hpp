// A message that a consumer received and has to settle.
#pragma once

#include <memory>
#include <string>

#include "millrace/message.hpp"

namespace millrace {

namespace client {
struct Received;
}

// Moved, never copied; used by one thread at a time, any thread. Unless it was settled, its destruction gives
// the message back to the queue: a handler that throws loses nothing.
//
// Acknowledgements have no answer in AMQP. One that is on its way when the connection breaks is lost, and the
// message comes again, marked redelivered: see processed_ids.hpp for consumption without a second effect.
class Delivery {
 public:
  Delivery() noexcept;  // of nothing
  Delivery(Delivery&& other) noexcept;
  Delivery& operator=(Delivery&& other) noexcept;
  ~Delivery();

  // False when there was no message to get.
  explicit operator bool() const noexcept { return received_ != nullptr; }

  // Its properties and headers are taken apart when this is first called: who needs the body alone asks for
  // that. Either is made when it is first asked for, by the thread that asks.
  const Message& message() const noexcept;
  Message& message() noexcept;
  const std::string& body() const noexcept;
  const std::string& exchange() const noexcept;
  const std::string& routing_key() const noexcept;
  // Delivered before, and perhaps processed.
  bool redelivered() const noexcept;

  // Each settles the message at once and for all; a second call does nothing.
  void ack() noexcept;      // done with it
  void requeue() noexcept;  // somebody is to try again
  // Nobody can do it: dropped, or dead-lettered where the queue has an exchange for these.
  void reject() noexcept;

 private:
  friend struct client::Received;

  explicit Delivery(std::unique_ptr<client::Received> received) noexcept;

  std::unique_ptr<client::Received> received_;  // null: of nothing
};

}  // namespace millrace
