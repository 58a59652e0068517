// What wakes a client's I/O thread, and what waits for it.
#include "client/src/inbox.hpp"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <utility>

namespace millrace::client {
namespace {

using namespace std::chrono_literals;

// Of a channel on which so many settlements may wait for each other.
Settlement settlement(std::uint16_t together) {
  Settlement one;
  one.together = together;
  return one;
}

// The I/O thread of a client whose connection is fine.
struct Drained {
  boost::asio::io_context context;
  std::size_t settlements = 0;
  std::size_t publishes = 0;
  std::size_t under_way = 0;
  Inbox inbox{context, [this] { drain(); }};

  void drain() {
    Inbox::Batch& batch = inbox.take();
    settlements += batch.settlements.size();
    publishes += batch.publishes.size();
    inbox.finish(under_way, true);
  }
  // Puts settlements until one of them is held, as the next one is after another a moment ago.
  void hold_one(std::uint16_t together) {
    for (int tries = 0; tries < 1000; ++tries) {
      if (!inbox.put(settlement(together))) return;
      drain();
      settlements = 0;
    }
    FAIL() << "nothing is ever held";
  }
  void run() {
    context.restart();
    context.run_for(1s);  // ends when no timer is left
  }
};

TEST(Inbox, wakes_for_the_first_and_holds_the_next) {
  Drained thread;
  EXPECT_TRUE(thread.inbox.put(settlement(4)));
  thread.drain();
  thread.hold_one(4);
  EXPECT_EQ(thread.settlements, 0u);
  EXPECT_FALSE(thread.inbox.put(settlement(4)));
  thread.run();
  EXPECT_EQ(thread.settlements, 2u);
}

TEST(Inbox, wakes_when_as_many_wait_as_may) {
  Drained thread;
  thread.hold_one(2);
  EXPECT_TRUE(thread.inbox.put(settlement(2)));
}

TEST(Inbox, wakes_for_what_cannot_wait) {
  Drained thread;
  thread.hold_one(64);
  EXPECT_TRUE(thread.inbox.put(Task([] {})));
  thread.drain();
  EXPECT_EQ(thread.settlements, 1u);
}

TEST(Inbox, leaves_settlements_to_the_timer_when_something_is_read) {
  Drained thread;
  thread.hold_one(64);
  EXPECT_FALSE(thread.inbox.is_asked());
  thread.run();
  EXPECT_EQ(thread.settlements, 1u);
}

TEST(Inbox, does_not_hold_for_long_what_few_may_wait_with) {
  Drained thread;
  thread.hold_one(64);
  EXPECT_TRUE(thread.inbox.put(settlement(4)));
}

TEST(Inbox, holds_publishes_behind_others_and_takes_them_with_a_read) {
  Drained thread;
  thread.under_way = 16;
  thread.hold_one(64);
  EXPECT_FALSE(thread.inbox.put(std::make_unique<Publish>()));
  EXPECT_TRUE(thread.inbox.is_asked());
  thread.run();
  EXPECT_EQ(thread.publishes, 1u);
}

TEST(Inbox, does_not_hold_a_single_publish) {
  Drained thread;
  thread.hold_one(64);
  EXPECT_TRUE(thread.inbox.put(std::make_unique<Publish>()));
}

TEST(Inbox, takes_at_once_what_is_held_when_it_stops) {
  Drained thread;
  thread.hold_one(64);
  thread.inbox.stop();
  thread.context.restart();
  thread.context.poll();
  EXPECT_EQ(thread.settlements, 1u);
}

// While a longer pause, for settlements, is under way.
TEST(Inbox, begins_a_shorter_pause_for_publishes) {
  Drained thread;
  thread.hold_one(64);
  EXPECT_TRUE(thread.inbox.put(Task([] {})));
  thread.under_way = 16;
  thread.drain();
  // Unless this thread was kept from going on so long that nothing is held.
  if (thread.inbox.put(std::make_unique<Publish>())) thread.drain();
  thread.run();
  EXPECT_EQ(thread.publishes, 1u);
}

}  // namespace
}  // namespace millrace::client
