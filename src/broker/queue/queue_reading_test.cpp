#include <gtest/gtest.h>

#include "broker/queue/queue_test_fixture.hpp"

namespace millrace::broker {
namespace {

// What lies in segments is read back, tried again, set aside.
using test::Bodies;
using test::QueueTest;

class Reading : public QueueTest {
 protected:
  // Three durable messages in segment 1, of three items of the same length, and one behind them in memory.
  void make_stored(QueueSettings settings = {}) {
    make(std::move(settings));
    for (const char* body : {"a", "b", "c"}) host.publish(queue(), body);
    run();
    spill_all();
    host.publish(queue(), "d");
    run();
  }
  char& byte_of(std::size_t item, std::size_t at) {
    std::string& file = host.segments[1];
    return file[4 + item * (file.size() - 4) / 3 + at];
  }
  void restart_here() { restart(0, state(), host.last_lsn); }
  // Lets all back-offs pass.
  Bodies delivered_in_time() {
    for (unsigned i = 0; i < 20; ++i) {
      run();
      host.now += 1000;
      queue().on_deadline();
    }
    return delivered();
  }
};

TEST_F(Reading, is_tried_again_after_an_error_that_passes) {
  make_stored();
  host.failing_reads = ReadRetry::kMax;
  consume(1, 10);
  EXPECT_EQ(delivered(), Bodies());
  EXPECT_EQ(queue().deadline_ms, host.now + ReadRetry::kFirstDelayMs);
  EXPECT_EQ(host.failing_reads, static_cast<int>(ReadRetry::kMax) - 1);  // not before its time
  EXPECT_EQ(delivered_in_time(), (Bodies{"a", "b", "c", "d"}));
  EXPECT_EQ(host.reports, 0);
}

TEST_F(Reading, holds_no_other_level_up_while_it_waits_to_be_tried_again) {
  QueueSettings settings;
  settings.max_priority = 1;
  make(settings);
  host.publish(queue(), "urgent", true, 1);
  run();
  spill_all();
  host.publish(queue(), "other");
  host.failing_reads = 1;
  consume(1, 10);
  EXPECT_EQ(delivered(), (Bodies{"other"}));
  EXPECT_EQ(delivered_in_time(), (Bodies{"urgent"}));
}

TEST_F(Reading, sets_aside_what_cannot_be_read_and_keeps_it_for_a_restart) {
  make_stored();
  host.failing_reads = ReadRetry::kMax + 1;
  consume(1, 10);
  EXPECT_EQ(delivered_in_time(), (Bodies{"d"}));
  EXPECT_EQ(host.reports, 1);
  EXPECT_EQ(host.aside, 3u);
  EXPECT_EQ(queue().counters().set_aside, 3u);
  EXPECT_EQ(queue().ready(), 0u);
  settle(1, {4}, Settlement::ack);
  run();
  EXPECT_TRUE(host.released.empty());
  restart_here();
  EXPECT_EQ(queue().ready(), 3u);
  consume(1, 10);
  EXPECT_EQ(delivered(), (Bodies{"a", "b", "c"}));
  settle(1, {1, 2, 3}, Settlement::ack);
  EXPECT_EQ(host.released.size(), 1u);
}

TEST_F(Reading, serves_what_is_sound_around_a_damaged_item) {
  make_stored();
  byte_of(1, 30) ^= 1;
  consume(1, 10);
  EXPECT_EQ(delivered(), (Bodies{"a", "c", "d"}));
  EXPECT_EQ(host.reports, 1);
  EXPECT_EQ(host.aside, 1u);
  EXPECT_EQ(queue().ready(), 0u);
  settle(1, {1, 3, 4}, Settlement::ack);
  run();
  EXPECT_TRUE(host.released.empty());
  // Still damaged after a restart: reported again, and nothing comes twice.
  restart_here();
  EXPECT_EQ(queue().ready(), 1u);
  consume(1, 10);
  EXPECT_EQ(delivered(), Bodies());
  EXPECT_EQ(host.reports, 2);
  EXPECT_EQ(queue().ready(), 0u);
  // The file is brought back: only what was missing is served.
  byte_of(1, 30) ^= 1;
  restart_here();
  consume(1, 10);
  EXPECT_EQ(delivered(), (Bodies{"b"}));
  settle(1, {2}, Settlement::ack);
  EXPECT_EQ(host.released.size(), 1u);
}

TEST_F(Reading, gives_back_to_a_restart_what_consumers_hold_behind_a_damaged_item) {
  make_stored();
  byte_of(0, 30) ^= 1;
  consume(1, 10);
  EXPECT_EQ(delivered(), (Bodies{"b", "c", "d"}));
  settle(1, {2}, Settlement::ack);
  run();
  Buffer before = state();
  const std::uint64_t lsn = host.last_lsn;
  settle(1, {4}, Settlement::ack);  // after the checkpoint
  run();
  restart(0, std::move(before), lsn);
  consume(1, 10);
  EXPECT_EQ(delivered(), (Bodies{"c"}));
  EXPECT_EQ(queue().ready(), 0u);
  EXPECT_TRUE(host.released.empty());
}

TEST_F(Reading, sets_aside_what_follows_a_damaged_length) {
  make_stored();
  byte_of(1, 3) ^= 0x7f;
  consume(1, 10);
  EXPECT_EQ(delivered(), (Bodies{"a", "d"}));
  EXPECT_EQ(host.aside, 2u);
  EXPECT_TRUE(host.released.empty());
  queue().purge();
  settle(1, {1, 4}, Settlement::ack);
  EXPECT_EQ(host.released.size(), 1u);
}

TEST_F(Reading, keeps_nothing_for_damage_to_what_was_settled) {
  make_stored();
  consume(1, 2);
  EXPECT_EQ(delivered(), (Bodies{"a", "b"}));
  settle(1, {1, 2}, Settlement::ack);
  run();
  restart_here();
  host.reports = 0;
  byte_of(1, 30) ^= 1;
  consume(1, 10);
  EXPECT_EQ(delivered(), (Bodies{"c", "d"}));
  settle(1, {3, 4}, Settlement::ack);
  EXPECT_EQ(host.reports, 0);
  EXPECT_EQ(host.released.size(), 1u);
}

TEST_F(QueueTest, what_a_purge_took_is_not_read_again_after_a_restart) {
  make();
  consume(1, 1);
  for (const char* body : {"a", "b", "c"}) host.publish(queue(), body);
  run();
  spill_all();
  queue().purge();
  host.durable_lsn = host.last_lsn;
  restart(host.last_lsn, state(), host.last_lsn);
  consume(1, 5);
  EXPECT_EQ(delivered(), (Bodies{"a"}));
  EXPECT_EQ(queue().ready(), 0u);
}

TEST_F(QueueTest, what_a_purge_left_keeps_the_deliveries_that_only_its_segment_knows) {
  QueueSettings settings;
  settings.quorum = true;
  make(settings);
  consume(1, 1);
  const std::uint64_t seq = host.publish(queue(), "a");
  run();
  settle(1, {seq}, Settlement::requeue_failed);
  restart();
  host.durable_lsn = host.last_lsn;
  spill_all();
  Buffer kept = state();
  const std::uint64_t state_lsn = host.last_lsn;
  consume(1, 1);
  EXPECT_EQ(delivered(), (Bodies{"a"}));
  queue().purge();
  restart(state_lsn, std::move(kept), state_lsn);
  consume(1, 1);
  run();
  ASSERT_EQ(host.got.size(), 1u);
  EXPECT_EQ(host.got[0].delivery.delivery_count, 1u);
}

TEST_F(QueueTest, runs_of_a_lane_do_not_overlap_when_transient_messages_make_room) {
  make();
  consume(1, 1);
  host.publish(queue(), "held");
  run();
  for (const char* body : {"b", "c"}) host.publish(queue(), body, false);
  Spill spill;
  queue().collect_oldest(UINT64_MAX, spill);
  ASSERT_EQ(spill.items.size(), 3u);
  EXPECT_EQ(spill.items.front().seq, 1u);
}

}  // namespace
}  // namespace millrace::broker
