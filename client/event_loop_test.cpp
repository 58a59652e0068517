// The event loop with its timers, listeners, and promises.
#include "millrace/event_loop.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "millrace/listeners.hpp"
#include "millrace/promise.hpp"

namespace millrace {
namespace {

using std::chrono::milliseconds;

TEST(EventLoop, runs_what_it_is_given_on_its_thread_in_order) {
  EventLoop loop;
  std::vector<int> order;
  std::promise<bool> inside;
  for (int i = 0; i < 100; ++i) loop.post([&, i] { order.push_back(i); });
  loop.post([&] { inside.set_value(loop.is_this_thread()); });
  EXPECT_TRUE(inside.get_future().get());
  EXPECT_FALSE(loop.is_this_thread());
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

TEST(EventLoop, calls_timers_once_or_again_and_again_until_they_are_cancelled) {
  EventLoop loop;
  std::promise<void> once;
  const TimerId single = loop.after(milliseconds(1), [&] { once.set_value(); });
  once.get_future().wait();
  EXPECT_FALSE(loop.cancel(single));

  std::atomic<int> calls{0};
  std::promise<void> third;
  const TimerId repeated = loop.every(milliseconds(1), [&] {
    if (++calls == 3) third.set_value();
  });
  third.get_future().wait();
  EXPECT_TRUE(loop.cancel(repeated));
  std::promise<void> passed;
  loop.post([&] { passed.set_value(); });
  passed.get_future().wait();
  const int then = calls;
  std::this_thread::sleep_for(milliseconds(20));
  EXPECT_EQ(calls, then);
}

TEST(EventLoop, a_timer_that_was_cancelled_never_comes) {
  EventLoop loop;
  std::atomic<bool> called{false};
  const TimerId timer = loop.after(milliseconds(5), [&] { called = true; });
  EXPECT_TRUE(loop.cancel(timer));
  std::this_thread::sleep_for(milliseconds(20));
  EXPECT_FALSE(called);
}

TEST(EventLoop, can_be_destroyed_by_what_it_runs) {
  auto loop = std::make_shared<EventLoop>();
  std::promise<void> gone;
  std::weak_ptr<EventLoop> weak = loop;
  EventLoop* const raw = loop.get();
  std::promise<void> released;
  raw->post([loop = std::move(loop), &gone, ready = released.get_future().share()]() mutable {
    ready.wait();
    loop.reset();
    gone.set_value();
  });
  released.set_value();
  gone.get_future().wait();
  while (!weak.expired()) std::this_thread::yield();
}

TEST(EventLoop, runs_on_the_threads_that_call_run) {
  EventLoop loop(0);
  int calls = 0;
  loop.post([&] { ++calls; });
  loop.after(milliseconds(1), [&] { loop.stop(); });
  loop.run();
  EXPECT_EQ(calls, 1);
}

TEST(Listeners, are_called_in_order_until_removed_also_by_themselves) {
  EventLoop loop;
  Listeners<std::string> listeners(loop.executor());
  std::vector<std::string> seen;
  ListenerId first{};
  first = listeners.add([&](const std::string& text) {
    seen.push_back("first " + text);
    listeners.remove(first);
  });
  const ListenerId second = listeners.add([&](const std::string& text) { seen.push_back("second " + text); });
  listeners.emit("a");
  listeners.emit("b");
  std::promise<void> done;
  loop.post([&] { done.set_value(); });
  done.get_future().wait();
  EXPECT_EQ(seen, (std::vector<std::string>{"first a", "second a", "second b"}));
  EXPECT_TRUE(listeners.remove(second));
  EXPECT_FALSE(listeners.remove(second));
}

TEST(Promise, passes_values_along_and_waits_for_promises_on_the_way) {
  EventLoop loop;
  const Promise<int> start(loop.executor());
  const Promise<int> inner(loop.executor());
  const auto result =
      start.then([](int value) { return value + 1; })
          .then([&](int value) { return inner.then([value](int other) { return value * other; }); })
          .then([](int value) { return std::to_string(value); });
  start.resolve(4);
  EXPECT_FALSE(result.is_settled());
  inner.resolve(10);
  EXPECT_EQ(result.get(), "50");
  std::promise<void> late;
  result.then([&](const std::string&) { late.set_value(); });  // the outcome is there already
  late.get_future().wait();
}

TEST(Promise, an_error_skips_then_and_reaches_fail_and_get) {
  EventLoop loop;
  const Promise<> start(loop.executor());
  std::atomic<int> skipped{0};
  std::promise<std::string> failure;
  const auto result = start.then([]() -> int { throw ClientError(ErrorKind::rejected, "no"); })
                          .then([&](int) { ++skipped; })
                          .fail([&](const Failure& failed) { failure.set_value(failed.text()); });
  start.resolve();
  EXPECT_EQ(failure.get_future().get(), "no");
  EXPECT_THROW(result.get(), ClientError);
  EXPECT_EQ(skipped, 0);
}

TEST(Promise, keeps_its_first_outcome) {
  EventLoop loop;
  const Promise<int> promise(loop.executor());
  promise.resolve(1);
  promise.resolve(2);
  promise.reject(make_failure(ErrorKind::closed, "late"));
  EXPECT_EQ(promise.get(), 1);
}

}  // namespace
}  // namespace millrace
