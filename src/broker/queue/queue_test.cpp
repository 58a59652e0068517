#include <gtest/gtest.h>

#include <algorithm>

#include "base/prng.hpp"
#include "broker/queue/queue_test_host.hpp"
#include "simulation/seeds.hpp"

namespace millrace::broker {
namespace {

using test::FakeHost;
using test::test_consumer;
using test::test_spec;
using Bodies = std::vector<std::string>;

class QueueTest : public ::testing::Test {
 protected:
  Queue& make(QueueSettings settings = {}, QueueSpec spec = test_spec()) {
    queue_ = std::make_unique<Queue>(host, std::move(spec), std::move(settings));
    return *queue_;
  }
  Queue& queue() { return *queue_; }
  void run() { host.run(*queue_); }
  Bodies delivered() {
    run();
    return host.take_bodies();
  }
  void consume(std::uint64_t id, std::uint64_t credit, std::int64_t priority = 0) {
    ASSERT_TRUE(queue_->add_consumer(test_consumer(id, credit, priority)));
  }
  void settle(std::uint64_t consumer, std::vector<std::uint64_t> seqs, Settlement how) {
    queue_->settle({ConnectionId(1), ConsumerId(consumer)}, seqs, how);
  }
  // Another process: all that is left is the state and the log.
  void restart(std::uint64_t log_from = 0, std::optional<Buffer> state = {}, std::uint64_t state_lsn = 0) {
    RecoveredQueue recovered;
    if (state) {
      Reader in(state->view());
      recovered = Queue::read_state(in);
      ASSERT_FALSE(in.failed());
    }
    const QueueSettings settings = queue_->settings();
    queue_ = std::make_unique<Queue>(host, test_spec(), settings);
    queue_->recover(FakeHost::replay(std::move(recovered), host.log, log_from, state_lsn));
    host.got.clear();
  }
  FakeHost host;
  std::unique_ptr<Queue> queue_;
};

TEST_F(QueueTest, serves_in_order_and_nothing_before_it_is_durable) {
  make();
  consume(1, 10);
  for (const char* body : {"a", "b", "c"}) host.publish(queue(), body);
  queue().pump();
  EXPECT_TRUE(host.got.empty());
  EXPECT_EQ(delivered(), (Bodies{"a", "b", "c"}));
  EXPECT_EQ(queue().unsettled(), 3u);
}

TEST_F(QueueTest, serves_higher_levels_first) {
  QueueSettings settings;
  settings.max_priority = 2;
  make(settings);
  host.publish(queue(), "low", true, 0);
  host.publish(queue(), "high", true, 2);
  host.publish(queue(), "above all", true, 9);
  host.publish(queue(), "middle", true, 1);
  consume(1, 10);
  EXPECT_EQ(delivered(), (Bodies{"high", "above all", "middle", "low"}));
}

TEST_F(QueueTest, never_sends_more_than_credit_and_takes_turns) {
  make();
  consume(1, 2);
  consume(2, 1);
  for (const char* body : {"a", "b", "c", "d"}) host.publish(queue(), body);
  run();
  ASSERT_EQ(host.got.size(), 3u);
  EXPECT_EQ(host.got[0].consumer, 1u);
  EXPECT_EQ(host.got[1].consumer, 2u);
  EXPECT_EQ(host.got[2].consumer, 1u);
  queue().grant({ConnectionId(1), ConsumerId(2)}, 1);
  run();
  ASSERT_EQ(host.got.size(), 4u);
  EXPECT_EQ(host.got[3].consumer, 2u);
}

TEST_F(QueueTest, prefers_consumers_of_higher_priority_while_they_have_credit) {
  make();
  consume(1, 5, 0);
  consume(2, 2, 10);
  for (const char* body : {"a", "b", "c"}) host.publish(queue(), body);
  run();
  EXPECT_EQ(host.got[0].consumer, 2u);
  EXPECT_EQ(host.got[1].consumer, 2u);
  EXPECT_EQ(host.got[2].consumer, 1u);
}

TEST_F(QueueTest, has_one_active_consumer_and_the_next_when_it_goes) {
  QueueSettings settings;
  settings.single_active_consumer = true;
  make(settings);
  consume(1, 1);
  consume(2, 5);
  host.publish(queue(), "a");
  host.publish(queue(), "b");
  EXPECT_EQ(delivered(), (Bodies{"a"}));
  queue().remove_consumer({ConnectionId(1), ConsumerId(1)});
  EXPECT_EQ(delivered(), (Bodies{"b"}));
}

TEST_F(QueueTest, drops_what_expires_at_the_head_only) {
  make();
  host.publish(queue(), "stays", true, 0, -1);
  host.publish(queue(), "goes", true, 0, 100);
  run();
  host.now += 200;
  run();
  EXPECT_EQ(queue().ready(), 2u);
  consume(1, 1);
  EXPECT_EQ(delivered(), (Bodies{"stays"}));
  EXPECT_EQ(queue().ready(), 0u);
}

TEST_F(QueueTest, gives_what_expires_at_once_to_a_consumer_that_waits) {
  make();
  consume(1, 1);
  host.publish(queue(), "in time", true, 0, 0);
  host.publish(queue(), "too late", true, 0, 0);
  EXPECT_EQ(delivered(), (Bodies{"in time"}));
  EXPECT_EQ(queue().ready(), 0u);
}

TEST_F(QueueTest, drops_from_the_head_above_its_length) {
  QueueSettings settings;
  settings.max_length = 2;
  settings.dead_letter_exchange = "dlx";
  make(settings);
  for (const char* body : {"a", "b", "c"}) host.publish(queue(), body);
  run();
  ASSERT_EQ(host.dead.size(), 1u);
  EXPECT_EQ(host.dead[0], std::pair(std::uint64_t{1}, DeathReason::maxlen));
  consume(1, 5);
  EXPECT_EQ(delivered(), (Bodies{"b", "c"}));
}

TEST_F(QueueTest, refuses_above_its_length_when_told_so) {
  QueueSettings settings;
  settings.max_length = 1;
  settings.overflow = Overflow::reject_publish;
  make(settings);
  host.publish(queue(), "a");
  host.publish(queue(), "b");
  EXPECT_EQ(host.last_admission, Queue::Admission::refuse);
  EXPECT_EQ(queue().ready(), 1u);
}

TEST_F(QueueTest, lets_a_message_die_that_was_delivered_too_often) {
  QueueSettings settings;
  settings.quorum = true;
  settings.delivery_limit = 1;
  settings.dead_letter_exchange = "dlx";
  make(settings);
  consume(1, 5);
  const std::uint64_t seq = host.publish(queue(), "a");
  run();
  settle(1, {seq}, Settlement::requeue_failed);
  run();
  ASSERT_EQ(host.got.size(), 2u);
  EXPECT_EQ(host.got[1].delivery.delivery_count, 1u);
  EXPECT_TRUE(host.got[1].delivery.redelivered);
  settle(1, {seq}, Settlement::requeue_failed);
  ASSERT_EQ(host.dead.size(), 1u);
  EXPECT_EQ(host.dead[0].second, DeathReason::delivery_limit);
}

TEST_F(QueueTest, holds_back_what_is_to_be_tried_later) {
  QueueSettings settings;
  settings.quorum = true;
  settings.delayed_retry = DelayedRetry::all;
  settings.delayed_retry_min_ms = 100;
  make(settings);
  consume(1, 5);
  const std::uint64_t seq = host.publish(queue(), "a");
  EXPECT_EQ(delivered(), (Bodies{"a"}));
  settle(1, {seq}, Settlement::requeue);
  host.now += 99;
  EXPECT_EQ(delivered(), Bodies{});
  EXPECT_EQ(queue().deadline_ms, host.now + 1);
  host.now += 1;
  EXPECT_EQ(delivered(), (Bodies{"a"}));
}

TEST_F(QueueTest, puts_back_where_it_was) {
  make();
  consume(1, 3);
  for (const char* body : {"a", "b", "c", "d"}) host.publish(queue(), body);
  run();
  host.got.clear();
  settle(1, {3}, Settlement::requeue);
  settle(1, {1}, Settlement::requeue);
  settle(1, {2}, Settlement::requeue);
  queue().grant({ConnectionId(1), ConsumerId(1)}, 4);
  EXPECT_EQ(delivered(), (Bodies{"a", "b", "c", "d"}));
}

TEST_F(QueueTest, a_purge_leaves_what_consumers_hold) {
  make();
  consume(1, 1);
  for (const char* body : {"a", "b", "c"}) host.publish(queue(), body);
  run();
  EXPECT_EQ(queue().purge(), 2u);
  EXPECT_EQ(queue().unsettled(), 1u);
  restart();
  consume(1, 5);
  EXPECT_EQ(delivered(), (Bodies{"a"}));
}

TEST_F(QueueTest, settles_the_original_when_its_dead_letter_has_arrived) {
  QueueSettings settings;
  settings.dead_letter_exchange = "dlx";
  make(settings);
  host.settle_dead_at_once = false;
  consume(1, 1);
  const std::uint64_t seq = host.publish(queue(), "a");
  run();
  settle(1, {seq}, Settlement::reject);
  EXPECT_EQ(host.log.size(), 1u);
  queue().finish_transfer(seq);
  ASSERT_EQ(host.log.size(), 2u);
  EXPECT_EQ(host.log[1].kind, test::LogEntry::Kind::settle);
}

TEST_F(QueueTest, reads_back_in_order_what_memory_had_no_room_for) {
  make();
  for (int i = 0; i < 10; ++i) host.publish(queue(), std::string(1, static_cast<char>('a' + i)));
  consume(1, 2);
  EXPECT_EQ(delivered(), (Bodies{"a", "b"}));
  Queue::Spill spill;
  queue().collect_oldest(1, spill);
  EXPECT_EQ(spill.items.size(), 3u);  // the oldest, and the two that are held
  Queue::Spill all;
  queue().collect_oldest(UINT64_MAX, all);
  settle(1, {1}, Settlement::ack);
  host.spill(queue(), all);
  host.publish(queue(), "k");
  host.piece_bytes = 100;
  queue().grant({ConnectionId(1), ConsumerId(1)}, 20);
  settle(1, {2}, Settlement::requeue);
  EXPECT_EQ(delivered(), (Bodies{"b", "c", "d", "e", "f", "g", "h", "i", "j", "k"}));
  EXPECT_TRUE(host.released.empty());
  settle(1, {2, 3, 4, 5, 6, 7, 8, 9, 10}, Settlement::ack);
  EXPECT_EQ(host.released.size(), 1u);
}

class Reading : public QueueTest {
 protected:
  // Three durable messages in segment 1, of three items of the same length, and one behind them in memory.
  void make_stored(QueueSettings settings = {}) {
    make(std::move(settings));
    for (const char* body : {"a", "b", "c"}) host.publish(queue(), body);
    run();
    Queue::Spill spill;
    queue().collect_oldest(UINT64_MAX, spill);
    host.spill(queue(), spill);
    host.publish(queue(), "d");
    run();
  }
  char& byte_of(std::size_t item, std::size_t at) {
    std::string& file = host.segments[1];
    return file[4 + item * (file.size() - 4) / 3 + at];
  }
  Buffer state() {
    Buffer out;
    queue().put_state(out);
    return out;
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
  Queue::Spill spill;
  queue().collect_oldest(UINT64_MAX, spill);
  host.spill(queue(), spill);
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
  Queue::Spill spill;
  queue().collect_oldest(UINT64_MAX, spill);
  host.spill(queue(), spill);
  queue().purge();
  host.durable_lsn = host.last_lsn;
  Buffer state;
  queue().put_state(state);
  restart(host.last_lsn, std::move(state), host.last_lsn);
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
  Queue::Spill spill;
  queue().collect_oldest(UINT64_MAX, spill);
  host.spill(queue(), spill);
  Buffer state;
  queue().put_state(state);
  const std::uint64_t state_lsn = host.last_lsn;
  consume(1, 1);
  EXPECT_EQ(delivered(), (Bodies{"a"}));
  queue().purge();
  restart(state_lsn, std::move(state), state_lsn);
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
  Queue::Spill spill;
  queue().collect_oldest(UINT64_MAX, spill);
  ASSERT_EQ(spill.items.size(), 3u);
  EXPECT_EQ(spill.items.front().seq, 1u);
}

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
  Queue::Spill spill;
  queue().collect(storage::Lsn(host.last_lsn), spill);
  ASSERT_EQ(spill.items.size(), 3u);
  host.spill(queue(), spill);
  Buffer state;
  queue().put_state(state);
  restart(host.last_lsn, std::move(state), host.last_lsn);
  EXPECT_EQ(queue().ready(), 2u);
  state.clear();
  queue().put_state(state);  // once more, before it was read back
  restart(host.last_lsn, std::move(state), host.last_lsn);
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
  Queue::Spill spill;
  queue().collect(storage::Lsn(host.last_lsn), spill);
  host.spill(queue(), spill);
  Buffer state;
  queue().put_state(state);
  restart(host.last_lsn, std::move(state), host.last_lsn);
  run();
  EXPECT_EQ(queue().ready(), 0u);
  EXPECT_EQ(queue().deadline_ms, host.now + 100);
  host.now += 100;
  run();
  EXPECT_EQ(queue().ready(), 1u);
  consume(1, 1);
  EXPECT_EQ(delivered(), Bodies{"a"});
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
    Queue::Spill spill;
    queue().collect(storage::Lsn(host.last_lsn), spill);
    host.spill(queue(), spill);
    Buffer state;
    queue().put_state(state);
    restart(host.last_lsn, std::move(state), host.last_lsn);
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
  Queue::Spill spill;
  queue().collect(storage::Lsn(host.last_lsn), spill);
  host.spill(queue(), spill);
  Buffer state;
  queue().put_state(state);
  const std::uint64_t lsn = host.last_lsn;
  consume(1, 2);
  run();
  ack({1, 2});
  restart(lsn, std::move(state), lsn);
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

// Each message is in exactly one place, and all is as a plain list has it, across spills, checkpoints and
// restarts.
class ModelRun {
 public:
  explicit ModelRun(std::uint64_t seed) : luck_(seed) {
    settings_.max_priority = luck_.one_in(2) ? 0 : 2;
    settings_.quorum = luck_.one_in(2);
    settings_.dead_letter_exchange = "dlx";
    if (settings_.quorum && luck_.one_in(2)) settings_.delayed_retry = DelayedRetry::all;
    settings_.delayed_retry_min_ms = settings_.delayed_retry_max_ms = kRetryMs;
    host_.piece_bytes = luck_.one_in(2) ? 250 : SIZE_MAX;
    make({});
  }

