#include "broker/queue/queue_times.hpp"

#include <gtest/gtest.h>

#include "base/prng.hpp"
#include "broker/queue/fake_host_test.hpp"
#include "simulation/seeds.hpp"

namespace millrace::broker {
namespace {

using test::FakeHost;
using test::test_consumer;
using test::test_spec;

class QueueTimesTest : public ::testing::Test {
 protected:
  void make(QueueSettings settings = {}) {
    queue_ = std::make_unique<Queue>(host, test_spec(false), std::move(settings));
    host.steady_us = 5'000'000;
  }
  Queue& queue() { return *queue_; }
  void consume(std::uint64_t credit, bool no_ack = false) {
    QueueConsumer consumer = test_consumer(1, credit);
    consumer.no_ack = no_ack;
    ASSERT_TRUE(queue_->add_consumer(std::move(consumer)));
  }
  void settle(std::vector<std::uint64_t> seqs, Settlement how = Settlement::ack) {
    queue_->settle({ConnectionId(1), ConsumerId(1)}, seqs, how);
  }
  void publish() { host.publish(queue(), "x", false); }
  void run() { host.run(queue()); }
  void pass(std::int64_t us) {
    host.steady_us += us;
    host.now += us / 1000;
  }
  QueueTimesStatistics look() { return queue().look_at_times(); }

  FakeHost host;
  std::unique_ptr<Queue> queue_;
};

TEST_F(QueueTimesTest, measure_how_long_a_message_waits_and_is_held) {
  make();
  publish();
  pass(2000);
  consume(10);
  run();
  pass(700);
  settle({1});
  const QueueTimesStatistics seen = look();
  ASSERT_TRUE(seen.waited && seen.held);
  EXPECT_EQ(seen.waited->count, 1u);
  EXPECT_EQ(seen.waited->sum_us, 2000u);
  EXPECT_EQ(seen.held->count, 1u);
  EXPECT_EQ(seen.held->sum_us, 700u);
}

TEST_F(QueueTimesTest, count_nothing_held_for_consumers_that_do_not_acknowledge) {
  make();
  consume(10, true);
  publish();
  run();
  EXPECT_EQ(look().waited->count, 1u);
  EXPECT_EQ(look().held, nullptr);
}

TEST_F(QueueTimesTest, begin_anew_when_a_message_comes_back) {
  make();
  publish();
  pass(1000);
  consume(1);
  run();
  pass(5000);
  settle({1}, Settlement::requeue);
  run();  // no credit: it waits
  pass(300);
  queue().grant({ConnectionId(1), ConsumerId(1)}, 1);
  run();
  EXPECT_EQ(look().waited->count, 2u);
  EXPECT_EQ(look().waited->sum_us, 1300u);
  EXPECT_EQ(look().held, nullptr);  // it was not acknowledged
}

TEST_F(QueueTimesTest, know_what_waited_on_disk_and_how_old_the_oldest_is) {
  queue_ = std::make_unique<Queue>(host, test_spec(), QueueSettings{});
  host.steady_us = 5'000'000;
  const std::int64_t came = host.now;
  for (int i = 0; i < 3; ++i) host.publish(queue(), "x");
  run();
  Spill spill;
  queue().collect(storage::Lsn(host.last_lsn), spill);
  host.spill(queue(), spill);
  pass(60'000'000);
  EXPECT_EQ(queue().oldest_ms(), came);
  consume(10);
  run();
  EXPECT_EQ(look().waited->count, 3u);
  EXPECT_EQ(look().waited->sum_us, 180'000'000u);
  EXPECT_EQ(queue().oldest_ms(), 0);  // nothing waits
}

TEST_F(QueueTimesTest, tell_how_long_consumers_were_busy_and_could_have_taken_more) {
  make();
  consume(1);
  run();
  publish();  // the clock begins with the first message
  run();      // no credit is left
  pass(400);
  settle({1});
  queue().grant({ConnectionId(1), ConsumerId(1)}, 1);
  run();
  pass(600);
  const QueueTimesStatistics seen = look();
  EXPECT_EQ(seen.age_us, 1000u);
  EXPECT_EQ(seen.busy_us, 400u);
  EXPECT_EQ(seen.open_us, 600u);
}

TEST_F(QueueTimesTest, count_the_waits_of_what_is_dropped_apart) {
  QueueSettings settings;
  settings.max_length = 1;
  make(settings);
  publish();
  run();
  pass(50);
  publish();
  run();
  EXPECT_EQ(look().dropped_us, 50u);
  EXPECT_EQ(look().waited, nullptr);
}

TEST_F(QueueTimesTest, are_not_copied_again_while_nothing_is_delivered) {
  make();
  consume(10);
  publish();
  run();
  const auto first = look().waited;
  pass(1000);
  EXPECT_EQ(look().waited, first);
  publish();
  run();
  EXPECT_NE(look().waited, first);
}

// Two measurements that share nothing: levels over time, and stays of single messages.
TEST_F(QueueTimesTest, obey_littles_law_over_any_program_that_ends_empty) {
  simulation::for_each_seed(50, [this](std::uint64_t seed) {
    Prng random(seed);
    host = FakeHost();
    make();
    consume(8);
    std::vector<std::uint64_t> held;
    const auto take = [&] {
      for (const auto& got : host.got) held.push_back(got.delivery.seq);
      host.got.clear();
    };
    const auto settle_some = [&](std::size_t count) {
      for (; count > 0 && !held.empty(); --count) {
        const std::uint64_t seq = held.front();
        held.erase(held.begin());
        settle({seq}, random.below(5) == 0 ? Settlement::requeue : Settlement::ack);
        queue().grant({ConnectionId(1), ConsumerId(1)}, 1);
      }
    };
    for (int turn = 0; turn < 500; ++turn) {
      for (std::uint64_t n = random.below(4); n > 0; --n) publish();
      settle_some(random.below(4));
      pass(static_cast<std::int64_t>(random.below(300)));  // the turn takes its time
      run();
      take();
      pass(static_cast<std::int64_t>(random.below(2000)));
    }
    while (queue().ready() + queue().unsettled() > 0) {
      settle_some(8);
      run();
      take();
      pass(10);
    }
    const QueueTimesStatistics seen = look();
    EXPECT_GT(seen.ready_us, 0u);
    EXPECT_EQ(seen.ready_us, seen.waited->sum_us);
    EXPECT_GE(seen.unacked_us, seen.held->sum_us);  // what came back was held as well
  });
}

}  // namespace
}  // namespace millrace::broker
