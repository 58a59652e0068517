#include <gtest/gtest.h>

#include <algorithm>

#include "broker/queue/queue_test_fixture.hpp"

namespace millrace::broker {
namespace {

using test::Bodies;
using test::QueueTest;
using test::test_consumer;

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
  settings.dead_letter_exchange.emplace("dlx");
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
  settings.dead_letter_exchange.emplace("dlx");
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
  settings.dead_letter_exchange.emplace("dlx");
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

TEST_F(QueueTest, what_closed_connections_held_comes_back_in_order_however_many_close_in_a_turn) {
  make();
  for (std::uint64_t connection = 1; connection <= 4; ++connection) {
    QueueConsumer consumer = test_consumer(1, 2);
    consumer.key.connection = ConnectionId(connection);
    ASSERT_TRUE(queue().add_consumer(std::move(consumer)));
  }
  for (const char* body : {"a", "b", "c", "d", "e", "f", "g", "h"}) host.publish(queue(), body);
  run();
  ASSERT_EQ(queue().unsettled(), 8u);
  host.take_bodies();
  queue().connection_closed(ConnectionId(3));
  queue().connection_closed(ConnectionId(1));
  settle(1, {1}, Settlement::ack);  // too late
  queue().connection_closed(ConnectionId(2));
  EXPECT_EQ(queue().unsettled(), 2u);
  EXPECT_EQ(queue().ready(), 6u);
  queue().grant({ConnectionId(4), ConsumerId(1)}, 10);
  run();
  std::vector<std::uint64_t> seqs;
  for (const auto& got : host.got) seqs.push_back(got.delivery.seq);
  EXPECT_TRUE(std::is_sorted(seqs.begin(), seqs.end()));
  EXPECT_EQ(seqs.size(), 6u);
  // Those that were given out since are found too.
  queue().connection_closed(ConnectionId(4));
  EXPECT_EQ(queue().ready(), 8u);
}

TEST_F(QueueTest, reads_back_in_order_what_memory_had_no_room_for) {
  make();
  for (int i = 0; i < 10; ++i) host.publish(queue(), std::string(1, static_cast<char>('a' + i)));
  consume(1, 2);
  EXPECT_EQ(delivered(), (Bodies{"a", "b"}));
  Spill spill;
  queue().collect_oldest(1, spill);
  EXPECT_EQ(spill.items.size(), 3u);  // the oldest, and the two that are held
  Spill all;
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

TEST_F(QueueTest, shares_the_memory_of_a_message_with_the_others_of_its_shard) {
  make();
  Queue other(host, test::test_spec(), {});
  const MessageRef message = Message::create({}, as_bytes("body"));
  message->share(1);
  const auto bytes = static_cast<std::int64_t>(message->footprint());
  for (Queue* one : {&queue(), &other}) {
    one->push(message, one->take_seq(), {});
    host.run(*one);
  }
  EXPECT_EQ(queue().memory_bytes() + other.memory_bytes(), 2 * message->footprint());
  EXPECT_EQ(host.memory, bytes);
  queue().purge();
  run();
  EXPECT_EQ(host.memory, bytes);  // the other still holds it
  other.shut(false);
  EXPECT_EQ(host.memory, 0);
}

}  // namespace
}  // namespace millrace::broker
