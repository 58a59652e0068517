// AMQP 0-9-1 §3.1.3.2: a message goes to everything that is bound. Also how types route that add something
// around it: x-recent-history remembers, x-message-deduplication drops repeats before they come here.
#pragma once

#include "broker/exchange/target_list.hpp"

namespace millrace::broker {

class FanoutExchange final : public Exchange {
 public:
  using Exchange::Exchange;
  void bind(const Target& target, const BindingSpec& binding) override;
  void unbind(const Target& target, const BindingSpec& binding) override;
  bool route(const RoutingInput& input, Targets& out) override;

 private:
  TargetList targets_;
};

}  // namespace millrace::broker
