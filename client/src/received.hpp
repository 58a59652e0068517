// What is behind a Delivery: the message as it came, and where its settlement goes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "client/src/recycled_bytes.hpp"
#include "client/src/settlement.hpp"
#include "millrace/delivery.hpp"

namespace millrace::client {

class Core;

struct Received : detail::Recycled {
  Message message;        // its body, if that is large; the rest once it was asked for
  RecycledBytes content;  // its properties, raw and well formed; behind them its body, if that is small
  std::size_t properties_bytes = 0;
  bool has_properties = false;  // in `message`
  bool has_body = false;        // likewise; of one that is small
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

  ByteView raw_properties() const noexcept { return content.view().first(properties_bytes); }
  std::string_view raw_body() const noexcept {
    const std::string_view small = as_text(content.view().subspan(properties_bytes));
    return small.empty() ? message.body : small;
  }
  const std::string& body();
  Message& whole_message();
  void settle(Settlement::How how) noexcept;
};

}  // namespace millrace::client
