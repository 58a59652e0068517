// A message that a consumer received and has to settle.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "millrace/message.hpp"

namespace millrace {

namespace client {
class Core;
}

// Moved, never copied; used by one thread at a time, any thread. Unless it was settled, its destruction gives
// the message back to the queue: a handler that throws loses nothing.
//
// Acknowledgements have no answer in AMQP. One that is on its way when the connection breaks is lost, and the
// message comes again, marked redelivered: see processed_ids.hpp for consumption without a second effect.
class Delivery {
 public:
  Delivery() = default;  // of nothing
  Delivery(Delivery&& other) noexcept;
  Delivery& operator=(Delivery&& other) noexcept;
  ~Delivery();

  // False when there was no message to get.
  explicit operator bool() const noexcept { return has_message_; }

  const Message& message() const noexcept { return message_; }
  Message& message() noexcept { return message_; }
  const std::string& body() const noexcept { return message_.body; }
  const std::string& exchange() const noexcept { return exchange_; }
  const std::string& routing_key() const noexcept { return routing_key_; }
  // Delivered before, and perhaps processed.
  bool redelivered() const noexcept { return redelivered_; }

  // Each settles the message at once and for all; a second call does nothing.
  void ack() noexcept;      // done with it
  void requeue() noexcept;  // somebody is to try again
  void
  reject() noexcept;  // nobody can do it: dropped, or dead-lettered where the queue has an exchange for these

 private:
  friend class client::Core;

  enum class Settle : std::uint8_t { ack, requeue, reject };
  void settle(Settle how) noexcept;

  Message message_;
  std::string exchange_;
  std::string routing_key_;
  bool has_message_ = false;
  bool redelivered_ = false;
  std::weak_ptr<client::Core> core_;  // null once settled, and for consumers that need not settle
  std::uint16_t channel_ = 0;
  std::uint64_t epoch_ = 0;
  std::uint64_t tag_ = 0;
};

}  // namespace millrace