  void step() {
    switch (luck_.below(17)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
        publish();
        break;
      case 5:
      case 6:
        queue_->grant({ConnectionId(1), ConsumerId(1)}, 1 + luck_.below(3));
        break;
      case 7:
      case 8:
      case 9:
        settle();
        break;
      case 10:
        move(luck_.one_in(2));
        break;
      case 11:
        checkpoint();
        break;
      case 12:
        if (luck_.one_in(4) && waiting_.empty()) purge();
        break;
      case 14:
        host_.now += static_cast<std::int64_t>(luck_.below(kRetryMs));
        break;
      case 13:
        if (luck_.one_in(2)) restart();
        break;
      default:
        run();
    }
  }

  void finish() {
    host_.now += kRetryMs;
    run();
    queue_->grant({ConnectionId(1), ConsumerId(1)}, 1'000'000);
    run();
    EXPECT_TRUE(ready_.empty()) << ready_.size() << " messages are never served";
    EXPECT_EQ(queue_->ready(), 0u);
    EXPECT_EQ(host_.aside, 0u);
  }

 private:
  static constexpr std::int64_t kRetryMs = 100;
  struct Known {
    std::string body;
    std::uint8_t lane = 0;
    bool durable = false;
    std::uint32_t deliveries = 0;
    std::int64_t due_ms = 0;
  };

