// x-consistent-hash: each message goes to one of the destinations, always the same for the same key, in
// proportion to the weights that the binding keys state.
//
// By weighted rendezvous hashing: a destination's name and the key give a draw, and the best draw wins. So
// the outcome depends on no order of binding (shards and restarts agree), a new destination takes only its
// share from each other one, and one that leaves gives only its own away. The work is a multiplication or
// three a destination.
//
// The key is the routing key; or, by argument, the header that `hash-header` names, or the property that
// `hash-property` names (message_id, correlation_id, timestamp). Messages without it share one destination.
#pragma once

#include <vector>

#include "broker/exchange/exchange.hpp"

namespace millrace::broker {

class ConsistentHashExchange final : public Exchange {
 public:
  explicit ConsistentHashExchange(ExchangeSpec spec);
  void bind(const Target& target, const BindingSpec& binding) override;
  void unbind(const Target& target, const BindingSpec& binding) override;
  bool route(const RoutingInput& input, Targets& out) override;
  // The binding key is the weight: a whole number from 1 to kMaxWeight.
  result<void> check_binding(const BindingSpec& binding) const override;
  bool distinct() const noexcept override { return true; }

  static constexpr std::uint32_t kMaxWeight = 1'000'000'000;
  static result<void> check_arguments(const ExchangeSpec& spec);

 private:
  // Several bindings may lead to one destination: their weights add up.
  struct Member {
    Target target;
    std::uint64_t name_hash = 0;
    std::uint64_t weight = 0;
  };

  Member take(const Target& target);  // out of the list; of no weight when it was not there
  void put(const Member& member);
  std::uint64_t hash_of(const RoutingInput& input) const;

  std::string header_, property_;  // at most one is not empty
  std::vector<Member> members_;    // by weight, so that equal weights are compared without a logarithm
};

}  // namespace millrace::broker
