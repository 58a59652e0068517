// The exchange types there are.
#include <array>
#include <string>

#include "base/assert.hpp"
#include "broker/exchange/consistent_hash.hpp"
#include "broker/exchange/deduplicating.hpp"
#include "broker/exchange/delayed.hpp"
#include "broker/exchange/direct.hpp"
#include "broker/exchange/exchange.hpp"
#include "broker/exchange/fanout.hpp"
#include "broker/exchange/headers.hpp"
#include "broker/exchange/modulus_hash.hpp"
#include "broker/exchange/random.hpp"
#include "broker/exchange/recent_history.hpp"
#include "broker/exchange/topic.hpp"

namespace millrace::broker {
namespace {

struct Type {
  std::string_view name;
  std::unique_ptr<Exchange> (*make)(ExchangeSpec spec);
  result<void> (*check)(const ExchangeSpec& spec);
};

template <class E>
std::unique_ptr<Exchange> make(ExchangeSpec spec) {
  return std::make_unique<E>(std::move(spec));
}

result<void> any_arguments(const ExchangeSpec&) {
  return {};
}

constexpr std::array kTypes{
    Type{"direct", make<DirectExchange>, any_arguments},
    Type{"fanout", make<FanoutExchange>, any_arguments},
    Type{"topic", make<TopicExchange>, any_arguments},
    Type{"headers", make<HeadersExchange>, any_arguments},
    Type{"x-consistent-hash", make<ConsistentHashExchange>, ConsistentHashExchange::check_arguments},
    Type{"x-modulus-hash", make<ModulusHashExchange>, any_arguments},
    Type{"x-random", make<RandomExchange>, any_arguments},
    Type{"x-local-random", make<RandomExchange>, any_arguments},
    Type{"x-recent-history", make<RecentHistoryExchange>, RecentHistoryExchange::check_arguments},
    Type{"x-delayed-message", make<DelayedExchange>, DelayedExchange::check_arguments},
    Type{"x-message-deduplication", make<DeduplicatingExchange>, DeduplicatingExchange::check_arguments},
};

const Type* find_type(std::string_view name) noexcept {
  for (const Type& type : kTypes) {
    if (type.name == name) return &type;
  }
  return nullptr;
}

}  // namespace

result<void> check_exchange_type(const ExchangeSpec& spec) {
  const Type* type = find_type(spec.type);
  if (type == nullptr) return fail(Errc::precondition_failed, "unknown exchange type '" + spec.type + "'");
  const Value* alternate = spec.arguments.find("alternate-exchange");
  if (alternate != nullptr && alternate->as_text() == nullptr) {
    return fail(Errc::precondition_failed, "invalid type '" + std::string(alternate->type_name()) +
                                               "' for arg 'alternate-exchange' in exchange '" + spec.name +
                                               "' in vhost '" + spec.vhost + "'");
  }
  return type->check(spec);
}

bool exchange_type_exists(std::string_view type) noexcept {
  return find_type(type) != nullptr;
}

bool exchange_remembers(const ExchangeSpec& spec) {
  return make_exchange(spec)->remembers();
}

std::unique_ptr<Exchange> make_exchange(ExchangeSpec spec) {
  const Type* type = find_type(spec.type);
  MILLRACE_ASSERT(type != nullptr, "types are checked before exchanges are made");
  return type->make(std::move(spec));
}

}  // namespace millrace::broker
