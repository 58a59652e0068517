// One vhost's exchanges, queues and bindings on one shard: a replica that is read without locks and changed
// by definitions as they are committed.
#pragma once

#include <boost/container/small_vector.hpp>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "broker/exchange/exchange.hpp"
#include "broker/specs.hpp"

namespace millrace::broker {

using QueueTargets = boost::container::small_vector<QueueAddress, 8>;
using RememberingExchanges = boost::container::small_vector<Exchange*, 1>;

class RoutingTable {
 public:
  RoutingTable(std::string vhost, const MessageFormats& formats, std::uint64_t random_seed);
  ~RoutingTable();

  // The default exchange "" is always there and routes to the queue named by the key.
  void add_exchange(ExchangeSpec spec);
  void remove_exchange(std::string_view name);  // with its bindings in both directions
  Exchange* find_exchange(std::string_view name) noexcept;
  void for_each_exchange(const std::function<void(const Exchange&)>& look) const;

  void add_queue(std::string_view name, QueueAddress address);
  void remove_queue(std::string_view name);  // with its bindings
  const QueueAddress* find_queue(std::string_view name) const noexcept;

  void bind(const BindingSpec& binding);
  void unbind(const BindingSpec& binding);

  // All queues the message goes to, each once, through exchange-to-exchange bindings (cycles are followed
  // once) and, where an exchange finds nothing, its alternate exchange. `keys` are the routing key and
  // CC/BCC. False, with `out` empty, when the work exceeds its bound (kMaxTopicSteps): the publish is to be
  // refused, not taken for unroutable.
  //
  // Exchanges that remember something are worked at their owners. `remembering` takes those that bindings or
  // alternates lead to, each once, and what lies behind them is left to whoever works them; without it they
  // are routed through like any other. `exchange` itself is always routed through.
  bool route(Exchange& exchange, std::span<const std::string_view> keys, const Message& message,
             QueueTargets& out, RememberingExchanges* remembering = nullptr);

  // It has neither bindings nor an alternate exchange: whatever is published to it goes nowhere.
  bool leads_nowhere(const Exchange& exchange) const noexcept;

  // Rises with every change: what callers may keep of route() is valid for one version. See cacheable().
  std::uint64_t version() const noexcept;
  // Whether route() by one key alone depends on nothing but (exchange, key, version): exchanges that look at
  // the key alone (direct, fanout, topic, …) and whose bindings and alternates lead only to such.
  bool cacheable(const Exchange& exchange) const noexcept;

  // An exchange's alternate exchange where it has no such argument: its policy's. Empty takes it back. The
  // default exchange has none.
  void set_alternate(std::string_view exchange, std::string alternate);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace millrace::broker
