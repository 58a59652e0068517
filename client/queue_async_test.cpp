#include "millrace/queue_async.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace millrace {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using namespace std::chrono_literals;

TEST(QueueAsync, a_callback_is_called_by_its_executor_and_not_inside_put) {
  asio::io_context loop;
  queue<int> numbers;
  std::optional<int> got;
  numbers.async_get(asio::bind_executor(loop, [&](error_code error, std::optional<int> number) {
    EXPECT_FALSE(error);
    got = number;
  }));
  numbers.put(5);
  EXPECT_EQ(got, std::nullopt);
  EXPECT_TRUE(numbers.empty()) << "it was handed over";
  loop.run();
  EXPECT_EQ(got, 5);
}

TEST(QueueAsync, futures_are_given_items_and_room) {
  queue<std::unique_ptr<int>> boxes(1);
  std::future<std::optional<std::unique_ptr<int>>> first = boxes.async_get(asio::use_future);
  boxes.async_put(std::make_unique<int>(1), asio::use_future).get();
  EXPECT_EQ(**first.get(), 1);
  boxes.put(std::make_unique<int>(2));
  std::future<void> third = boxes.async_put(std::make_unique<int>(3), asio::use_future);
  EXPECT_EQ(third.wait_for(1ms), std::future_status::timeout);
  EXPECT_EQ(*boxes.get(), 2);
  third.get();
  EXPECT_EQ(*boxes.get(), 3);
}

asio::awaitable<void> produce(queue<int>& numbers, int count) {
  for (int n = 0; n < count; ++n) co_await numbers.async_put(n, asio::use_awaitable);
}

asio::awaitable<void> consume(queue<int>& numbers, std::vector<int>& got) {
  while (auto number = co_await numbers.async_get(asio::use_awaitable)) {
    got.push_back(*number);
    numbers.task_done();
  }
}

asio::awaitable<void> close_when_done(queue<int>& numbers) {
  co_await numbers.async_join(asio::use_awaitable);
  numbers.close();
}

TEST(QueueAsync, coroutines_of_one_thread_produce_consume_and_join) {
  asio::io_context loop;
  queue<int> numbers(3);
  std::vector<int> got;
  asio::co_spawn(loop, consume(numbers, got), asio::detached);
  asio::co_spawn(loop, produce(numbers, 1000), asio::detached);
  loop.poll();
  asio::co_spawn(loop, close_when_done(numbers), asio::detached);
  loop.run();
  ASSERT_EQ(got.size(), 1000U);
  for (int n = 0; n < 1000; ++n) ASSERT_EQ(got[static_cast<std::size_t>(n)], n);
}

TEST(QueueAsync, whoever_came_first_is_served_first_thread_or_not) {
  asio::io_context loop;
  queue<int> numbers;
  std::string order;
  auto waits = [&](char name) {
    return asio::bind_executor(loop, [&order, name](error_code, std::optional<int> number) {
      order += name + std::to_string(*number);
    });
  };
  numbers.async_get(waits('a'));
  int thread_got = 0;
  std::jthread thread([&] { thread_got = numbers.get(); });
  std::this_thread::sleep_for(50ms);
  numbers.async_get(waits('c'));
  EXPECT_EQ(numbers.try_get(), std::nullopt);
  numbers.put(1);
  numbers.put(2);
  thread.join();
  numbers.put(3);
  loop.run();
  EXPECT_EQ(thread_got, 2);
  EXPECT_EQ(order, "a1c3");
}

TEST(QueueAsync, puts_that_wait_go_in_in_the_order_of_the_calls) {
  asio::io_context loop;
  queue<int> numbers(1);
  int done = 0;
  for (int n = 0; n < 5; ++n) {
    numbers.async_put(n, asio::bind_executor(loop, [&](error_code error) { done += !error; }));
  }
  EXPECT_FALSE(numbers.try_put(99)) << "nobody overtakes an operation that waits";
  for (int n = 0; n < 5; ++n) EXPECT_EQ(numbers.get(), n);
  loop.run();
  EXPECT_EQ(done, 5);
}

TEST(QueueAsync, no_put_overtakes_those_of_its_producer_that_wait) {
  constexpr int kItems = 30'000;
  asio::io_context loop;
  queue<int> numbers(2);
  int before = -1;
  bool in_order = true;
  std::jthread consumer([&] {
    while (auto number = numbers.next()) {
      in_order = in_order && *number == before + 1;
      before = *number;
    }
  });
  int waiting = 0;
  for (int n = 0; n < kItems; ++n) {
    // Hammers at the moment between one that takes an item and the operation that gets its place.
    bool put = false;
    for (int tries = 0; n % 2 == 1 && tries < 50 && !put; ++tries) put = numbers.try_put(n);
    if (!put) {
      ++waiting;
      numbers.async_put(n, asio::bind_executor(loop, [&](error_code) { --waiting; }));
    }
    do {
      loop.restart();
      loop.poll();
    } while (waiting > 3);
  }
  loop.run();
  numbers.close();
  consumer.join();
  EXPECT_TRUE(in_order);
  EXPECT_EQ(before, kItems - 1);
}

