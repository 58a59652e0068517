// AMQP 0-9-1 §3.1.3.2: a message goes to everything that is bound.
#pragma once

#include "broker/exchange/target_list.hpp"

namespace millrace::broker {

class FanoutExchange : public Exchange {
 public:
  using Exchange::Exchange;
  void bind(const Target& target, const BindingSpec& binding) override;
  void unbind(const Target& target, const BindingSpec& binding) override;
  bool route(const RoutingInput& input, Targets& out) override;
  bool by_key_alone() const noexcept override { return true; }
  bool distinct() const noexcept override { return true; }

 private:
  TargetList targets_;
};

}  // namespace millrace::broker
