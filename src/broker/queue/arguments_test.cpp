#include "broker/queue/arguments.hpp"

#include <gtest/gtest.h>

namespace millrace::broker {
namespace {

QueueSpec queue_with(std::vector<Argument> arguments) {
  QueueSpec queue;
  queue.vhost = "/";
  queue.name = "q";
  queue.durable = true;
  queue.arguments = Arguments(std::move(arguments));
  return queue;
}

std::string refusal(std::vector<Argument> arguments) {
  QueueSpec queue = queue_with(std::move(arguments));
  const auto checked = check_queue_arguments(queue, "");
  return checked ? "" : checked.error().text;
}

TEST(QueueArguments, state_the_type_once_declared) {
  QueueSpec queue = queue_with({});
  ASSERT_TRUE(check_queue_arguments(queue, ""));
  EXPECT_EQ(*queue.arguments.find("x-queue-type")->as_text(), "classic");
  QueueSpec other = queue_with({});
  ASSERT_TRUE(check_queue_arguments(other, "quorum"));
  EXPECT_EQ(*other.arguments.find("x-queue-type")->as_text(), "quorum");
  QueueSpec transient = queue_with({});
  transient.durable = false;
  ASSERT_TRUE(check_queue_arguments(transient, "quorum"));
  EXPECT_EQ(*transient.arguments.find("x-queue-type")->as_text(), "classic");
}

TEST(QueueArguments, refuse_values_in_the_words_of_rabbitmq) {
  EXPECT_EQ(refusal({{"x-message-ttl", Value::integer(-1)}}),
            "invalid arg 'x-message-ttl' for queue 'q' in vhost '/': {value_negative,-1}");
  EXPECT_EQ(refusal({{"x-expires", Value::integer(0)}}),
            "invalid arg 'x-expires' for queue 'q' in vhost '/': {value_zero,0}");
  EXPECT_NE(refusal({{"x-max-priority", Value::integer(256)}}).find("max_value_exceeded"), std::string::npos);
  EXPECT_NE(refusal({{"x-overflow", Value::text("spill")}}).find("invalid_overflow"), std::string::npos);
  EXPECT_NE(refusal({{"x-dead-letter-routing-key", Value::text("k")}}).find("no_dlx"), std::string::npos);
  EXPECT_EQ(refusal({{"x-unknown", Value::integer(1)}}), "");
}

TEST(QueueArguments, refuse_what_the_type_does_not_know) {
  EXPECT_NE(refusal({{"x-queue-type", Value::text("quorum")}, {"x-max-priority", Value::integer(3)}})
                .find("rabbit_quorum_queue"),
            std::string::npos);
  EXPECT_NE(refusal({{"x-delivery-limit", Value::integer(3)}}).find("rabbit_classic_queue"),
            std::string::npos);
  QueueSpec transient = queue_with({{"x-queue-type", Value::text("quorum")}});
  transient.durable = false;
  EXPECT_FALSE(check_queue_arguments(transient, ""));
}

TEST(QueueArguments, name_the_first_difference_of_a_redeclaration) {
  const QueueSpec existing = queue_with({{"x-max-length", Value::integer(5)}});
  EXPECT_TRUE(check_queue_equivalent(existing, queue_with({{"x-max-length", Value::integer(5, 'I')}})));
  const auto other = check_queue_equivalent(existing, queue_with({{"x-max-length", Value::integer(6)}}));
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Errc::precondition_failed);
  EXPECT_NE(other.error().text.find("inequivalent arg 'x-max-length'"), std::string::npos);
  QueueSpec transient = existing;
  transient.durable = false;
  EXPECT_NE(check_queue_equivalent(existing, transient).error().text.find("'durable'"), std::string::npos);
}

TEST(QueueSettings, the_lowest_bound_wins_and_other_arguments_win_over_policies) {
  PolicySpec policy;
  policy.definition =
      Arguments({{"max-length", Value::integer(3)}, {"dead-letter-exchange", Value::text("p")}});
  PolicySpec operators;
  operators.definition = Arguments({{"message-ttl", Value::integer(10)}});
  const QueueSettings settings = queue_settings(
      queue_with({{"x-max-length", Value::integer(5)}, {"x-dead-letter-exchange", Value::text("a")}}),
      &policy, &operators);
  EXPECT_EQ(settings.max_length, 3);
  EXPECT_EQ(settings.dead_letter_exchange, "a");
  EXPECT_EQ(settings.message_ttl_ms, 10);
}

TEST(QueueSettings, quorum_queues_limit_deliveries_unless_told_not_to) {
  const Argument quorum{"x-queue-type", Value::text("quorum")};
  EXPECT_EQ(queue_settings(queue_with({quorum}), nullptr, nullptr).delivery_limit, kDefaultDeliveryLimit);
  const auto unlimited =
      queue_settings(queue_with({quorum, {"x-delivery-limit", Value::integer(-1)}}), nullptr, nullptr);
  EXPECT_FALSE(unlimited.delivery_limit);
}

}  // namespace
}  // namespace millrace::broker
