#include "broker/exchange/fanout.hpp"

namespace millrace::broker {

void FanoutExchange::bind(const Target& target, const BindingSpec&) {
  targets_.add(target);
}

void FanoutExchange::unbind(const Target& target, const BindingSpec&) {
  targets_.remove(target);
}

bool FanoutExchange::route(const RoutingInput&, Targets& out) {
  targets_.append_to(out);
  return true;
}

}  // namespace millrace::broker
