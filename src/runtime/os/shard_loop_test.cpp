#include "runtime/os/shard_loop.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "runtime/os/poller.hpp"
#include "runtime/os/socket_pair_test.hpp"
#include "runtime/os/timer_queue.hpp"

namespace millrace::runtime {
namespace {

using namespace std::chrono_literals;

// Runs `task` on the loop and waits for it.
void on_loop(ShardLoop& loop, Task task) {
  std::promise<void> ran;
  loop.post([&] {
    task();
    ran.set_value();
  });
  ASSERT_EQ(ran.get_future().wait_for(10s), std::future_status::ready);
}

TEST(ShardLoop, runs_what_each_thread_posts_in_its_order) {
  ShardLoop loop("test");
  loop.on_turn_end([](bool) {});
  constexpr int kThreads = 4;
  constexpr int kPosts = 20'000;
  std::vector<int> next(kThreads, 0);
  std::atomic<int> wrong{0};
  std::atomic<int> done{0};
  loop.start();
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kPosts; ++i) {
        loop.post([&, t, i] {
          if (next[t]++ != i) ++wrong;
          ++done;
        });
      }
    });
  }
  for (auto& thread : threads) thread.join();
  on_loop(loop, [] {});
  EXPECT_EQ(done, kThreads * kPosts);
  EXPECT_EQ(wrong, 0);
}

TEST(ShardLoop, runs_what_was_posted_before_it_started) {
  ShardLoop loop("test");
  loop.on_turn_end([](bool) {});
  std::promise<void> ran;
  loop.post([&] { ran.set_value(); });
  loop.start();
  EXPECT_EQ(ran.get_future().wait_for(10s), std::future_status::ready);
}

TEST(ShardLoop, ends_the_turn_before_it_runs_what_a_task_posted) {
  ShardLoop loop("test");
  std::vector<std::string> events;
  loop.on_turn_end([&](bool idle) { events.push_back(idle ? "end, idle" : "end, busy"); });
  loop.start();
  std::promise<void> ran;
  loop.post([&] {
    events = {"first"};
    loop.post([&] {
      events.push_back("second");
      loop.post([&] { ran.set_value(); });
    });
  });
  ASSERT_EQ(ran.get_future().wait_for(10s), std::future_status::ready);
  loop.stop();
  loop.join();
  ASSERT_GE(events.size(), 5u);
  events.resize(5);  // stopping may take a turn of its own
  EXPECT_EQ(events, (std::vector<std::string>{"first", "end, busy", "second", "end, busy", "end, idle"}));
}

TEST(ShardLoop, runs_again_for_what_the_end_of_a_turn_posts) {
  ShardLoop loop("test");
  std::promise<void> ran;
  bool posted = false;
  loop.on_turn_end([&](bool) {
    if (!std::exchange(posted, true)) loop.post([&] { ran.set_value(); });
  });
  loop.post([] {});
  loop.start();
  EXPECT_EQ(ran.get_future().wait_for(10s), std::future_status::ready);
}

TEST(ShardLoop, fires_timers_by_their_deadlines_and_not_those_cancelled) {
  ShardLoop loop("test");
  loop.on_turn_end([](bool) {});
  loop.start();
  std::vector<int> fired;
  std::promise<void> last;
  const auto begun = std::chrono::steady_clock::now();
  on_loop(loop, [&] {
    static_cast<void>(loop.start(60ms, [&] { last.set_value(); }));
    static_cast<void>(loop.start(20ms, [&] { fired.push_back(2); }));
    const TimerId never = loop.start(1ms, [&] { fired.push_back(0); });
    static_cast<void>(loop.start(5ms, [&] { fired.push_back(1); }));
    loop.cancel(never);
  });
  ASSERT_EQ(last.get_future().wait_for(10s), std::future_status::ready);
  EXPECT_GE(std::chrono::steady_clock::now() - begun, 60ms);
  EXPECT_EQ(fired, (std::vector<int>{1, 2}));
}

// Ready as long as it is looked at.
struct AlwaysReady final : Poller::Handler {
  explicit AlwaysReady(ShardLoop& on) : loop(on), ends(runtime_test::socket_pair()) {
    EXPECT_TRUE(loop.poller().add(ends[0].get(), EPOLLOUT, *this));
  }
  void on_ready(std::uint32_t) override { then(); }
  void leave() { loop.poller().remove(ends[0].get(), *this); }

  ShardLoop& loop;
  std::array<Descriptor, 2> ends;
  std::function<void()> then = [] {};
};

TEST(ShardLoop, fires_a_timer_that_is_due_while_more_keeps_coming) {
  ShardLoop loop("test");
  loop.on_turn_end([](bool) {});
  AlwaysReady busy(loop);
  std::promise<void> fired;
  int calls = 0;
  busy.then = [&] {
    if (++calls < 2000) return;
    static_cast<void>(loop.start(1ns, [&] { fired.set_value(); }));
    std::this_thread::sleep_for(5ms);  // it is told of the alarm in this turn, and nothing else comes later
    busy.leave();
  };
  loop.start();
  EXPECT_EQ(fired.get_future().wait_for(10s), std::future_status::ready);
}

TEST(ShardLoop, destroys_what_is_queued_when_it_stops) {
  auto token = std::make_shared<int>(1);
  {
    ShardLoop loop("test");
    loop.on_turn_end([](bool) {});
    loop.post([token] {});
    static_cast<void>(loop.start(1h, [token] {}));
    EXPECT_EQ(token.use_count(), 3);
  }
  EXPECT_EQ(token.use_count(), 1);
}

TEST(ShardLoop, takes_no_turns_when_it_has_nothing_to_do) {
  ShardLoop loop("test");
  std::atomic<int> turns{0};
  loop.on_turn_end([&](bool) { ++turns; });
  loop.start();
  on_loop(loop, [] {});
  std::this_thread::sleep_for(20ms);  // the turn that the task was in ends
  const int before = turns;
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(turns, before);
}

TEST(TimerQueue, forgets_cancelled_timers_and_keeps_the_order_of_equal_deadlines) {
  TimerQueue queue;
  std::vector<int> ran;
  std::vector<TimerId> ids;
  for (int i = 0; i < 1000; ++i) ids.push_back(queue.add(Nanoseconds(10), [&ran, i] { ran.push_back(i); }));
  for (int i = 0; i < 1000; ++i) {
    if (i % 100 != 0) queue.cancel(ids[i]);
  }
  EXPECT_FALSE(queue.take_due(Nanoseconds(9)));
  while (Task task = queue.take_due(Nanoseconds(10))) task();
  EXPECT_EQ(ran, (std::vector<int>{0, 100, 200, 300, 400, 500, 600, 700, 800, 900}));
  EXPECT_FALSE(queue.next_deadline());
}

}  // namespace
}  // namespace millrace::runtime
