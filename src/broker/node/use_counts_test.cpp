#include "broker/node/use_counts.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace millrace::broker {
namespace {

using Kind = UseCounts::Kind;

TEST(UseCounts, lets_in_as_many_as_the_limit_says) {
  UseCounts counts;
  const auto count = counts.of(Kind::user_connections, "ann");
  EXPECT_TRUE(count->take(2));
  EXPECT_TRUE(count->take(2));
  EXPECT_FALSE(count->take(2));
  count->give_back();
  EXPECT_TRUE(count->take(2));
  EXPECT_TRUE(count->take(-1)) << "no limit";
  EXPECT_FALSE(count->take(0)) << "a limit of 0 lets nobody in";
}

TEST(UseCounts, keeps_names_and_kinds_apart) {
  UseCounts counts;
  const auto of_ann = counts.of(Kind::user_connections, "ann");
  EXPECT_TRUE(of_ann->take(1));
  EXPECT_TRUE(counts.of(Kind::vhost_connections, "ann")->take(1));
  EXPECT_TRUE(counts.of(Kind::user_channels, "ann")->take(1));
  EXPECT_TRUE(counts.of(Kind::user_connections, "bob")->take(1));
  EXPECT_FALSE(counts.of(Kind::user_connections, "ann")->take(1));
}

TEST(UseCounts, are_there_for_as_long_as_somebody_holds_them) {
  UseCounts counts;
  auto first = counts.of(Kind::user_connections, "ann");
  auto second = counts.of(Kind::user_connections, "ann");
  EXPECT_EQ(first, second);
  EXPECT_EQ(counts.size(), 1u);
  first.reset();
  EXPECT_EQ(counts.size(), 1u);
  second.reset();
  EXPECT_EQ(counts.size(), 0u);
  for (int i = 0; i < 1000; ++i) counts.of(Kind::user_connections, std::to_string(i))->take(-1);
  EXPECT_EQ(counts.size(), 0u);
}

TEST(UseCounts, remember_a_rate_of_somebody_who_is_gone) {
  UseCounts counts;
  EXPECT_EQ(counts.of(Kind::user_publishes, "ann")->pace(1000, 10), 10);
  EXPECT_EQ(counts.of(Kind::user_publishes, "ann")->pace(1000, 10), 20);
}

TEST(UseCounts, is_exact_when_many_shards_ask_at_once) {
  constexpr int kThreads = 4, kTries = 2000, kNames = 50, kLimit = 100;
  UseCounts counts;
  std::atomic<int> taken{0};
  std::vector<std::shared_ptr<UseCount>> held;
  for (int i = 0; i < kNames; ++i) held.push_back(counts.of(Kind::vhost_connections, std::to_string(i)));
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kTries * kNames / 10; ++i) {
        if (counts.of(Kind::vhost_connections, std::to_string(i % kNames))->take(kLimit)) ++taken;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken, kNames * kLimit);
}

TEST(UseCounts, come_and_go_on_many_shards_at_once) {
  constexpr int kThreads = 4, kTurns = 20'000;
  UseCounts counts;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kTurns; ++i) {
        const auto count = counts.of(Kind::user_connections, i % 3 == 0 ? "ann" : "bob");
        ASSERT_TRUE(count->take(kThreads)) << "more than there are";
        count->give_back();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counts.size(), 0u);
}

TEST(UseCounts, a_rate_runs_ahead_of_the_clock_by_what_is_too_much) {
  UseCount events;
  EXPECT_EQ(events.pace(1000, 10), 10);
  EXPECT_EQ(events.pace(1000, 10), 20);
  EXPECT_EQ(events.pace(1015, 10), 15);
  // What was not used is not saved up.
  EXPECT_EQ(events.pace(5000, 10), 10);
}

}  // namespace
}  // namespace millrace::broker
