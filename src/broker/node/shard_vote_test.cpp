#include "broker/node/shard_vote.hpp"

#include <gtest/gtest.h>

namespace millrace::broker {
namespace {

constexpr ShardId kHome(0);
constexpr ShardId kOther(1);
constexpr ShardId kThird(2);

TEST(ShardVote, stays_with_a_home_that_is_used) {
  ShardVote vote;
  for (int i = 0; i < 100'000; ++i) EXPECT_FALSE(vote.add(kHome, kHome, 1));
  EXPECT_FALSE(vote.wants_move());
}

TEST(ShardVote, moves_to_the_only_shard_that_is_used) {
  ShardVote vote;
  vote.add(kOther, kHome, 1);  // becomes the favourite
  for (std::int64_t i = 1; i < ShardVote::kFirstMove; ++i) EXPECT_FALSE(vote.add(kOther, kHome, 1));
  EXPECT_TRUE(vote.add(kOther, kHome, 1));
  EXPECT_TRUE(vote.wants_move());
  EXPECT_EQ(vote.favourite(), kOther);
}

TEST(ShardVote, moves_only_for_more_than_four_of_five) {
  ShardVote three_of_four;
  ShardVote nine_of_ten;
  for (int i = 0; i < 100'000; ++i) {
    three_of_four.add(i % 4 == 0 ? kThird : kOther, kHome, 1);
    if (!nine_of_ten.wants_move()) nine_of_ten.add(i % 10 == 0 ? kHome : kOther, kHome, 1);
  }
  EXPECT_FALSE(three_of_four.wants_move());
  EXPECT_TRUE(nine_of_ten.wants_move());
}

TEST(ShardVote, needs_more_with_each_move) {
  ShardVote vote;
  std::int64_t last = 0;
  ShardId home = kHome;
  for (int move = 0; move < 30; ++move) {
    const ShardId to = home == kHome ? kOther : kHome;
    std::int64_t messages = 1;
    while (!vote.add(to, home, 1)) ++messages;
    EXPECT_GE(messages, last);
    EXPECT_LE(messages, ShardVote::kLastMove + 1);
    last = messages;
    vote.moved();
    home = to;
  }
  EXPECT_GT(last, ShardVote::kFirstMove * 100);
}

TEST(ShardVote, counts_anew_after_a_refusal) {
  ShardVote vote;
  while (!vote.add(kOther, kHome, 1)) {
  }
  vote.refused();
  EXPECT_FALSE(vote.wants_move());
  EXPECT_FALSE(vote.add(kOther, kHome, ShardVote::kFirstMove - 1));
  EXPECT_TRUE(vote.add(kOther, kHome, 1));
}

}  // namespace
}  // namespace millrace::broker