TEST(QueueAsync, cancelling_ends_the_waiting_and_loses_no_item) {
  asio::io_context loop;
  queue<int> numbers;
  asio::cancellation_signal first, second;
  std::string said;
  auto waits = [&](asio::cancellation_signal& signal) {
    auto handler = [&](error_code error, std::optional<int> number) {
      said += error ? error.message() : "got " + std::to_string(*number);
      said += "; ";
    };
    return asio::bind_cancellation_slot(signal.slot(), asio::bind_executor(loop, handler));
  };
  numbers.async_get(waits(first));
  numbers.async_get(waits(second));
  first.emit(asio::cancellation_type::total);
  numbers.put(7);
  second.emit(asio::cancellation_type::total);  // too late: 7 is on its way
  loop.run();
  EXPECT_EQ(said, "Operation canceled; got 7; ");
  numbers.put(8);
  EXPECT_EQ(numbers.try_get(), 8) << "who was cancelled is not in the way";
}

TEST(QueueAsync, close_ends_gets_with_nothing_and_puts_with_an_error) {
  asio::io_context loop;
  queue<int> empty;
  queue<int> full(1);
  full.put(1);
  int ended = 0;
  auto got = [&](error_code error, std::optional<int> number) { ended += !error && !number; };
  auto put = [&](error_code error) { ended += error == queue_errc::closed; };
  empty.async_get(asio::bind_executor(loop, got));
  full.async_put(2, asio::bind_executor(loop, put));
  empty.close();
  full.close();
  empty.async_get(asio::bind_executor(loop, got));
  full.async_put(3, asio::bind_executor(loop, put));
  loop.run();
  EXPECT_EQ(ended, 4);
  EXPECT_EQ(full.size(), 1U);
}

TEST(QueueAsync, a_queue_that_is_destroyed_ends_what_waits) {
  asio::io_context loop;
  asio::cancellation_signal signal;
  bool ended = false;
  {
    queue<int> numbers;
    auto handler = [&](error_code, std::optional<int> number) { ended = !number; };
    numbers.async_get(asio::bind_cancellation_slot(signal.slot(), asio::bind_executor(loop, handler)));
  }
  signal.emit(asio::cancellation_type::all);
  loop.run();
  EXPECT_TRUE(ended);
}

TEST(QueueAsync, an_operation_that_never_completes_is_destroyed_with_its_loop) {
  queue<int> numbers;
  auto witness = std::make_shared<int>(0);
  {
    asio::io_context loop;
    numbers.async_get(asio::bind_executor(loop, [witness](error_code, std::optional<int>) {}));
    numbers.put(1);
  }
  EXPECT_EQ(witness.use_count(), 1);
}

asio::awaitable<void> add_up(queue<int>& numbers, std::atomic<long>& sum) {
  while (auto number = co_await numbers.async_get(asio::use_awaitable)) {
    sum += *number;
    numbers.task_done();
  }
}

// Meant for the thread sanitizer as well.
TEST(QueueAsync, threads_and_coroutines_share_a_queue) {
  constexpr int kEach = 2000;
  asio::io_context loop;
  queue<int> numbers(8);
  std::atomic<long> sum{0};
  std::vector<std::jthread> threads;
  for (int n = 0; n < 3; ++n) asio::co_spawn(loop, add_up(numbers, sum), asio::detached);
  for (int n = 0; n < 2; ++n) asio::co_spawn(loop, produce(numbers, kEach), asio::detached);
  for (int n = 0; n < 2; ++n) threads.emplace_back([&] { loop.run(); });
  threads.emplace_back([&] {
    while (auto number = numbers.next()) {
      sum += *number;
      numbers.task_done();
    }
  });
  {
    std::jthread producer([&] {
      for (int n = 0; n < kEach; ++n) numbers.put(n);
    });
  }
  while (sum < 3L * kEach * (kEach - 1) / 2) std::this_thread::sleep_for(1ms);
  numbers.join();
  numbers.close();
  threads.clear();
  EXPECT_EQ(sum, 3L * kEach * (kEach - 1) / 2);
}

}  // namespace
}  // namespace millrace
