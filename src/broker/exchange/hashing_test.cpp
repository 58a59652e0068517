// The types that choose one destination: x-consistent-hash, x-modulus-hash, x-random.
#include <gtest/gtest.h>

#include <map>

#include "broker/exchange/consistent_hash.hpp"
#include "broker/exchange/modulus_hash.hpp"
#include "broker/exchange/random.hpp"
#include "broker/exchange/stable_hash.hpp"
#include "broker/exchange/test_message.hpp"

namespace millrace::broker {
namespace {

using test::binding_to;
using test::exchange_spec;
using test::message_with;
using test::queue_target;
using test::routed;

using Ids = std::vector<std::uint64_t>;
constexpr int kKeys = 20'000;

std::uint64_t only(const Ids& ids) {
  EXPECT_EQ(ids.size(), 1u);
  return ids.empty() ? 0 : ids.front();
}

// By key, where the message goes.
std::vector<std::uint64_t> choices(Exchange& exchange) {
  const Ref<Message> message = message_with({});
  std::vector<std::uint64_t> chosen;
  for (int i = 0; i < kKeys; ++i)
    chosen.push_back(only(routed(exchange, "key" + std::to_string(i), *message)));
  return chosen;
}

std::map<std::uint64_t, int> shares(const std::vector<std::uint64_t>& chosen) {
  std::map<std::uint64_t, int> count;
  for (const std::uint64_t id : chosen) ++count[id];
  return count;
}

void join(Exchange& exchange, std::uint64_t id, std::string_view key) {
  exchange.bind(queue_target(id), binding_to(id, key));
}

void leave(Exchange& exchange, std::uint64_t id, std::string_view key) {
  exchange.unbind(queue_target(id), binding_to(id, key));
}

TEST(StableHash, never_changes) {
  EXPECT_EQ(stable_hash(""), 0xf52a15e9a9b5e89bull);
  EXPECT_EQ(stable_hash("millrace"), 0x2117b33cf8ccc697ull);
}

TEST(ConsistentHash, shares_follow_the_weights) {
  ConsistentHashExchange exchange(exchange_spec("x-consistent-hash"));
  join(exchange, 1, "1");
  join(exchange, 2, "2");
  join(exchange, 3, "2");
  join(exchange, 4, "5");
  auto count = shares(choices(exchange));
  // Four standard deviations of what chance alone would do.
  EXPECT_NEAR(count[1], kKeys * 0.1, 4 * 42);
  EXPECT_NEAR(count[2], kKeys * 0.2, 4 * 57);
  EXPECT_NEAR(count[3], kKeys * 0.2, 4 * 57);
  EXPECT_NEAR(count[4], kKeys * 0.5, 4 * 71);
}

TEST(ConsistentHash, the_order_of_binding_does_not_matter) {
  ConsistentHashExchange forwards(exchange_spec("x-consistent-hash"));
  ConsistentHashExchange backwards(exchange_spec("x-consistent-hash"));
  for (std::uint64_t id = 1; id <= 9; ++id) join(forwards, id, std::to_string(1 + id % 3));
  for (std::uint64_t id = 9; id >= 1; --id) join(backwards, id, std::to_string(1 + id % 3));
  EXPECT_EQ(choices(forwards), choices(backwards));
}

TEST(ConsistentHash, a_destination_that_comes_or_goes_moves_only_its_share) {
  ConsistentHashExchange exchange(exchange_spec("x-consistent-hash"));
  for (std::uint64_t id = 1; id <= 9; ++id) join(exchange, id, "1");
  const auto before = choices(exchange);
  join(exchange, 10, "1");
  const auto after = choices(exchange);
  int moved = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (before[i] == after[i]) continue;
    ASSERT_EQ(after[i], 10u) << "a key went from one old destination to another";
    ++moved;
  }
  EXPECT_NEAR(moved, kKeys / 10, 4 * 42);
  leave(exchange, 10, "1");
  EXPECT_EQ(choices(exchange), before);
}

TEST(ConsistentHash, a_greater_weight_only_gains) {
  ConsistentHashExchange exchange(exchange_spec("x-consistent-hash"));
  for (std::uint64_t id = 1; id <= 4; ++id) join(exchange, id, "1");
  const auto before = choices(exchange);
  join(exchange, 2, "3");  // a second binding: its weight adds up
  const auto after = choices(exchange);
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (before[i] != after[i]) {
      ASSERT_EQ(after[i], 2u);
    }
  }
  EXPECT_NEAR(shares(after)[2], kKeys * 4 / 7, 4 * 70);
  leave(exchange, 2, "3");
  EXPECT_EQ(choices(exchange), before);
  leave(exchange, 2, "1");
  EXPECT_EQ(shares(choices(exchange)).count(2), 0u);
}