  void make(RecoveredQueue&& recovered) {
    queue_ = std::make_unique<Queue>(host_, test_spec(), settings_);
    queue_->recover(std::move(recovered));
    ASSERT_TRUE(queue_->add_consumer(test_consumer(1, luck_.below(4))));
  }

  void publish() {
    const auto priority = static_cast<std::uint8_t>(luck_.below(4));
    const std::string body = std::to_string(++serial_) + std::string(luck_.below(80), 'x');
    const bool durable = !luck_.one_in(4);
    const std::uint64_t seq = host_.publish(*queue_, body, durable, priority);
    ready_[seq] = {body, std::min(priority, settings_.max_priority), durable, 0, 0};
  }

  // What arrived must be the next of the list.
  void run() {
    host_.run(*queue_);
    std::erase_if(waiting_, [this](const auto& item) {
      if (item.second.due_ms <= host_.now) ready_.insert(item);
      return item.second.due_ms <= host_.now;
    });
    for (const FakeHost::Got& got : host_.got) {
      const auto next = std::max_element(ready_.begin(), ready_.end(), [](const auto& a, const auto& b) {
        return std::pair(a.second.lane, ~a.first) < std::pair(b.second.lane, ~b.first);
      });
      ASSERT_NE(next, ready_.end()) << "there is nothing to deliver, but " << got.delivery.seq << " came";
      ASSERT_EQ(got.delivery.seq, next->first);
      ASSERT_EQ(as_text(got.delivery.message->body()), next->second.body);
      EXPECT_EQ(got.delivery.delivery_count, next->second.deliveries);
      held_.insert(*next);
      ready_.erase(next);
    }
    host_.got.clear();
    ASSERT_EQ(queue_->ready(), ready_.size());
    ASSERT_EQ(queue_->unsettled(), held_.size());
  }

