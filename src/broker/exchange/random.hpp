// x-random: each message goes to one destination, chosen anew. x-local-random is the same here: every queue
// of a node is local.
#pragma once

#include "broker/exchange/target_list.hpp"

namespace millrace::broker {

class RandomExchange final : public Exchange {
 public:
  using Exchange::Exchange;
  void bind(const Target& target, const BindingSpec& binding) override;
  void unbind(const Target& target, const BindingSpec& binding) override;
  bool route(const RoutingInput& input, Targets& out) override;
  bool distinct() const noexcept override { return true; }

 private:
  TargetList targets_;
};

}  // namespace millrace::broker
