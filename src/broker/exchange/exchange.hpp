// One exchange on one shard's replica: routes by what its type looks at. Knows neither protocols nor queues'
// contents.
//
// A file for each type; make_exchange() knows them all. Thread: the shard's. Routing allocates nothing in the
// common case, and the work for one message is bounded (kMaxTopicSteps).
#pragma once

#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/prng.hpp"
#include "base/result.hpp"
#include "broker/ids.hpp"
#include "broker/message.hpp"
#include "broker/specs.hpp"

namespace millrace::broker {

class Exchange;

// Where a binding leads.
struct Target {
  QueueAddress queue;  // when exchange is null
  Exchange* exchange = nullptr;
  friend bool operator==(const Target&, const Target&) = default;
};

struct RoutingInput {
  std::string_view routing_key;  // one of the message's keys; called once for each
  const Message* message = nullptr;
  const MessageFormats* formats = nullptr;
  Prng* random = nullptr;  // for the random types
};

// Targets found; may hold repeats, which the router removes.
using Targets = boost::container::small_vector<Target, 8>;

// The most visits to a pattern's words that one key may cost a topic exchange: some 20 ms, which only
// bindings made for the purpose can reach. Beyond it the message goes nowhere, see Exchange::route.
inline constexpr std::uint32_t kMaxTopicSteps = 1'000'000;

class Exchange {
 public:
  explicit Exchange(ExchangeSpec spec) : spec_(std::move(spec)) {}
  virtual ~Exchange() = default;

  const ExchangeSpec& spec() const noexcept { return spec_; }

  // An equal binding is there at most once; the caller sees to it.
  virtual void bind(const Target& target, const BindingSpec& binding) = 0;
  virtual void unbind(const Target& target, const BindingSpec& binding) = 0;
  // False when the work exceeds its bound: what `out` then holds is incomplete and is not to be used, because
  // a message that reaches some of its queues and not others is worse than one that is refused.
  virtual bool route(const RoutingInput& input, Targets& out) = 0;
  // A binding this type cannot take: invalid or precondition_failed with RabbitMQ's text.
  virtual result<void> check_binding(const BindingSpec& binding) const;

  // Whether route() looks at nothing but the key, and always answers the same: then what it found may be
  // kept.
  virtual bool by_key_alone() const noexcept { return false; }
  // Whether route() gives no target twice for one key.
  virtual bool distinct() const noexcept { return false; }
  // Types that remember something between messages (delayed, deduplicating, recent history). What they
  // remember is with the owner shard, which works it before or after it routes; route() only routes.
  virtual bool remembers() const noexcept { return false; }

  // Since the shard knows it: messages published to it here, and the queues they went to.
  struct Counters {
    std::uint64_t in = 0;
    std::uint64_t out = 0;
  };
  Counters counters;

  std::uint32_t table_slot = 0;  // RoutingTable's, to find its own notes on this exchange

 private:
  ExchangeSpec spec_;
};

// precondition_failed: "unknown exchange type 'x'", or what is wrong with the type's own arguments or the
// alternate exchange's.
result<void> check_exchange_type(const ExchangeSpec& spec);
bool exchange_type_exists(std::string_view type) noexcept;
// Exchange::remembers() of a spec that check_exchange_type() accepts.
bool exchange_remembers(const ExchangeSpec& spec);
// For a spec that check_exchange_type() accepts.
std::unique_ptr<Exchange> make_exchange(ExchangeSpec spec);

// The exchanges that every vhost has from its start (AMQP 0-9-1 §3.1.3), apart from the default exchange.
std::vector<ExchangeSpec> predeclared_exchanges(std::string_view vhost);

}  // namespace millrace::broker
