// Many threads on one queue; meant to be run with the thread sanitizer as well.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "millrace/queue.hpp"

namespace millrace {
namespace {

using namespace std::chrono_literals;

struct Item {
  int producer = 0;
  int number = 0;
  std::string text;
  bool operator<(const Item& other) const { return number > other.number; }
};

struct Shape {
  int producers;
  int consumers;
  std::size_t capacity;
};

// Every item comes once; with fifo, in the order of its producer at each consumer.
template <class Order>
void expect_all_come_once(Shape shape, bool in_order) {
  constexpr int kEach = 5000;
  SCOPED_TRACE(std::to_string(shape.producers) + " producers, " + std::to_string(shape.consumers) +
               " consumers, capacity " + std::to_string(shape.capacity));
  queue<Item, Order> items(shape.capacity);
  std::vector<std::atomic<int>> seen(static_cast<std::size_t>(shape.producers * kEach));
  std::atomic<int> out_of_order{0};
  std::vector<std::jthread> threads;
  for (int consumer = 0; consumer < shape.consumers; ++consumer) {
    threads.emplace_back([&, consumer] {
      std::vector<int> last(static_cast<std::size_t>(shape.producers), -1);
      for (;;) {
        std::optional<Item> item;
        // Each consumer waits in its own way.
        if (consumer % 3 == 0) {
          item = items.next();
        } else if (consumer % 3 == 1) {
          while (!(item = items.get_for(50us)) && !(items.closed() && items.empty())) {
          }
        } else {
          try {
            item = items.get();
          } catch (const queue_closed&) {
          }
        }
        if (!item) return;
        ++seen[static_cast<std::size_t>(item->producer * kEach + item->number)];
        int& before = last[static_cast<std::size_t>(item->producer)];
        if (item->number <= before) ++out_of_order;
        before = item->number;
        items.task_done();
      }
    });
  }
  std::vector<std::jthread> producers;
  for (int producer = 0; producer < shape.producers; ++producer) {
    producers.emplace_back([&, producer] {
      for (int n = 0; n < kEach; ++n) {
        Item item{producer, n, "text that needs memory of its own, " + std::to_string(n)};
        if (n % 3 == 0) {
          while (!items.put_for(std::move(item), 50us)) {
          }
        } else if (n % 3 == 1) {
          while (!items.try_put(std::move(item))) std::this_thread::yield();
        } else {
          items.put(std::move(item));
        }
      }
    });
  }
  producers.clear();
  items.join();
  EXPECT_EQ(items.unfinished(), 0U);
  items.close();
  threads.clear();
  for (auto& count : seen) ASSERT_EQ(count, 1);
  if (in_order) {
    EXPECT_EQ(out_of_order, 0);
  }
}

const Shape kShapes[] = {{1, 1, 0}, {1, 1, 1}, {3, 3, 0}, {4, 4, 2}, {4, 1, 100}, {1, 4, 7}};

TEST(QueueThreads, every_item_comes_once_and_in_its_producers_order) {
  for (const Shape& shape : kShapes) expect_all_come_once<fifo>(shape, true);
}

TEST(QueueThreads, every_item_comes_once_from_a_stack) {
  for (const Shape& shape : kShapes) expect_all_come_once<lifo>(shape, false);
}

TEST(QueueThreads, every_item_comes_once_by_priority) {
  for (const Shape& shape : kShapes) expect_all_come_once<by_priority<>>(shape, false);
}

TEST(QueueThreads, a_bound_is_never_exceeded) {
  queue<int> numbers(3);
  std::atomic<bool> stop{false};
  std::atomic<std::size_t> most{0};
  std::vector<std::jthread> threads;
  for (int n = 0; n < 3; ++n) {
    threads.emplace_back([&] {
      while (!stop) (void)numbers.put_for(1, 1ms);
    });
    threads.emplace_back([&] {
      while (!stop) (void)numbers.get_for(1ms);
    });
  }
  const auto end = std::chrono::steady_clock::now() + 200ms;
  while (std::chrono::steady_clock::now() < end) most = std::max(most.load(), numbers.size());
  stop = true;
  threads.clear();
  // size() reads what was taken first, so items that are put meanwhile may be counted on top; never below.
  EXPECT_GE(most, 1U);
  int left = 0;
  while (numbers.try_get()) ++left;
  EXPECT_LE(left, 3);
}

TEST(QueueThreads, timeouts_that_race_with_items_lose_none) {
  queue<int> numbers(1);
  constexpr int kItems = 3000;
  std::atomic<long> sum{0};
  std::atomic<bool> all_put{false};
  std::vector<std::jthread> consumers;
  for (int n = 0; n < 3; ++n) {
    consumers.emplace_back([&] {
      while (!all_put || !numbers.empty()) {
        if (auto number = numbers.get_for(10us)) sum += *number;
      }
    });
  }
  for (int n = 1; n <= kItems; ++n) {
    while (!numbers.put_for(n, 10us)) {
    }
  }
  all_put = true;
  consumers.clear();
  EXPECT_EQ(sum, static_cast<long>(kItems) * (kItems + 1) / 2);
}

TEST(QueueThreads, workers_that_sleep_are_all_woken_by_as_many_items) {
  queue<int> numbers;
  std::atomic<int> at_work{0};
  std::atomic<bool> go{false};
  std::vector<std::jthread> workers;
  for (int n = 0; n < 4; ++n) {
    workers.emplace_back([&] {
      (void)numbers.get();
      ++at_work;
      go.wait(false);
    });
  }
  std::this_thread::sleep_for(20ms);
  for (int n = 0; n < 4; ++n) numbers.put(n);
  const auto end = std::chrono::steady_clock::now() + 10s;
  while (at_work < 4 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  EXPECT_EQ(at_work, 4) << "no worker waits for another one to finish";
  go = true;
  go.notify_all();
  numbers.close();
}

TEST(QueueThreads, close_in_the_middle_loses_nothing_that_was_put) {
  for (int round = 0; round < 50; ++round) {
    queue<int> numbers(4);
    std::atomic<int> put{0};
    std::atomic<int> got{0};
    std::vector<std::jthread> threads;
    for (int n = 0; n < 2; ++n) {
      threads.emplace_back([&] {
        try {
          for (;;) {
            numbers.put(1);
            ++put;
          }
        } catch (const queue_closed&) {
        }
      });
      threads.emplace_back([&] {
        while (numbers.next()) ++got;
      });
    }
    std::this_thread::sleep_for(1ms);
    numbers.close();
    threads.clear();
    EXPECT_EQ(put, got);
  }
}

}  // namespace
}  // namespace millrace
