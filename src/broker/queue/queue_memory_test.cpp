#include <gtest/gtest.h>

#include "broker/queue/queue_test_fixture.hpp"

namespace millrace::broker {
namespace {

// What a queue remembers of messages beyond them: when to try again, which values came.
using test::Bodies;
using test::QueueTest;

QueueSettings retrying(std::int64_t min_ms) {
  QueueSettings settings;
  settings.quorum = true;
  settings.delayed_retry = DelayedRetry::all;
  settings.delayed_retry_min_ms = min_ms;
  settings.delayed_retry_max_ms = 10 * min_ms;
  return settings;
}

TEST_F(QueueTest, a_retry_waits_for_its_time_through_a_restart) {
  make(retrying(100));
  consume(1, 5);
  const std::uint64_t seq = host.publish(queue(), "a");
  run();
  settle(1, {seq}, Settlement::requeue_failed);
  host.now += 50;
  restart();
  EXPECT_EQ(queue().ready(), 0u);
  EXPECT_EQ(queue().waiting(), 1u);
  consume(1, 5);
  EXPECT_EQ(delivered(), Bodies{});
  EXPECT_EQ(queue().deadline_ms, host.now + 50);
  host.now += 50;
  run();
  ASSERT_EQ(host.got.size(), 1u);
  EXPECT_EQ(host.got[0].delivery.delivery_count, 1u);
  EXPECT_TRUE(host.got[0].delivery.redelivered);
  settle(1, {seq}, Settlement::requeue);  // the second return: twice the delay, though it does not count
  restart();
  consume(1, 5);
  host.now += 199;
  EXPECT_EQ(delivered(), Bodies{});
  host.now += 1;
  run();
  ASSERT_EQ(host.got.size(), 1u);
  EXPECT_EQ(host.got[0].delivery.delivery_count, 1u);
}

TEST_F(QueueTest, a_retry_in_a_segment_waits_for_its_time_through_a_restart) {
  make(retrying(100));
  consume(1, 2);
  for (const char* body : {"a", "b", "c"}) host.publish(queue(), body);
  run();
  settle(1, {1}, Settlement::requeue);
  Spill spill;
  queue().collect(storage::Lsn(host.last_lsn), spill);
  ASSERT_EQ(spill.items.size(), 3u);
  host.spill(queue(), spill);
  restart(host.last_lsn, state(), host.last_lsn);
  EXPECT_EQ(queue().ready(), 2u);
  restart(host.last_lsn, state(), host.last_lsn);  // once more, before it was read back
  EXPECT_EQ(queue().ready(), 2u);
  consume(1, 5);
  EXPECT_EQ(delivered(), (Bodies{"b", "c"}));
  EXPECT_EQ(queue().deadline_ms, host.now + 100);
  host.now += 100;
  EXPECT_EQ(delivered(), Bodies{"a"});
}

TEST_F(QueueTest, a_retry_in_a_segment_that_nobody_read_is_ready_at_its_time) {
  make(retrying(100));
  consume(1, 1);
  host.publish(queue(), "a");
  run();
  settle(1, {1}, Settlement::requeue);
  Spill spill;
  queue().collect(storage::Lsn(host.last_lsn), spill);
  host.spill(queue(), spill);
  restart(host.last_lsn, state(), host.last_lsn);
  run();
  EXPECT_EQ(queue().ready(), 0u);
  EXPECT_EQ(queue().deadline_ms, host.now + 100);
  host.now += 100;
  run();
  EXPECT_EQ(queue().ready(), 1u);
  consume(1, 1);
  EXPECT_EQ(delivered(), Bodies{"a"});
}

TEST_F(QueueTest, a_retry_that_is_younger_than_what_is_ready_leaves_nothing_behind_when_it_is_moved) {
  QueueSettings settings = retrying(100);
  settings.max_priority = 1;
  make(settings);
  consume(1, 2);
  host.publish(queue(), "held", true, 1);
  host.publish(queue(), "retried", true, 1);
  host.publish(queue(), "other level", true, 0);
  run();
  settle(1, {2}, Settlement::requeue);
  restart();  // "held" is ready again, "retried" waits on
  run();
  Spill spill;
  queue().collect_oldest(1, spill);  // "other level"; "retried" is older than that in the log
  host.spill(queue(), spill);
  consume(1, 5);
  EXPECT_EQ(delivered(), (Bodies{"held", "other level"}));
  host.now += 100;
  EXPECT_EQ(delivered(), Bodies{"retried"});
}

TEST_F(QueueTest, a_clock_that_was_set_back_holds_no_retry_for_ever) {
  make(retrying(100));
  consume(1, 5);
  host.publish(queue(), "a");
  run();
  settle(1, {1}, Settlement::requeue);
  host.now -= 1'000'000;
  restart();
  consume(1, 5);
  host.now += 1000;
  EXPECT_EQ(delivered(), Bodies{"a"});
}

QueueSettings deduplicating(std::int64_t size, std::optional<std::int64_t> ttl_ms = {}) {
  QueueSettings settings;
  settings.deduplication_header = "id";
  settings.cache_size = size;
  settings.cache_ttl_ms = ttl_ms;
  return settings;
}

class Deduplicating : public QueueTest {
 protected:
  // Whether the message came in.
  bool publish(std::string_view value, bool durable = true) {
    host.header = value;
    return host.publish(queue(), value, durable) != 0;
  }
  void ack(std::vector<std::uint64_t> seqs) { settle(1, std::move(seqs), Settlement::ack); }
  // As a checkpoint does it: all that is in the log is in segments or in the state.
  void restart_from_checkpoint() {
    run();
    Spill spill;
    queue().collect(storage::Lsn(host.last_lsn), spill);
    host.spill(queue(), spill);
    restart(host.last_lsn, state(), host.last_lsn);
  }
};

TEST_F(Deduplicating, a_value_is_kept_off_while_its_message_is_there_through_restarts) {
  make(deduplicating(0));
  EXPECT_TRUE(publish("a"));
  EXPECT_TRUE(publish("b"));
  EXPECT_EQ(host.log.size(), 2u);  // the messages say it all
  restart();
  EXPECT_FALSE(publish("a"));
  restart_from_checkpoint();
  EXPECT_FALSE(publish("a"));
  consume(1, 1);
  EXPECT_EQ(delivered(), Bodies{"a"});
  EXPECT_FALSE(publish("a"));
  ack({1});
  EXPECT_TRUE(publish("a"));
  restart_from_checkpoint();
  EXPECT_FALSE(publish("a"));
  EXPECT_FALSE(publish("b"));
}

TEST_F(Deduplicating, what_was_settled_after_the_checkpoint_is_forgotten) {
  make(deduplicating(0));
  publish("a");
  publish("b");
  publish("c");
  run();
  Spill spill;
  queue().collect(storage::Lsn(host.last_lsn), spill);
  host.spill(queue(), spill);
  Buffer kept = state();
  const std::uint64_t lsn = host.last_lsn;
  consume(1, 2);
  run();
  ack({1, 2});
  restart(lsn, std::move(kept), lsn);
  EXPECT_TRUE(publish("a"));
  EXPECT_TRUE(publish("b"));
  EXPECT_FALSE(publish("c"));
}

TEST_F(Deduplicating, a_window_outlives_its_messages_and_a_restart) {
  make(deduplicating(2));
  consume(1, 10);
  EXPECT_TRUE(publish("a"));
  EXPECT_TRUE(publish("b"));
  EXPECT_TRUE(publish("c"));  // pushes a out
  run();
  ack({1, 2, 3});
  restart();
  EXPECT_FALSE(publish("b"));
  EXPECT_FALSE(publish("c"));
  restart_from_checkpoint();
  EXPECT_FALSE(publish("b"));
  EXPECT_TRUE(publish("a"));  // pushes b out
  restart_from_checkpoint();
  EXPECT_FALSE(publish("c"));
  EXPECT_TRUE(publish("b"));
}

TEST_F(Deduplicating, a_window_ends_at_its_time_also_through_a_restart) {
  make(deduplicating(0, 100));
  publish("a");
  host.now += 60;
  publish("b");
  restart();
  host.now += 40;
  EXPECT_TRUE(publish("a"));
  EXPECT_FALSE(publish("b"));
}

TEST_F(Deduplicating, a_message_whose_value_was_cut_off_the_log_is_known) {
  make(deduplicating(5));
  publish("a");
  ASSERT_EQ(host.log.size(), 2u);
  host.log.pop_back();
  restart();
  EXPECT_FALSE(publish("a"));
}

TEST_F(Deduplicating, a_purge_forgets_for_good) {
  make(deduplicating(5));
  publish("a");
  queue().purge();
  restart();
  EXPECT_TRUE(publish("a"));
}

TEST_F(Deduplicating, a_transient_message_is_remembered_until_a_restart) {
  make(deduplicating(5));
  publish("a", false);
  publish("b");
  EXPECT_FALSE(publish("a"));
  restart_from_checkpoint();
  EXPECT_TRUE(publish("a"));
  EXPECT_FALSE(publish("b"));
}

TEST_F(Deduplicating, a_duplicate_waits_for_its_first_copy_and_what_is_remembered_of_it) {
  make(deduplicating(5));
  publish("a");
  EXPECT_EQ(host.last_pushed.value, 2u);
  EXPECT_FALSE(publish("a"));
  EXPECT_EQ(host.first_copy.value, 2u);
  EXPECT_TRUE(publish("t", false));
  EXPECT_FALSE(publish("t"));
  EXPECT_EQ(host.first_copy.value, 0u);
}

TEST_F(Deduplicating, one_that_finds_no_room_may_come_again) {
  QueueSettings settings = deduplicating(5);
  settings.max_length = 1;
  settings.overflow = Overflow::reject_publish;
  make(settings);
  EXPECT_TRUE(publish("a"));
  EXPECT_FALSE(publish("b"));
  EXPECT_EQ(host.last_admission, Queue::Admission::refuse);
  consume(1, 5);
  run();
  EXPECT_TRUE(publish("b"));
}

}  // namespace
}  // namespace millrace::broker
