#include <gtest/gtest.h>

#include "broker/queue/queue_test_fixture.hpp"

namespace millrace::broker {
namespace {

using test::Bodies;
using test::QueueTest;

class RankedQueueTest : public QueueTest {
 protected:
  static QueueSettings by(Scheduling order) {
    QueueSettings settings;
    settings.scheduling.order = order;
    return settings;
  }
  std::uint64_t publish(std::string_view body, std::string header = {}, std::int64_t ttl_ms = -1) {
    host.header = std::move(header);
    return host.publish(queue(), body, true, 0, ttl_ms);
  }
  // What one consumer that takes one at a time gets, everything being acknowledged at once.
  Bodies serve_all() {
    consume(1, 1);
    Bodies bodies;
    for (run(); !host.got.empty(); run()) {
      const test::FakeHost::Got got = host.got.front();
      host.got.clear();
      bodies.emplace_back(as_text(got.delivery.message->body()));
      settle(1, {got.delivery.seq}, Settlement::ack);
      queue().grant({ConnectionId(1), ConsumerId(1)}, 1);
    }
    queue().remove_consumer({ConnectionId(1), ConsumerId(1)});
    return bodies;
  }
  void publish_mixed();
  void change(QueueSettings settings) {
    queue().change_settings(std::make_shared<const QueueSettings>(std::move(settings)));
  }
};

TEST_F(RankedQueueTest, serves_the_latest_first) {
  make(by(Scheduling::lifo));
  for (const char* body : {"a", "b", "c"}) publish(body);
  EXPECT_EQ(serve_all(), (Bodies{"c", "b", "a"}));
}

TEST_F(RankedQueueTest, gives_its_memory_back_once_when_it_is_deleted) {
  make(by(Scheduling::lifo));
  for (const char* body : {"a", "b", "c"}) publish(body);
  consume(1, 1);
  run();  // one is with the consumer, two are ranked
  EXPECT_GT(host.memory, 0);
  queue().shut(false);
  EXPECT_EQ(host.memory, 0);
  EXPECT_EQ(queue().memory_bytes(), 0u);
}

TEST_F(RankedQueueTest, serves_the_shortest_job_first_and_equals_in_order) {
  make(by(Scheduling::shortest_job));
  publish("long", "x-size=900");
  publish("first short", "x-size=10.5");
  publish("middle", "x-size=100");
  publish("second short", "x-size=10.5");
  EXPECT_EQ(serve_all(), (Bodies{"first short", "second short", "middle", "long"}));
}

TEST_F(RankedQueueTest, lets_age_make_up_for_size) {
  QueueSettings settings = by(Scheduling::aged_shortest_job);
  settings.scheduling.ageing = 0.1;
  make(settings);
  publish("long", "x-size=100");  // one second of waiting makes up for it
  host.now += 999;
  publish("just in time", "x-size=0");
  host.now += 2;
  publish("too late", "x-size=0");
  EXPECT_EQ(serve_all(), (Bodies{"just in time", "long", "too late"}));
}

TEST_F(RankedQueueTest, serves_by_priority_or_by_a_header_for_it) {
  make(by(Scheduling::priority));
  host.publish(queue(), "low", true, 1);
  host.publish(queue(), "high", true, 200);
  EXPECT_EQ(serve_all(), (Bodies{"high", "low"}));
  QueueSettings settings = by(Scheduling::priority);
  settings.scheduling.header = "urgency";
  make(settings);
  publish("none");
  publish("less than none", "urgency=-1");
  publish("some", "urgency=0.5");
  EXPECT_EQ(serve_all(), (Bodies{"some", "none", "less than none"}));
}

TEST_F(RankedQueueTest, serves_what_is_due_first_and_without_deadline_last) {
  make(by(Scheduling::earliest_deadline));
  publish("whenever");
  publish("expires later", "", 5000);
  publish("soon", "x-deadline=" + std::to_string(host.now + 100));
  publish("later", "x-deadline=" + std::to_string(host.now + 9000));
  EXPECT_EQ(serve_all(), (Bodies{"soon", "expires later", "later", "whenever"}));
}

TEST_F(RankedQueueTest, serves_keys_in_turn_however_much_one_has_sent) {
  make(by(Scheduling::fair));
  for (const char* body : {"a1", "a2", "a3", "a4"}) publish(body, "x-key=a");
  for (const char* body : {"b1", "b2"}) publish(body, "x-key=b");
  EXPECT_EQ(serve_all(), (Bodies{"a1", "b1", "a2", "b2", "a3", "a4"}));
  // Who has been idle has saved nothing up, and owes nothing.
  publish("a5", "x-key=a");
  publish("c1", "x-key=c");
  publish("a6", "x-key=a");
  publish("c2", "x-key=c");
  EXPECT_EQ(serve_all(), (Bodies{"a5", "c1", "a6", "c2"}));
}

TEST_F(RankedQueueTest, serves_keys_by_weight) {
  QueueSettings settings = by(Scheduling::fair);
  settings.scheduling.weights = {{"gold", 3}};
  make(settings);
  for (int i = 0; i < 8; ++i) publish("gold", "x-key=gold");
  for (int i = 0; i < 8; ++i) publish("tin", "x-key=tin");
  const Bodies served = serve_all();
  EXPECT_EQ(std::count(served.begin(), served.begin() + 8, "gold"), 6);
}

TEST_F(RankedQueueTest, counts_a_key_by_its_work_if_asked_to) {
  QueueSettings settings = by(Scheduling::fair);
  settings.scheduling.cost_is_size = true;
  make(settings);
  for (int i = 0; i < 3; ++i) publish("long", "x-key=a x-size=100");
  for (int i = 0; i < 4; ++i) publish("short", "x-key=b x-size=40");
  EXPECT_EQ(serve_all(), (Bodies{"long", "short", "short", "short", "long", "short", "long"}));
}

TEST_F(RankedQueueTest, learns_how_long_each_kind_of_work_takes) {
  make(by(Scheduling::shortest_job));
  consume(1, 1);
  for (const auto& [task, ms] : {std::pair("slow", 300), std::pair("quick", 10)}) {
    publish(task, std::string("task=") + task);
    run();
    ASSERT_EQ(host.got.size(), 1u);
    host.now += ms;
    settle(1, {host.got.front().delivery.seq}, Settlement::ack);
    host.got.clear();
    queue().grant({ConnectionId(1), ConsumerId(1)}, 1);
  }
  queue().remove_consumer({ConnectionId(1), ConsumerId(1)});
  publish("slow", "task=slow");
  publish("quick", "task=quick");
  publish("given", "task=slow x-size=1");
  publish("unknown", "task=other");  // what all take on average
  EXPECT_EQ(serve_all(), (Bodies{"given", "quick", "unknown", "slow"}));
}

TEST_F(RankedQueueTest, puts_what_comes_back_where_it_was) {
  make(by(Scheduling::shortest_job));
  consume(1, 1);
  const std::uint64_t middle = publish("middle", "x-size=5");
  EXPECT_EQ(delivered(), (Bodies{"middle"}));
  publish("short", "x-size=1");
  publish("long", "x-size=9");
  settle(1, {middle}, Settlement::requeue);
  queue().grant({ConnectionId(1), ConsumerId(1)}, 2);
  EXPECT_EQ(delivered(), (Bodies{"short", "middle"}));
}

TEST_F(RankedQueueTest, delivers_nothing_before_it_is_durable_and_is_not_held_up_by_it) {
  make(by(Scheduling::lifo));
  publish("a");
  run();
  publish("b");
  consume(1, 1);
  queue().pump();  // b is not durable yet
  EXPECT_EQ(host.take_bodies(), (Bodies{"a"}));
}

TEST_F(RankedQueueTest, drops_what_would_be_served_last_when_it_is_too_long) {
  QueueSettings settings = by(Scheduling::shortest_job);
  settings.max_length = 2;
  make(settings);
  const std::uint64_t longest = publish("long", "x-size=9");
  publish("short", "x-size=1");
  publish("middle", "x-size=5");
  run();
  ASSERT_EQ(queue().ready(), 2u);
  EXPECT_EQ(serve_all(), (Bodies{"short", "middle"}));
  EXPECT_EQ(host.log.back().kind, test::LogEntry::Kind::settle);
  EXPECT_GT(longest, 0u);
}

TEST_F(RankedQueueTest, drops_what_expires_wherever_it_is) {
  make(by(Scheduling::shortest_job));
  publish("first", "x-size=1");
  publish("goes", "x-size=5", 100);
  publish("last", "x-size=9");
  run();
  EXPECT_EQ(queue().deadline_ms, host.now + 100);
  host.now += 100;
  queue().on_deadline();
  EXPECT_EQ(serve_all(), (Bodies{"first", "last"}));
}

TEST_F(RankedQueueTest, ranks_anew_what_is_queued_when_the_order_changes) {
  make();
  for (int i = 0; i < 300; ++i) publish(std::to_string(i), "x-size=" + std::to_string(1000 - i));
  run();
  change(by(Scheduling::shortest_job));
  queue().pump();
  EXPECT_TRUE(queue().dirty);  // a step at a time
  run();
  consume(1, 1);
  EXPECT_EQ(delivered(), (Bodies{"299"}));
  change(by(Scheduling::lifo));
  publish("latest", "x-size=5000");
  run();
  queue().grant({ConnectionId(1), ConsumerId(1)}, 2);
  EXPECT_EQ(delivered(), (Bodies{"latest", "298"}));
  change({});
  run();
  queue().grant({ConnectionId(1), ConsumerId(1)}, 2);
  EXPECT_EQ(delivered(), (Bodies{"0", "1"}));
  publish("newest");
  queue().grant({ConnectionId(1), ConsumerId(1)}, 1000);
  const Bodies rest = delivered();
  ASSERT_EQ(rest.size(), 297u);
  EXPECT_EQ(rest.front(), "2");
  EXPECT_EQ(rest.back(), "newest");
  EXPECT_EQ(queue().ready(), 0u);
}

// More messages than are ranked at once, of mixed ranks; some have been with a consumer meanwhile.
void RankedQueueTest::publish_mixed() {
  for (int i = 0; i < 150; ++i) {
    const std::string mixed = std::to_string(i * 7 % 150);
    publish(std::to_string(i), (i % 3 == 0 ? "task=t" + mixed : "x-size=" + mixed) + " x-deadline=" + mixed +
                                   "000 x-key=" + mixed[0]);
    if (i != 20) continue;
    consume(1, 5);
    run();
    queue().connection_closed(ConnectionId(1));
    host.got.clear();
  }
  run();
}

constexpr Scheduling kRankedOrders[] = {Scheduling::lifo,
                                        Scheduling::priority,
                                        Scheduling::shortest_job,
                                        Scheduling::aged_shortest_job,
                                        Scheduling::earliest_deadline,
                                        Scheduling::fair};

TEST_F(RankedQueueTest, serves_in_the_same_order_after_a_restart) {
  for (const Scheduling order : kRankedOrders) {
    host.log.clear();
    make(by(order));
    publish_mixed();
    const std::vector<test::LogEntry> log = host.log;
    const Bodies expected = serve_all();
    host.log = log;
    restart();
    EXPECT_EQ(serve_all(), expected) << to_string(order);
  }
}

TEST_F(RankedQueueTest, serves_in_the_same_order_from_a_checkpoint) {
  for (const Scheduling order : kRankedOrders) {
    host.log.clear();
    make(by(order));
    publish_mixed();
    Spill spill;
    queue().collect(storage::Lsn(host.last_lsn), spill);
    host.spill(queue(), spill);
    const std::uint64_t through = host.last_lsn;
    Buffer at_checkpoint = state();
    const Bodies expected = serve_all();
    host.log.clear();
    restart(through, std::move(at_checkpoint), through);
    EXPECT_EQ(serve_all(), expected) << to_string(order);
  }
}

TEST_F(RankedQueueTest, ranks_by_a_policy_that_comes_behind_the_restart) {
  make(by(Scheduling::fair));
  publish_mixed();
  const QueueSettings fair = queue().settings();
  const std::vector<test::LogEntry> log = host.log;
  const Bodies expected = serve_all();
  queue_ = std::make_unique<Queue>(host, test::test_spec(), QueueSettings{});
  queue_->recover(test::FakeHost::replay({}, log, 0, 0));
  change(fair);
  EXPECT_EQ(serve_all(), expected);
}

class ParkingTest : public RankedQueueTest {
 protected:
  // Bodies of `bytes`, sizes in mixed order; all but a few are on disk alone then.
  void fill(Scheduling order, int count, std::size_t bytes = 10) {
    host.limits.max_messages = 16;
    host.limits.min_fetch = 2;
    host.limits.max_fetch = 8;
    make(by(order));
    for (int i = 0; i < count; ++i) {
      publish(std::to_string(i) + std::string(bytes, ' '), "x-size=" + std::to_string(i * 7 % count));
      if (i % 8 == 7) run();
    }
    run();
  }
  // 40 messages that are to wait for another try when they come back; nothing is stored any more then.
  QueueSettings park_with_retries(Scheduling order) {
    QueueSettings settings = by(order);
    settings.quorum = true;
    settings.delayed_retry = DelayedRetry::all;
    settings.delayed_retry_min_ms = settings.delayed_retry_max_ms = 1000;
    host.limits.max_messages = 4;
    make(settings);
    for (int i = 0; i < 40; ++i) publish("kept", "x-size=2");
    run();
    host.may_store = false;
    return settings;
  }
};

TEST_F(ParkingTest, holds_in_memory_what_is_served_next_and_fetches_the_rest_in_time) {
  fill(Scheduling::shortest_job, 500, 3000);
  EXPECT_EQ(queue().ready(), 500u);
  EXPECT_LT(queue().memory_bytes(), 30u * 3500);
  EXPECT_NE(queue().oldest_ms(), 0);
  consume(1, 10);
  const Bodies first = delivered();
  ASSERT_EQ(first.size(), 10u);
  for (std::size_t i = 0; i < first.size(); ++i) EXPECT_EQ(std::stoul(first[i]) * 7 % 500, i);
  const int reads = host.reads;
  queue().grant({ConnectionId(1), ConsumerId(1)}, 490);
  EXPECT_EQ(delivered().size(), 490u);
  EXPECT_GT(host.reads, reads);
  EXPECT_LT(queue().memory_bytes(), 600u * 3500);
}

TEST_F(ParkingTest, reads_one_message_without_those_before_it) {
  fill(Scheduling::shortest_job, 500, 3000);
  host.bytes_read = 0;
  consume(1, 1);
  delivered();
  settle(1, {1}, Settlement::ack);
  EXPECT_LT(host.bytes_read, 200'000u);  // of one and a half million
}

TEST_F(ParkingTest, does_not_serve_what_cannot_be_read_and_tries_it_again_after_a_restart) {
  fill(Scheduling::shortest_job, 40);
  host.failing_reads = 1000;
  consume(1, 1000);
  for (int tries = 0; tries < 100; ++tries) {
    run();
    host.now += 10'000;
  }
  const std::size_t served = host.got.size();
  EXPECT_LT(served, 40u);
  EXPECT_EQ(host.aside, 40u - served);
  EXPECT_EQ(queue().ready(), 0u);
  host.failing_reads = 0;
  restart(0, state(), host.last_lsn);
  EXPECT_EQ(queue().ready(), 40u);  // what the consumer holds comes back, too
  EXPECT_EQ(serve_all().size(), 40u);
}

TEST_F(ParkingTest, says_so_when_it_cannot_park_and_goes_on) {
  host.files->set_capacity(4096);
  fill(Scheduling::shortest_job, 100);
  EXPECT_GT(host.not_parked, 0);
  host.files->set_capacity(1u << 30);
  host.now += 1000;
  EXPECT_EQ(serve_all().size(), 100u);
}

TEST_F(ParkingTest, gives_memory_back_when_the_shard_needs_it) {
  host.limits.least_messages = 5;
  host.limits.least_bytes = 1000;
  make(by(Scheduling::lifo));
  for (int i = 0; i < 200; ++i) publish(std::string(1000, 'x'));
  run();
  const std::uint64_t before = queue().memory_bytes();
  Spill spill;
  queue().collect_oldest(before / 2, spill);
  host.spill(queue(), spill);
  run();
  EXPECT_LE(queue().memory_bytes(), before / 2);
  EXPECT_GT(queue().memory_bytes(), before / 4);
  EXPECT_EQ(static_cast<std::uint64_t>(host.memory), queue().memory_bytes());
  EXPECT_EQ(serve_all().size(), 200u);
}

TEST_F(ParkingTest, parks_what_is_stored_from_among_what_is_not_and_stores_only_what_is_worth_a_segment) {
  host.limits.least_messages = 5;
  host.limits.least_bytes = 1000;
  host.limits.store_bytes = 1'000'000;
  make(by(Scheduling::shortest_job));
  for (int i = 0; i < 200; ++i) publish(std::string(1000, 'x'), "x-size=" + std::to_string(i));
  run();
  Spill spill;
  queue().collect(storage::Lsn(host.last_lsn), spill);
  host.spill(queue(), spill);
  const std::uint64_t stored = queue().memory_bytes();
  for (int i = 0; i < 50; ++i) publish(std::string(1000, 'x'), "x-size=1000");
  run();
  spill.items.clear();
  queue().collect_oldest(stored, spill);
  EXPECT_EQ(spill.items.size(), 0u);
  run();
  EXPECT_LT(queue().memory_bytes(), stored / 3);
  EXPECT_EQ(host.next_segment, 3u);  // when they were most of what there was
  EXPECT_EQ(serve_all().size(), 250u);
}

// What waits for another try goes to the segment, and with it what is read behind it.
TEST_F(ParkingTest, does_not_serve_again_what_was_settled_while_it_was_written) {
  QueueSettings settings = park_with_retries(Scheduling::lifo);
  const std::uint64_t retried = publish("kept", "x-size=2");
  consume(1, 1);
  EXPECT_EQ(delivered().size(), 1u);
  settle(1, {retried}, Settlement::requeue);
  const std::uint64_t served = publish("served", "x-size=1");
  run();
  host.failing_reads = 1;
  settings.scheduling.order = Scheduling::shortest_job;
  change(settings);  // what was parked is to be read again
  queue().grant({ConnectionId(1), ConsumerId(1)}, 1);
  EXPECT_EQ(delivered(), (Bodies{"served"}));
  Spill spill;
  queue().collect(storage::Lsn(host.last_lsn), spill);
  const auto runs = host.write(spill);
  settle(1, {served}, Settlement::ack);
  for (const storage::SegmentRun& written : runs) queue().spilled(written);
  host.now += 5000;
  queue().grant({ConnectionId(1), ConsumerId(1)}, 1000);
  EXPECT_EQ(delivered(), Bodies(41, "kept"));
}

// A restart drops the message, and must not wait for its next try then.
TEST_F(ParkingTest, forgets_the_retry_of_a_transient_message_that_a_restart_drops) {
  QueueSettings settings = park_with_retries(Scheduling::shortest_job);
  host.header = "x-size=1";
  const std::uint64_t transient = host.publish(queue(), "dropped", false);
  consume(1, 1);
  EXPECT_EQ(delivered(), (Bodies{"dropped"}));
  settle(1, {transient}, Settlement::requeue);
  run();
  settings.scheduling.order = Scheduling::lifo;
  change(settings);
  publish("kept");
  Spill spill;
  queue().collect(storage::Lsn(host.last_lsn), spill);
  host.spill(queue(), spill);  // while what was parked is read again: it leaves memory
  restart(host.last_lsn, state(), host.last_lsn);
  EXPECT_EQ(queue().ready(), 41u);
  EXPECT_EQ(queue().waiting(), 0u);
  EXPECT_EQ(serve_all().size(), 41u);
}

TEST_F(RankedQueueTest, forgets_everything_when_purged) {
  make(by(Scheduling::shortest_job));
  consume(1, 1);
  const std::uint64_t held = publish("held", "x-size=1");
  run();
  for (int i = 0; i < 100; ++i) publish("gone", "x-size=2");
  run();
  EXPECT_EQ(queue().purge(), 100u);
  EXPECT_EQ(queue().ready(), 0u);
  settle(1, {held}, Settlement::requeue);
  queue().remove_consumer({ConnectionId(1), ConsumerId(1)});
  host.got.clear();
  publish("next", "x-size=0");
  EXPECT_EQ(serve_all(), (Bodies{"next", "held"}));
  EXPECT_EQ(queue().memory_bytes(), 0u);
  EXPECT_EQ(host.memory, 0);
}

}  // namespace
}  // namespace millrace::broker
