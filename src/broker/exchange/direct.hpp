// AMQP 0-9-1 §3.1.3.1: a message goes where the binding key equals its routing key.
#pragma once

#include "broker/exchange/name_map.hpp"
#include "broker/exchange/target_list.hpp"

namespace millrace::broker {

class DirectExchange final : public Exchange {
 public:
  using Exchange::Exchange;
  void bind(const Target& target, const BindingSpec& binding) override;
  void unbind(const Target& target, const BindingSpec& binding) override;
  bool route(const RoutingInput& input, Targets& out) override;
  bool by_key_alone() const noexcept override { return true; }
  bool distinct() const noexcept override { return true; }

 private:
  NameMap<TargetList> by_key_;
};

}  // namespace millrace::broker
