// The messages of the simulated world: each has a number of its own, and a body that shows damage.
#pragma once

#include <cstdint>

#include "broker/message.hpp"

namespace millrace::broker {

struct MessageWish {
  std::uint64_t id = 0;
  std::size_t bytes = 0;
  bool durable = false;
  std::uint8_t priority = 0;
  std::int64_t ttl_ms = -1;
  std::int64_t delay_ms = 0;  // for a delayed exchange
  std::int64_t now_ms = 0;
};

Ref<Message> make_message(const MessageWish& wish);
// What ranked queues go by, in the headers x-size and x-key.
inline constexpr unsigned kWorkSizes = 13;
constexpr unsigned size_of(std::uint64_t id) {
  return static_cast<unsigned>(id * 7 % kWorkSizes);
}
constexpr unsigned key_of(std::uint64_t id) {
  return static_cast<unsigned>(id % 3);
}
// Fails the test when the message is not as it was made.
std::uint64_t id_of(const Message& message);

}  // namespace millrace::broker
