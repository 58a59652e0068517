#include "broker/exchange/random.hpp"

namespace millrace::broker {

void RandomExchange::bind(const Target& target, const BindingSpec&) {
  targets_.add(target);
}

void RandomExchange::unbind(const Target& target, const BindingSpec&) {
  targets_.remove(target);
}

bool RandomExchange::route(const RoutingInput& input, Targets& out) {
  if (!targets_.empty()) out.push_back(targets_.at(input.random->below(targets_.size())));
  return true;
}

}  // namespace millrace::broker