TEST(ConsistentHash, without_bindings_goes_nowhere) {
  ConsistentHashExchange exchange(exchange_spec("x-consistent-hash"));
  EXPECT_TRUE(routed(exchange, "k", *message_with({})).empty());
}

TEST(ConsistentHash, goes_by_the_named_header_or_property) {
  const auto exchange_by = [](const char* argument, const char* name) {
    auto exchange = std::make_unique<ConsistentHashExchange>(
        exchange_spec("x-consistent-hash", Arguments({Argument{argument, Value::text(name)}})));
    for (std::uint64_t id = 1; id <= 50; ++id) join(*exchange, id, "1");
    return exchange;
  };
  const auto with = [](const char* key, std::string value) {
    return message_with(Arguments({Argument{key, Value::text(std::move(value))}}));
  };
  for (const auto& [argument, name] :
       {std::pair("hash-header", "tenant"), std::pair("hash-property", "message_id"),
        std::pair("hash-property", "correlation_id")}) {
    const auto exchange = exchange_by(argument, name);
    const std::uint64_t chosen = only(routed(*exchange, "one", *with(name, "value")));
    EXPECT_EQ(only(routed(*exchange, "another", *with(name, "value"))), chosen) << name;
    std::map<std::uint64_t, int> spread;
    for (int i = 0; i < 500; ++i) ++spread[only(routed(*exchange, "one", *with(name, std::to_string(i))))];
    EXPECT_GT(spread.size(), 40u) << name;
    EXPECT_EQ(only(routed(*exchange, "one", *message_with({}))),
              only(routed(*exchange, "two", *message_with({}))));
  }
  const auto by_time = exchange_by("hash-property", "timestamp");
  std::map<std::uint64_t, int> spread;
  for (int i = 0; i < 500; ++i) ++spread[only(routed(*by_time, "one", *message_with({}, 0, i * 1000)))];
  EXPECT_GT(spread.size(), 40u);
}

TEST(ConsistentHash, refuses_what_is_not_a_weight) {
  const ConsistentHashExchange exchange(exchange_spec("x-consistent-hash"));
  const auto checked = [&](std::string_view key) {
    const result<void> answer = exchange.check_binding(binding_to(1, key));
    if (answer.has_value()) return std::string("accepted");
    EXPECT_EQ(answer.error().code, Errc::precondition_failed);
    return answer.error().text;
  };
  EXPECT_EQ(checked("1"), "accepted");
  EXPECT_EQ(checked("1000000000"), "accepted");
  EXPECT_EQ(checked("1000000001"), "The binding key must not be greater than 1000000000");
  EXPECT_EQ(checked("0"), "The binding key must be greater than 0");
  EXPECT_EQ(checked("-4"), "The binding key must be greater than 0");
  EXPECT_EQ(checked(""), "The binding key must be an integer: <<\"\">>");
  EXPECT_EQ(checked("2x"), "The binding key must be an integer: <<\"2x\">>");
  EXPECT_EQ(checked("99999999999999999999"),
            "The binding key must be an integer: <<\"99999999999999999999\">>");
}

TEST(ModulusHash, one_destination_a_key_whatever_the_order_of_binding) {
  ModulusHashExchange forwards(exchange_spec("x-modulus-hash"));
  ModulusHashExchange backwards(exchange_spec("x-modulus-hash"));
  for (std::uint64_t id = 1; id <= 5; ++id) join(forwards, id, "");
  for (std::uint64_t id = 5; id >= 1; --id) join(backwards, id, "");
  join(backwards, 3, "again");
  const auto chosen = choices(forwards);
  EXPECT_EQ(choices(backwards), chosen);
  for (const auto& [id, count] : shares(chosen)) EXPECT_NEAR(count, kKeys / 5, 4 * 57) << id;
  leave(backwards, 3, "again");
  EXPECT_EQ(choices(backwards), chosen);
  leave(backwards, 3, "");
  EXPECT_EQ(shares(choices(backwards)).count(3), 0u);
}

TEST(Random, every_destination_gets_its_part) {
  RandomExchange exchange(exchange_spec("x-random"));
  for (std::uint64_t id = 1; id <= 4; ++id) join(exchange, id, "any");
  const std::uint64_t seed = 20321;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  Prng random(seed);
  const Ref<Message> message = message_with({});
  std::map<std::uint64_t, int> count;
  for (int i = 0; i < kKeys; ++i) {
    Targets found;
    ASSERT_TRUE(exchange.route({"same", message.get(), &test::formats(), &random}, found));
    ASSERT_EQ(found.size(), 1u);
    ++count[found[0].queue.id.value];
  }
  for (std::uint64_t id = 1; id <= 4; ++id) EXPECT_NEAR(count[id], kKeys / 4, 4 * 62) << id;
}

}  // namespace
}  // namespace millrace::broker