  void settle() {
    run();
    if (held_.empty()) return;
    auto it = held_.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(luck_.below(held_.size())));
    static constexpr Settlement kWays[] = {Settlement::ack, Settlement::reject, Settlement::requeue,
                                           Settlement::requeue_failed};
    const Settlement how = kWays[luck_.below(4)];
    const std::uint64_t seq = it->first;
    queue_->settle({ConnectionId(1), ConsumerId(1)}, {&seq, 1}, how);
    if (how == Settlement::requeue || how == Settlement::requeue_failed) {
      if (how == Settlement::requeue_failed && settings_.quorum) ++it->second.deliveries;
      it->second.due_ms = host_.now + kRetryMs;
      (settings_.delayed_retry == DelayedRetry::all ? waiting_ : ready_).insert(*it);
    }
    held_.erase(it);
  }

  // To a segment, with something happening before the queue hears of it.
  void move(bool oldest) {
    run();
    Queue::Spill spill;
    if (oldest) {
      queue_->collect_oldest(luck_.below(2000), spill);
    } else {
      queue_->collect(storage::Lsn(luck_.below(host_.durable_lsn + 1)), spill);
    }
    const auto runs = host_.write(spill);
    for (std::uint64_t deeds = luck_.below(4); deeds != 0; --deeds) luck_.one_in(2) ? settle() : publish();
    if (luck_.one_in(10) && waiting_.empty()) purge();
    for (const storage::SegmentRun& run : runs) queue_->spilled(run);
  }

