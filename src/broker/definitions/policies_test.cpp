#include "broker/definitions/policies.hpp"

#include <gtest/gtest.h>

#include "broker/queue/arguments.hpp"

namespace millrace::broker {
namespace {

PolicySpec policy(std::string name, std::string pattern, std::int64_t priority = 0,
                  std::string apply_to = "all", bool is_operator = false) {
  PolicySpec spec;
  spec.vhost = "/";
  spec.name = std::move(name);
  spec.pattern = std::move(pattern);
  spec.priority = priority;
  spec.apply_to = std::move(apply_to);
  spec.is_operator = is_operator;
  return spec;
}

QueueSpec a_queue(std::string name, std::string type = "classic") {
  QueueSpec queue;
  queue.vhost = "/";
  queue.name = std::move(name);
  queue.arguments = Arguments({{"x-queue-type", Value::text(std::move(type))}});
  return queue;
}

std::string name_of(const PolicySpec* found) {
  return found ? found->name : "none";
}

TEST(Policies, apply_by_pattern_and_highest_priority) {
  Policies policies;
  EXPECT_EQ(name_of(policies.of_queue(a_queue("orders"), false)), "none");
  policies.put(policy("low", "", 0));
  policies.put(policy("high", "^orders", 5));
  policies.put(policy("higher, but another's", "^bills", 9));
  EXPECT_EQ(name_of(policies.of_queue(a_queue("orders.eu"), false)), "high");
  EXPECT_EQ(name_of(policies.of_queue(a_queue("bills"), false)), "higher, but another's");
  EXPECT_EQ(name_of(policies.of_queue(a_queue("my orders"), false)), "low");
  EXPECT_EQ(name_of(policies.of_exchange("orders")), "high");
}

TEST(Policies, of_equal_priority_are_taken_by_name_whatever_their_order) {
  for (const bool b_first : {false, true}) {
    Policies policies;
    policies.put(policy(b_first ? "b" : "a", "q"));
    policies.put(policy(b_first ? "a" : "b", "q"));
    EXPECT_EQ(name_of(policies.of_queue(a_queue("q"), false)), "a");
  }
}

TEST(Policies, apply_to_what_they_say) {
  Policies policies;
  policies.put(policy("exchanges", "", 9, "exchanges"));
  policies.put(policy("streams", "", 8, "streams"));
  policies.put(policy("quorum", "", 7, "quorum_queues"));
  policies.put(policy("classic", "", 6, "classic_queues"));
  policies.put(policy("queues", "", 5, "queues"));
  EXPECT_EQ(name_of(policies.of_queue(a_queue("q", "quorum"), false)), "quorum");
  EXPECT_EQ(name_of(policies.of_queue(a_queue("q"), false)), "classic");
  EXPECT_EQ(name_of(policies.of_exchange("q")), "exchanges");
  policies.remove("classic", false);
  EXPECT_EQ(name_of(policies.of_queue(a_queue("q"), false)), "queues");
  policies.remove("exchanges", false);
  EXPECT_EQ(name_of(policies.of_exchange("q")), "none");
}

TEST(Policies, of_operators_are_apart_from_the_others) {
  Policies policies;
  policies.put(policy("p", "q", 1));
  policies.put(policy("p", "q", 9, "all", true));
  EXPECT_FALSE(policies.of_queue(a_queue("q"), false)->is_operator);
  EXPECT_TRUE(policies.of_queue(a_queue("q"), true)->is_operator);
  EXPECT_FALSE(policies.of_exchange("q")->is_operator);
  policies.remove("p", false);
  EXPECT_EQ(name_of(policies.of_queue(a_queue("q"), false)), "none");
  EXPECT_EQ(name_of(policies.of_queue(a_queue("q"), true)), "p");
}

TEST(Policies, are_replaced_by_those_of_their_name) {
  Policies policies;
  policies.put(policy("p", "^a", 9));
  policies.put(policy("other", "", 5));
  policies.put(policy("p", "^b", 1));
  EXPECT_EQ(name_of(policies.of_queue(a_queue("a"), false)), "other");
  EXPECT_EQ(name_of(policies.of_queue(a_queue("b"), false)), "other");
  policies.remove("other", false);
  EXPECT_EQ(name_of(policies.of_queue(a_queue("a"), false)), "none");
  EXPECT_EQ(name_of(policies.of_queue(a_queue("b"), false)), "p");
}

TEST(Policies, merge_with_the_operators_the_stricter_bound_winning) {
  Policies policies;
  PolicySpec users = policy("users", "q");
  users.definition = Arguments({{"max-length", Value::integer(100)},
                                {"message-ttl", Value::integer(10)},
                                {"overflow", Value::text("reject-publish")}});
  PolicySpec operators = policy("operators", "q", 0, "queues", true);
  operators.definition = Arguments({{"max-length", Value::integer(50)},
                                    {"message-ttl", Value::integer(20)},
                                    {"expires", Value::integer(30)}});
  policies.put(users);
  policies.put(operators);
  const QueueSpec queue = a_queue("q");
  const QueueSettings settings =
      queue_settings(queue, policies.of_queue(queue, false), policies.of_queue(queue, true));
  EXPECT_EQ(settings.max_length, 50);
  EXPECT_EQ(settings.message_ttl_ms, 10);
  EXPECT_EQ(settings.expires_ms, 30);
  EXPECT_EQ(settings.overflow, Overflow::reject_publish);
}

}  // namespace
}  // namespace millrace::broker
