// The types whose owner remembers something: their arguments, and what is remembered.
#include <gtest/gtest.h>

#include "broker/exchange/deduplicating.hpp"
#include "broker/exchange/delayed.hpp"
#include "broker/exchange/recent_history.hpp"
#include "broker/exchange/test_message.hpp"

namespace millrace::broker {
namespace {

using test::binding_to;
using test::exchange_spec;
using test::formats;
using test::message_with;
using test::queue_target;
using test::routed;

using Ids = std::vector<std::uint64_t>;

Arguments one(std::string key, Value value) {
  return Arguments({Argument{std::move(key), std::move(value)}});
}

std::string refusal(std::string_view type, Arguments with) {
  const result<void> checked = check_exchange_type(exchange_spec(type, std::move(with)));
  if (checked.has_value()) return "accepted";
  EXPECT_EQ(checked.error().code, Errc::precondition_failed);
  return checked.error().text;
}

TEST(ExchangeTypes, unknown_ones_are_refused) {
  EXPECT_EQ(refusal("x-nothing", {}), "unknown exchange type 'x-nothing'");
  EXPECT_EQ(refusal("", {}), "unknown exchange type ''");
}

TEST(ExchangeTypes, every_known_one_is_made) {
  for (const char* type : {"direct", "fanout", "topic", "headers", "x-consistent-hash", "x-modulus-hash",
                           "x-random", "x-local-random", "x-recent-history"}) {
    ASSERT_EQ(refusal(type, {}), "accepted") << type;
    EXPECT_EQ(make_exchange(exchange_spec(type))->spec().type, type);
  }
}

TEST(ExchangeTypes, an_alternate_exchange_is_named_by_text) {
  EXPECT_EQ(refusal("direct", one("alternate-exchange", Value::text("y"))), "accepted");
  EXPECT_EQ(refusal("direct", one("alternate-exchange", Value::integer(1, 'I'))),
            "invalid type 'signedint' for arg 'alternate-exchange' in exchange 'x' in vhost '/'");
}

TEST(ExchangeTypes, those_that_remember_say_so_and_are_never_cached) {
  for (const ExchangeSpec& spec :
       {exchange_spec("x-recent-history"),
        exchange_spec("x-message-deduplication", one("x-cache-size", Value::integer(5))),
        exchange_spec("x-delayed-message", one("x-delayed-type", Value::text("fanout")))}) {
    const auto exchange = make_exchange(spec);
    EXPECT_TRUE(exchange->remembers()) << spec.type;
    EXPECT_FALSE(exchange->by_key_alone()) << spec.type;
    exchange->bind(queue_target(1), binding_to(1, "k"));
    EXPECT_EQ(routed(*exchange, "other", *message_with({})), (Ids{1})) << spec.type;
  }
}

TEST(DelayedExchange, routes_as_the_type_it_names) {
  const auto exchange =
      make_exchange(exchange_spec("x-delayed-message", one("x-delayed-type", Value::text("topic"))));
  EXPECT_EQ(exchange->spec().type, "x-delayed-message");
  exchange->bind(queue_target(1), binding_to(1, "a.*"));
  EXPECT_EQ(routed(*exchange, "a.b", *message_with({})), (Ids{1}));
  EXPECT_EQ(routed(*exchange, "b.b", *message_with({})), Ids{});
  exchange->unbind(queue_target(1), binding_to(1, "a.*"));
  EXPECT_EQ(routed(*exchange, "a.b", *message_with({})), Ids{});
}

TEST(DelayedExchange, checks_the_named_type_and_its_bindings) {
  EXPECT_EQ(refusal("x-delayed-message", {}),
            "Invalid argument, 'x-delayed-type' must be an existing exchange type");
  EXPECT_EQ(refusal("x-delayed-message", one("x-delayed-type", Value::integer(1))),
            "Invalid argument, 'x-delayed-type' must be an existing exchange type");
  EXPECT_EQ(refusal("x-delayed-message", one("x-delayed-type", Value::text("x-what"))),
            "Invalid argument, 'x-delayed-type' must be an existing exchange type");
  EXPECT_EQ(refusal("x-delayed-message", one("x-delayed-type", Value::text("x-delayed-message"))),
            "Invalid argument, 'x-delayed-type' can't be 'x-delayed-message'");
  Arguments hash = one("x-delayed-type", Value::text("x-consistent-hash"));
  EXPECT_EQ(refusal("x-delayed-message", hash), "accepted");
  EXPECT_FALSE(
      make_exchange(exchange_spec("x-delayed-message", hash))->check_binding(binding_to(1, "w")).has_value());
  hash.set("hash-property", Value::text("colour"));
  EXPECT_EQ(refusal("x-delayed-message", hash), "Unsupported property: colour");
}

TEST(DelayedExchange, reads_the_delay_that_a_message_asks_for) {
  const auto delay = [](Value value) {
    return delay_ms_of(*message_with(one("x-delay", std::move(value))), formats());
  };
  EXPECT_EQ(delay(Value::integer(1500)), 1500);
  EXPECT_EQ(delay(Value::text("1500")), 1500);
  EXPECT_EQ(delay(Value::integer(kMaxDelayMs)), kMaxDelayMs);
  EXPECT_EQ(delay(Value::integer(kMaxDelayMs + 1)), 0);
  EXPECT_EQ(delay(Value::integer(-1)), 0);
  EXPECT_EQ(delay(Value::text("soon")), 0);
  EXPECT_EQ(delay(Value::text("")), 0);
  EXPECT_EQ(delay(Value::text("5s")), 0);
  EXPECT_EQ(delay(Value::boolean(true)), 0);
  EXPECT_EQ(delay_ms_of(*message_with({}), formats()), 0);
}

TEST(RecentHistory, keeps_the_last_messages_oldest_first) {
  RecentHistory history(exchange_spec("x-recent-history", one("x-recent-history-length", Value::integer(3))));
  std::vector<MessageRef> sent;
  for (int i = 0; i < 5; ++i) {
    sent.push_back(message_with({}));
    history.remember(sent.back(), formats());
  }
  ASSERT_EQ(history.messages().size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(history.messages()[i].get(), sent[i + 2].get());
}

TEST(RecentHistory, keeps_twenty_where_nothing_is_said) {
  RecentHistory history(exchange_spec("x-recent-history"));
  for (int i = 0; i < 50; ++i) history.remember(message_with({}), formats());
  EXPECT_EQ(history.messages().size(), 20u);
}

TEST(RecentHistory, leaves_out_what_its_publisher_does_not_want_kept) {
  RecentHistory history(exchange_spec("x-recent-history"));
  history.remember(message_with(one("x-recent-history-no-store", Value::boolean(true))), formats());
  EXPECT_TRUE(history.messages().empty());
  history.remember(message_with(one("x-recent-history-no-store", Value::boolean(false))), formats());
  EXPECT_EQ(history.messages().size(), 1u);
}

TEST(RecentHistory, is_bounded_in_bytes) {
  RecentHistory history(
      exchange_spec("x-recent-history", one("x-recent-history-length", Value::integer(1000))));
  constexpr std::size_t kBody = 10u << 20;
  for (int i = 0; i < 10; ++i) history.remember(message_with({}, kBody), formats());
  EXPECT_EQ(history.messages().size(), RecentHistory::kMaxBytes / kBody);
  EXPECT_LE(history.bytes(), RecentHistory::kMaxBytes);
  history.remember(message_with({}, RecentHistory::kMaxBytes), formats());  // would push out all and not fit
  EXPECT_EQ(history.messages().size(), RecentHistory::kMaxBytes / kBody);
}

TEST(RecentHistory, refuses_a_length_that_is_none) {
  const std::string text = "Invalid argument, 'x-recent-history-length' must be a positive integer";
  EXPECT_EQ(refusal("x-recent-history", one("x-recent-history-length", Value::integer(0))), text);
  EXPECT_EQ(refusal("x-recent-history", one("x-recent-history-length", Value::integer(-1))), text);
  EXPECT_EQ(refusal("x-recent-history", one("x-recent-history-length", Value::text("9"))), text);
  EXPECT_EQ(refusal("x-recent-history", one("x-recent-history-length", Value::integer(9))), "accepted");
}

TEST(DeduplicatingExchange, checks_its_bounds) {
  const std::string size = "Missing or invalid argument, 'x-cache-size' must be an integer greater than 0";
  EXPECT_EQ(refusal("x-message-deduplication", {}), size);
  EXPECT_EQ(refusal("x-message-deduplication", one("x-cache-size", Value::integer(0))), size);
  EXPECT_EQ(refusal("x-message-deduplication", one("x-cache-size", Value::text("many"))), size);
  Arguments with = one("x-cache-size", Value::integer(10));
  EXPECT_EQ(refusal("x-message-deduplication", with), "accepted");
  with.set("x-cache-ttl", Value::integer(0));
  EXPECT_EQ(refusal("x-message-deduplication", with),
            "Invalid argument, 'x-cache-ttl' must be an integer greater than 0");
  with.set("x-cache-ttl", Value::integer(500));
  with.set("x-cache-persistence", Value::text("tape"));
  EXPECT_EQ(refusal("x-message-deduplication", with),
            "Invalid argument, 'x-cache-persistence' must be either 'memory' or 'disk'");
  with.set("x-cache-persistence", Value::text("disk"));
  EXPECT_EQ(refusal("x-message-deduplication", with), "accepted");
  const DeduplicationBounds bounds = deduplication_bounds(exchange_spec("x-message-deduplication", with));
  EXPECT_EQ(bounds.size, 10u);
  EXPECT_EQ(bounds.ttl_ms, 500);
}

TEST(DeduplicatingExchange, reads_the_mark_of_a_message) {
  EXPECT_FALSE(deduplication_mark(*message_with({}), formats()).has_value());
  Arguments with = one("x-deduplication-header", Value::text("1"));
  const auto text = deduplication_mark(*message_with(with), formats());
  ASSERT_TRUE(text.has_value());
  EXPECT_FALSE(text->ttl_ms.has_value());
  with.set("x-deduplication-header", Value::integer(1));
  with.set("x-cache-ttl", Value::integer(70));
  const auto number = deduplication_mark(*message_with(with), formats());
  ASSERT_TRUE(number.has_value());
  EXPECT_NE(number->value, text->value);
  EXPECT_EQ(number->ttl_ms, 70);
}

}  // namespace
}  // namespace millrace::broker
