#include "broker/exchange/direct.hpp"

namespace millrace::broker {

void DirectExchange::bind(const Target& target, const BindingSpec& binding) {
  by_key_[binding.routing_key].add(target);
}

void DirectExchange::unbind(const Target& target, const BindingSpec& binding) {
  const auto found = by_key_.find(binding.routing_key);
  if (found == by_key_.end()) return;
  found->second.remove(target);
  if (found->second.empty()) by_key_.erase(found);
}

bool DirectExchange::route(const RoutingInput& input, Targets& out) {
  const auto found = by_key_.find(input.routing_key);
  if (found != by_key_.end()) found->second.append_to(out);
  return true;
}

}  // namespace millrace::broker