  void checkpoint() {
    run();
    const std::uint64_t through = host_.durable_lsn;
    Queue::Spill spill;
    queue_->collect(storage::Lsn(through), spill);
    const auto runs = host_.write(spill);
    for (std::uint64_t deeds = luck_.below(4); deeds != 0; --deeds) luck_.one_in(2) ? settle() : publish();
    for (const storage::SegmentRun& run : runs) queue_->spilled(run);
    if (luck_.one_in(3)) move(true);
    state_.clear();
    queue_->put_state(state_);
    through_ = through;
    state_lsn_ = host_.last_lsn;
  }

  void purge() {
    queue_->purge();
    ready_.clear();
  }

  // The state of the last checkpoint, and the log from where it began.
  RecoveredQueue recovered() const {
    RecoveredQueue queue;
    if (!state_.view().empty()) {
      Reader in(state_.view());
      queue = Queue::read_state(in);
      EXPECT_FALSE(in.failed());
    }
    return FakeHost::replay(std::move(queue), host_.log, through_, state_lsn_);
  }

  void restart() {
    run();
    // What was held is ready again, and what was transient is gone.
    for (const auto& item : held_) ready_.insert(item);
    held_.clear();
    for (auto* known : {&ready_, &waiting_}) {
      std::erase_if(*known, [](const auto& item) { return !item.second.durable; });
    }
    make(recovered());
    host_.pending.clear();
    EXPECT_EQ(queue_->ready(), ready_.size());
    run();
  }

  Prng luck_;
  QueueSettings settings_;
  FakeHost host_;
  std::unique_ptr<Queue> queue_;
  std::map<std::uint64_t, Known> ready_, held_, waiting_;
  Buffer state_;
  std::uint64_t through_ = 0;
  std::uint64_t state_lsn_ = 0;
  std::uint64_t serial_ = 0;
};

TEST(QueueModel, each_message_is_in_one_place_across_spills_and_restarts) {
  simulation::for_each_seed(2000, [](std::uint64_t seed) {
    ModelRun model(seed);
    for (int steps = 0; steps < 120 && !::testing::Test::HasFatalFailure(); ++steps) model.step();
    if (!::testing::Test::HasFailure()) model.finish();
  });
}

}  // namespace
}  // namespace millrace::broker
