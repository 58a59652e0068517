#include "runtime/os/poller.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <thread>

#include "runtime/os/clock.hpp"
#include "runtime/os/socket_pair_test.hpp"

namespace millrace::runtime {
namespace {

using namespace std::chrono_literals;
using runtime_test::socket_pair;
using runtime_test::write_byte;

std::size_t run(Poller& poller, bool may_block) {
  const std::size_t found = poller.wait(may_block);
  poller.dispatch();
  return found;
}

struct Counter final : Poller::Handler {
  int calls = 0;
  std::uint32_t events = 0;
  std::function<void()> then = [] {};
  void on_ready(std::uint32_t told) override {
    ++calls;
    events = told;
    then();
  }
};

TEST(Poller, reports_what_stays_ready_in_each_turn) {
  Poller poller;
  auto [ours, theirs] = socket_pair();
  Counter counter;
  ASSERT_TRUE(poller.add(ours.get(), EPOLLIN, counter));
  EXPECT_EQ(run(poller, false), 0u);
  write_byte(theirs);
  for (int turn = 1; turn <= 3; ++turn) {
    EXPECT_EQ(run(poller, true), 1u);
    EXPECT_EQ(counter.calls, turn);
    EXPECT_EQ(counter.events, std::uint32_t{EPOLLIN});
  }
  poller.change(ours.get(), EPOLLOUT, counter);
  EXPECT_EQ(run(poller, true), 1u);
  EXPECT_EQ(counter.events, std::uint32_t{EPOLLOUT});
}

TEST(Poller, does_not_call_who_was_removed_in_the_same_turn) {
  Poller poller;
  const auto first = socket_pair();
  const auto second = socket_pair();
  Counter one;
  Counter other;
  ASSERT_TRUE(poller.add(first[0].get(), EPOLLIN, one));
  ASSERT_TRUE(poller.add(second[0].get(), EPOLLIN, other));
  // Whoever comes first removes both.
  const auto remove_both = [&] {
    poller.remove(first[0].get(), one);
    poller.remove(second[0].get(), other);
  };
  one.then = remove_both;
  other.then = remove_both;
  write_byte(first[1]);
  write_byte(second[1]);
  EXPECT_EQ(run(poller, true), 2u);
  EXPECT_EQ(one.calls + other.calls, 1);
  EXPECT_EQ(run(poller, false), 0u);
}

TEST(Poller, tells_of_an_end_once_when_nothing_is_looked_for) {
  Poller poller;
  auto [ours, theirs] = socket_pair();
  Counter counter;
  ASSERT_TRUE(poller.add(ours.get(), EPOLLIN, counter));
  theirs.close();
  EXPECT_EQ(run(poller, true), 1u);
  EXPECT_NE(counter.events & EPOLLHUP, 0u);
  poller.change(ours.get(), 0, counter);
  while (run(poller, false) != 0 && counter.calls < 10) continue;
  EXPECT_LE(counter.calls, 2);
  poller.change(ours.get(), EPOLLIN, counter);
  EXPECT_EQ(run(poller, true), 1u);
}

TEST(Poller, blocks_until_it_is_woken_and_until_its_alarm) {
  Poller poller;
  std::thread waker([&] {
    std::this_thread::sleep_for(20ms);
    poller.wake();
  });
  EXPECT_EQ(run(poller, true), 1u);
  waker.join();
  EXPECT_EQ(run(poller, false), 0u) << "a ring was told twice";
  poller.wake();
  poller.wake();
  EXPECT_EQ(run(poller, true), 1u);
  const Nanoseconds deadline = SystemClock().steady() + 15ms;
  poller.set_alarm(deadline);
  EXPECT_EQ(run(poller, true), 1u);
  EXPECT_GE(SystemClock().steady(), deadline);
  EXPECT_EQ(run(poller, false), 0u);
}

}  // namespace
}  // namespace millrace::runtime
