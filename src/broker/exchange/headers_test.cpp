#include "broker/exchange/headers.hpp"

#include <gtest/gtest.h>

#include <map>

#include "broker/exchange/test_message.hpp"

namespace millrace::broker {
namespace {

using test::binding_to;
using test::message_with;
using test::queue_target;
using test::routed;

using Ids = std::vector<std::uint64_t>;

struct Headers : ::testing::Test {
  HeadersExchange headers{test::exchange_spec("headers")};

  void bind(std::uint64_t id, std::vector<Argument> with) {
    headers.bind(queue_target(id), binding_to(id, "", Arguments(std::move(with))));
  }
  void unbind(std::uint64_t id, std::vector<Argument> with) {
    headers.unbind(queue_target(id), binding_to(id, "", Arguments(std::move(with))));
  }
  Ids route(std::vector<Argument> with) {
    return routed(headers, "", *message_with(Arguments(std::move(with))));
  }
};

const Argument kAll{"x-match", Value::text("all")};
const Argument kAny{"x-match", Value::text("any")};
const Argument kAllWithX{"x-match", Value::text("all-with-x")};
const Argument kAnyWithX{"x-match", Value::text("any-with-x")};
Argument is(std::string key, std::int64_t value) {
  return {std::move(key), Value::integer(value)};
}

TEST_F(Headers, all_wants_every_header_and_any_wants_one) {
  bind(1, {kAll, is("a", 1), is("b", 2)});
  bind(2, {kAny, is("a", 1), is("b", 2)});
  bind(3, {is("a", 1), is("b", 2)});  // all, where nothing is said
  EXPECT_EQ(route({is("a", 1), is("b", 2), is("c", 3)}), (Ids{1, 2, 3}));
  EXPECT_EQ(route({is("a", 1)}), (Ids{2}));
  EXPECT_EQ(route({is("a", 2), is("b", 1)}), Ids{});
  EXPECT_EQ(route({}), Ids{});
}

TEST_F(Headers, all_of_nothing_matches_and_any_of_nothing_does_not) {
  bind(1, {kAll});
  bind(2, {kAny});
  bind(3, {});
  EXPECT_EQ(route({}), (Ids{1, 3}));
  EXPECT_EQ(route({is("a", 1)}), (Ids{1, 3}));
}

TEST_F(Headers, names_that_begin_with_x_count_only_where_asked) {
  bind(1, {kAll, is("a", 1), is("x-b", 2)});
  bind(2, {kAllWithX, is("a", 1), is("x-b", 2)});
  bind(3, {kAny, is("a", 9), is("x-b", 2)});
  bind(4, {kAnyWithX, is("a", 9), is("x-b", 2)});
  EXPECT_EQ(route({is("a", 1)}), (Ids{1}));
  EXPECT_EQ(route({is("a", 1), is("x-b", 2)}), (Ids{1, 2, 4}));
  EXPECT_EQ(route({is("x-b", 2)}), (Ids{4}));
}

TEST_F(Headers, a_void_value_asks_for_presence) {
  bind(1, {kAll, {"a", Value{}}});
  EXPECT_EQ(route({is("a", 7)}), (Ids{1}));
  EXPECT_EQ(route({{"a", Value::text("")}}), (Ids{1}));
  EXPECT_EQ(route({is("b", 7)}), Ids{});
}

TEST_F(Headers, values_compare_by_class_and_content) {
  bind(1, {{"a", Value::integer(1, 'I')}});
  bind(2, {{"a", Value::text("1")}});
  bind(3, {{"a", Value::boolean(true)}});
  EXPECT_EQ(route({{"a", Value::integer(1, 'l')}}), (Ids{1}));
  EXPECT_EQ(route({{"a", Value::text("1")}}), (Ids{2}));
  EXPECT_EQ(route({{"a", Value::boolean(true)}}), (Ids{3}));
  EXPECT_EQ(route({{"a", Value::real(1)}}), Ids{});
}

TEST_F(Headers, of_a_repeated_header_the_first_counts) {
  bind(1, {kAll, is("a", 1), is("b", 1)});
  bind(2, {kAny, is("a", 2)});
  EXPECT_EQ(route({is("a", 1), is("a", 1)}), Ids{});
  EXPECT_EQ(route({is("a", 1), is("a", 2), is("b", 1)}), (Ids{1}));
}

TEST_F(Headers, an_unknown_x_match_is_refused_with_its_text) {
  const auto refused = [&](Value value) {
    const result<void> checked =
        headers.check_binding(binding_to(1, "", Arguments({Argument{"x-match", std::move(value)}})));
    return checked.has_value() ? std::string("accepted") : checked.error().text;
  };
  EXPECT_EQ(refused(Value::text("some")),
            "Invalid x-match field value <<\"some\">>; expected all, any, all-with-x, or any-with-x");
  EXPECT_EQ(refused(Value::integer(1, 'I')),
            "Invalid x-match field type signedint (value 1); expected longstr");
  EXPECT_EQ(refused(Value::text("any-with-x")), "accepted");
}

TEST_F(Headers, agrees_with_the_definition_while_bindings_come_and_go) {
  for (const std::uint64_t seed : {20311u, 20312u, 20313u}) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Prng random(seed);
    HeadersExchange exchange(test::exchange_spec("headers"));
    const auto random_value = [&] {
      return random.one_in(3) ? Value::text(std::to_string(random.below(2)))
                              : Value::integer(static_cast<std::int64_t>(random.below(2)));
    };
    const auto random_headers = [&](bool with_void) {
      Arguments made;
      for (const char* key : {"a", "b", "x-c", "x-d"}) {
        if (random.one_in(2)) made.set(key, with_void && random.one_in(4) ? Value{} : random_value());
      }
      return made;
    };
    std::vector<std::pair<std::uint64_t, Arguments>> bound;
    for (int step = 0; step < 500; ++step) {
      if (!bound.empty() && random.one_in(3)) {
        const std::size_t i = random.below(bound.size());
        exchange.unbind(queue_target(bound[i].first), binding_to(bound[i].first, "", bound[i].second));
        bound.erase(bound.begin() + static_cast<std::ptrdiff_t>(i));
      } else {
        Arguments with = random_headers(true);
        const Argument& match = *std::array{&kAll, &kAny, &kAllWithX, &kAnyWithX}[random.below(4)];
        if (!random.one_in(5)) with.set(match.key, match.value);
        const std::uint64_t id = random.below(15);
        const bool there = std::any_of(bound.begin(), bound.end(), [&](const auto& one) {
          return one.first == id && one.second == with;
        });
        if (!there) {
          exchange.bind(queue_target(id), binding_to(id, "", with));
          bound.emplace_back(id, with);
        }
      }
      const Arguments message = random_headers(false);
      Ids expected;
      for (const auto& [id, with] : bound) {
        const Value* value = with.find("x-match");
        const std::string match = value == nullptr ? "all" : *value->as_text();
        const bool any = match.starts_with("any");
        const bool with_x = match.ends_with("-with-x");
        bool matched = !any;
        for (const Argument& wanted : with) {
          if (wanted.key == "x-match" || (!with_x && wanted.key.starts_with("x-"))) continue;
          const Value* there = message.find(wanted.key);
          const bool met = there != nullptr && (std::holds_alternative<std::monostate>(wanted.value.data) ||
                                                *there == wanted.value);
          matched = any ? matched || met : matched && met;
        }
        if (matched) expected.push_back(id);
      }
      std::sort(expected.begin(), expected.end());
      expected.erase(std::unique(expected.begin(), expected.end()), expected.end());
      Ids found = routed(exchange, "", *message_with(message));
      found.erase(std::unique(found.begin(), found.end()), found.end());
      ASSERT_EQ(found, expected) << "step " << step;
    }
  }
}

}  // namespace
}  // namespace millrace::broker
