#include "broker/queue/consumer_set.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace millrace::broker {
namespace {

ConsumerKey key(std::uint64_t number) {
  return {ConnectionId(1), ConsumerId(number)};
}

QueueConsumer consumer(std::uint64_t number, std::uint64_t credit, std::int64_t priority = 0) {
  QueueConsumer made;
  made.key = key(number);
  made.credit = credit;
  made.priority = priority;
  return made;
}

// Serves one message; the consumer's number, or 0 when nobody can take it.
std::uint64_t serve(ConsumerSet& set) {
  QueueConsumer* next = set.next();
  if (next == nullptr) return 0;
  const std::uint64_t number = next->key.consumer.value;
  set.served(*next);
  return number;
}

TEST(ConsumerSet, serves_equals_in_turn_while_they_have_credit) {
  ConsumerSet set;
  set.add(consumer(1, 3));
  set.add(consumer(2, 1));
  set.add(consumer(3, 2));
  std::vector<std::uint64_t> order;
  while (const std::uint64_t number = serve(set)) order.push_back(number);
  EXPECT_EQ(order, (std::vector<std::uint64_t>{1, 2, 3, 1, 3, 1}));
}

TEST(ConsumerSet, serves_who_is_granted_credit_after_those_that_wait) {
  ConsumerSet set;
  set.add(consumer(1, 0));
  set.add(consumer(2, 2));
  set.grant(key(1), 1);
  EXPECT_EQ(serve(set), 2u);
  EXPECT_EQ(serve(set), 1u);
  EXPECT_EQ(serve(set), 2u);
  EXPECT_EQ(serve(set), 0u);
}

TEST(ConsumerSet, serves_the_highest_priority_that_has_credit) {
  ConsumerSet set;
  set.add(consumer(1, 2, 0));
  set.add(consumer(2, 1, 5));
  set.add(consumer(3, 1, -1));
  EXPECT_EQ(serve(set), 2u);
  EXPECT_EQ(serve(set), 1u);
  set.grant(key(2), 1);
  EXPECT_EQ(serve(set), 2u);
  EXPECT_EQ(serve(set), 1u);
  EXPECT_EQ(serve(set), 3u);
}

TEST(ConsumerSet, knows_the_first_of_the_highest_priority_whatever_its_credit) {
  ConsumerSet set;
  EXPECT_EQ(set.first(), nullptr);
  set.add(consumer(1, 1));
  set.add(consumer(2, 0, 5));
  set.add(consumer(3, 1, 5));
  EXPECT_EQ(set.first()->key, key(2));
  EXPECT_TRUE(set.remove(key(2)));
  EXPECT_EQ(set.first()->key, key(3));
  EXPECT_TRUE(set.remove(key(3)));
  EXPECT_EQ(set.first()->key, key(1));
}

TEST(ConsumerSet, serves_the_first_when_it_alone_is_active) {
  ConsumerSet set;
  set.add(consumer(1, 1));
  set.add(consumer(2, 1));
  set.served(*set.first());
  EXPECT_EQ(serve(set), 2u);
  EXPECT_EQ(serve(set), 0u);
}

TEST(ConsumerSet, forgets_who_is_removed_with_credit_and_without) {
  ConsumerSet set;
  set.add(consumer(1, 1));
  set.add(consumer(2, 0));
  set.add(consumer(3, 1));
  EXPECT_TRUE(set.remove(key(1)));
  EXPECT_FALSE(set.remove(key(1)));
  EXPECT_TRUE(set.remove(key(2)));
  set.grant(key(2), 5);
  EXPECT_EQ(set.size(), 1u);
  EXPECT_EQ(serve(set), 3u);
  EXPECT_EQ(serve(set), 0u);
  set.clear();
  EXPECT_TRUE(set.empty());
  EXPECT_EQ(set.next(), nullptr);
}

// Quadratic work would take minutes here.
TEST(ConsumerSet, holds_very_many) {
  constexpr std::uint64_t kMany = 200'000;
  ConsumerSet set;
  for (std::uint64_t i = 1; i <= kMany; ++i) set.add(consumer(i, i == kMany ? kMany : 0));
  for (std::uint64_t i = 1; i <= kMany; ++i) ASSERT_EQ(serve(set), kMany);
  EXPECT_EQ(serve(set), 0u);
  for (std::uint64_t i = kMany; i > 0; --i) ASSERT_TRUE(set.remove(key(i)));
  EXPECT_TRUE(set.empty());
}

}  // namespace
}  // namespace millrace::broker
