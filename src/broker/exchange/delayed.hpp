// x-delayed-message: holds a message back for as long as its header x-delay says, then routes it as the type
// that the argument x-delayed-type names.
//
// The exchange routes; delayed messages wait at its owner shard.
#pragma once

#include "broker/exchange/exchange.hpp"

namespace millrace::broker {

class DelayedExchange final : public Exchange {
 public:
  explicit DelayedExchange(ExchangeSpec spec);
  void bind(const Target& target, const BindingSpec& binding) override { inner_->bind(target, binding); }
  void unbind(const Target& target, const BindingSpec& binding) override { inner_->unbind(target, binding); }
  bool route(const RoutingInput& input, Targets& out) override { return inner_->route(input, out); }
  result<void> check_binding(const BindingSpec& binding) const override {
    return inner_->check_binding(binding);
  }
  bool distinct() const noexcept override { return inner_->distinct(); }
  bool remembers() const noexcept override { return true; }

  // x-delayed-type: an existing type, but none that remembers something itself.
  static result<void> check_arguments(const ExchangeSpec& spec);

 private:
  std::unique_ptr<Exchange> inner_;
};

// How long a message asks to be held back: its header x-delay, an integer or the text of one. 0: not at all,
// also where the header is absent, negative, or beyond kMaxDelayMs (the plugin's bound, some 49 days), and
// where the message has been held back before (the plugin makes the header negative then).
inline constexpr std::int64_t kMaxDelayMs = 0xffff'ffff;
std::int64_t delay_ms_of(const Message& message, const MessageFormats& formats);

}  // namespace millrace::broker
