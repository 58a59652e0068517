// AMQP 0-9-1 §3.1.3.4: bindings ask for headers; x-match says whether all of them must be there or any, and
// whether those that begin with x- count (all, any: no; all-with-x, any-with-x: yes). A void value asks for
// presence alone.
//
// What bindings ask for is indexed by header and value. A message's headers are visited once; each looks up
// the bindings that it satisfies and counts for them. So the work is the number of conditions that the
// message meets, whatever the number of those it does not.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <vector>

#include "broker/exchange/name_map.hpp"
#include "broker/exchange/target_list.hpp"

namespace millrace::broker {

class HeadersExchange final : public Exchange {
 public:
  using Exchange::Exchange;
  void bind(const Target& target, const BindingSpec& binding) override;
  void unbind(const Target& target, const BindingSpec& binding) override;
  bool route(const RoutingInput& input, Targets& out) override;
  result<void> check_binding(const BindingSpec& binding) const override;

 private:
  // Bindings of equal arguments are one rule with many targets.
  using RuleId = std::uint32_t;
  struct Rule {
    Arguments arguments;
    TargetList targets;
    std::uint32_t needed = 0;      // conditions to be met: all of them, or one
    std::uint32_t met = 0;         // by the message of `counted_at`
    std::uint64_t counted_at = 0;  // the route() that last counted for it
  };
  using Rules = std::vector<RuleId>;
  struct ValueHash {
    using is_avalanching = void;
    std::size_t operator()(const Value& value) const noexcept {
      return static_cast<std::size_t>(hash(value));
    }
  };
  struct Header {
    Rules if_present;
    boost::unordered_flat_map<Value, Rules, ValueHash> if_equal;
    std::uint64_t seen_at = 0;  // the route() that last met it: of repeated headers the first counts
  };
  struct ArgumentsHash {
    using is_avalanching = void;
    std::size_t operator()(const Arguments& arguments) const noexcept {
      return static_cast<std::size_t>(hash(arguments));
    }
  };
  class Visitor;

  RuleId add_rule(const Arguments& arguments);
  void remove_rule(RuleId id);
  void count(const Rules& rules, Targets& out);

  std::vector<Rule> rules_;
  std::vector<RuleId> free_rules_;
  boost::unordered_flat_map<Arguments, RuleId, ArgumentsHash> by_arguments_;
  NameMap<Header> headers_;
  Rules unconditional_;  // `all` of nothing
  std::uint64_t route_ = 0;
};

}  // namespace millrace::broker
