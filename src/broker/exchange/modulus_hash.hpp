// x-modulus-hash: the hash of the routing key, modulo the number of destinations, chooses one by its place in
// their sorted names. Even, but a destination more or less moves nearly every key: x-consistent-hash does
// not.
#pragma once

#include <string>
#include <vector>

#include "broker/exchange/exchange.hpp"

namespace millrace::broker {

class ModulusHashExchange final : public Exchange {
 public:
  using Exchange::Exchange;
  void bind(const Target& target, const BindingSpec& binding) override;
  void unbind(const Target& target, const BindingSpec& binding) override;
  bool route(const RoutingInput& input, Targets& out) override;
  bool by_key_alone() const noexcept override { return true; }
  bool distinct() const noexcept override { return true; }

 private:
  struct Member {
    std::string name;
    Target target;
    std::uint32_t bindings = 0;
  };
  std::vector<Member>::iterator place_of(const Target& target, const std::string& name);

  std::vector<Member> members_;  // by name
};

}  // namespace millrace::broker
