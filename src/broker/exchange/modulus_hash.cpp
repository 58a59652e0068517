#include "broker/exchange/modulus_hash.hpp"

#include <algorithm>

#include "broker/exchange/stable_hash.hpp"

namespace millrace::broker {

// A queue comes before the exchange of the same name.
std::vector<ModulusHashExchange::Member>::iterator ModulusHashExchange::place_of(const Target& target,
                                                                                 const std::string& name) {
  const bool to_exchange = target.exchange != nullptr;
  return std::partition_point(members_.begin(), members_.end(), [&](const Member& member) {
    const int order = member.name.compare(name);
    return order < 0 || (order == 0 && member.target.exchange == nullptr && to_exchange);
  });
}

void ModulusHashExchange::bind(const Target& target, const BindingSpec& binding) {
  auto place = place_of(target, binding.destination);
  if (place == members_.end() || place->target != target)
    place = members_.insert(place, Member{binding.destination, target, 0});
  ++place->bindings;
}

void ModulusHashExchange::unbind(const Target& target, const BindingSpec& binding) {
  const auto place = place_of(target, binding.destination);
  if (place == members_.end() || place->target != target) return;
  if (--place->bindings == 0) members_.erase(place);
}

bool ModulusHashExchange::route(const RoutingInput& input, Targets& out) {
  if (!members_.empty()) out.push_back(members_[stable_hash(input.routing_key) % members_.size()].target);
  return true;
}

}  // namespace millrace::broker
