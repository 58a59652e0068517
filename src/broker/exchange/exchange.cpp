#include "broker/exchange/exchange.hpp"

namespace millrace::broker {

result<void> Exchange::check_binding(const BindingSpec&) const {
  return {};
}

std::vector<ExchangeSpec> predeclared_exchanges(std::string_view vhost) {
  std::vector<ExchangeSpec> specs;
  const auto add = [&](std::string_view name, std::string_view type, bool internal) {
    ExchangeSpec spec;
    spec.vhost = vhost;
    spec.name = name;
    spec.type = type;
    spec.durable = true;
    spec.internal = internal;
    specs.push_back(std::move(spec));
  };
  add("amq.direct", "direct", false);
  add("amq.fanout", "fanout", false);
  add("amq.topic", "topic", false);
  add("amq.headers", "headers", false);
  add("amq.match", "headers", false);
  add("amq.rabbitmq.trace", "topic", true);
  if (vhost == "/") add("amq.rabbitmq.event", "topic", true);
  return specs;
}

}  // namespace millrace::broker
