// What is behind a Delivery: the message as it came, and where its settlement goes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "client/src/recycled_bytes.hpp"
#include "client/src/settlement.hpp"
#include "millrace/delivery.hpp"

namespace millrace::client {

class Core;

struct Received : detail::Recycled {
  Message message;           // its body; the rest once `decoded`
  RecycledBytes properties;  // raw, and well formed
  bool decoded = false;
  bool redelivered = false;
  std::string exchange;
  std::string routing_key;
  std::weak_ptr<Core> core;  // null once settled, and for consumers that need not settle
  Settlement settlement;     // but for `how`

  static Delivery delivery(std::unique_ptr<Received> received) noexcept {
    return Delivery(std::move(received));
  }
  // Of a delivery that is one.
  static const Received& of(const Delivery& delivery) noexcept { return *delivery.received_; }

  Message& whole_message();
  void settle(Settlement::How how) noexcept;
};

}  // namespace millrace::client
