#include "millrace/queue.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace millrace {
namespace {

using namespace std::chrono_literals;

TEST(Queue, gives_items_in_the_order_they_were_put) {
  queue<int> numbers;
  for (int n = 0; n < 10'000; ++n) numbers.put(n);
  EXPECT_EQ(numbers.size(), 10'000U);
  for (int n = 0; n < 10'000; ++n) ASSERT_EQ(numbers.get(), n);
  EXPECT_TRUE(numbers.empty());
}

TEST(Queue, takes_items_that_can_only_be_moved) {
  queue<std::unique_ptr<int>> boxes;
  boxes.put(std::make_unique<int>(7));
  EXPECT_EQ(*boxes.get(), 7);
}

TEST(Queue, try_get_gives_nothing_when_there_is_nothing) {
  queue<int> numbers;
  EXPECT_EQ(numbers.try_get(), std::nullopt);
  numbers.put(1);
  EXPECT_EQ(numbers.try_get(), 1);
}

TEST(Queue, try_put_leaves_what_does_not_fit_untouched) {
  queue<std::string> words(1);
  EXPECT_TRUE(words.try_put("first"));
  std::string second = "a second word that is too long for the small buffer";
  const std::string copy = second;
  EXPECT_FALSE(words.try_put(std::move(second)));
  EXPECT_EQ(second, copy);
  EXPECT_FALSE(words.put_for(std::move(second), 1ms));
  EXPECT_EQ(second, copy);
  EXPECT_EQ(words.size(), 1U);
}

TEST(Queue, get_for_gives_up_when_the_time_has_passed) {
  queue<int> numbers;
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(numbers.get_for(20ms), std::nullopt);
  EXPECT_GE(std::chrono::steady_clock::now() - start, 20ms);
  EXPECT_EQ(numbers.get_for(-1s), std::nullopt);
  numbers.put(1);
  EXPECT_EQ(numbers.get_for(std::chrono::hours::max()), 1);
  numbers.put(2);
  EXPECT_EQ(numbers.get(), 2) << "who gave up is not in the way";
}

TEST(Queue, a_get_that_waits_is_given_what_is_put) {
  queue<int> numbers;
  std::atomic<int> got{0};
  std::jthread consumer([&] { got = numbers.get(); });
  std::this_thread::sleep_for(20ms);
  numbers.put(42);
  consumer.join();
  EXPECT_EQ(got, 42);
}

TEST(Queue, a_put_waits_while_the_queue_is_full) {
  queue<int> numbers(2);
  numbers.put(1);
  numbers.put(2);
  std::atomic<bool> put{false};
  std::jthread producer([&] {
    numbers.put(3);
    put = true;
  });
  std::this_thread::sleep_for(20ms);
  EXPECT_FALSE(put);
  EXPECT_EQ(numbers.get(), 1);
  producer.join();
  EXPECT_TRUE(put);
  EXPECT_EQ(numbers.get(), 2);
  EXPECT_EQ(numbers.get(), 3);
}

TEST(Queue, join_waits_for_task_done_and_not_only_for_get) {
  queue<int> numbers;
  numbers.join();
  numbers.put(1);
  numbers.put(2);
  EXPECT_FALSE(numbers.join_for(1ms));
  EXPECT_EQ(numbers.get() + numbers.get(), 3);
  numbers.task_done();
  EXPECT_FALSE(numbers.join_for(1ms));
  EXPECT_EQ(numbers.unfinished(), 1U);
  std::jthread worker([&] {
    std::this_thread::sleep_for(10ms);
    numbers.task_done();
  });
  numbers.join();
  EXPECT_EQ(numbers.unfinished(), 0U);
}

TEST(Queue, task_done_more_often_than_put_is_refused) {
  queue<int> numbers;
  EXPECT_THROW(numbers.task_done(), std::logic_error);
  numbers.put(1);
  numbers.task_done();
  EXPECT_THROW(numbers.task_done(), std::logic_error);
  EXPECT_TRUE(numbers.join_for(0s));
}

TEST(Queue, what_is_in_a_closed_queue_can_be_taken_and_nothing_be_put) {
  queue<int> numbers;
  numbers.put(1);
  numbers.put(2);
  numbers.close();
  numbers.close();
  EXPECT_TRUE(numbers.closed());
  EXPECT_THROW(numbers.put(3), queue_closed);
  EXPECT_FALSE(numbers.try_put(3));
  EXPECT_FALSE(numbers.put_for(3, 1h));
  EXPECT_EQ(numbers.get(), 1);
  EXPECT_EQ(numbers.next(), 2);
  EXPECT_EQ(numbers.next(), std::nullopt);
  EXPECT_EQ(numbers.get_for(1h), std::nullopt);
  EXPECT_THROW((void)numbers.get(), queue_closed);
}

TEST(Queue, close_tells_everybody_who_waits) {
  queue<int> empty;
  queue<int> full(1);
  full.put(0);
  std::atomic<int> told{0};
  std::vector<std::jthread> waiters;
  for (int n = 0; n < 3; ++n) {
    waiters.emplace_back([&] { told += empty.next() == std::nullopt; });
    waiters.emplace_back([&] {
      try {
        full.put(1);
      } catch (const queue_closed&) {
        ++told;
      }
    });
  }
  std::this_thread::sleep_for(20ms);
  empty.close();
  full.close();
  waiters.clear();
  EXPECT_EQ(told, 6);
  EXPECT_EQ(full.get(), 0);
}

TEST(Queue, what_is_discarded_counts_as_done) {
  auto item = std::make_shared<int>(1);
  queue<std::shared_ptr<int>> items;
  for (int n = 0; n < 2000; ++n) items.put(item);
  (void)items.get();
  EXPECT_EQ(items.close_and_discard(), 1999U);
  EXPECT_EQ(item.use_count(), 1);
  EXPECT_FALSE(items.join_for(1ms));
  items.task_done();
  EXPECT_TRUE(items.join_for(1h));
}

TEST(Queue, destroys_what_is_left_in_it) {
  auto item = std::make_shared<int>(1);
  {
    queue<std::shared_ptr<int>> items;
    for (int n = 0; n < 1000; ++n) items.put(item);
    EXPECT_EQ(item.use_count(), 1001);
  }
  EXPECT_EQ(item.use_count(), 1);
}

// Copies and moves throw on request.
struct Fragile {
  static inline std::atomic<bool> breaks{false};
  explicit Fragile(int n) : number(n) {}
  Fragile(const Fragile& other) : number(other.number) { check(); }
  Fragile& operator=(const Fragile&) = default;
  static void check() {
    if (breaks) throw std::runtime_error("broken");
  }
  bool operator<(const Fragile& other) const {
    check();
    return number < other.number;
  }
  int number;
};

template <class Queue>
void expect_sound_after_exceptions(Queue& items) {
  items.put(Fragile(1));
  items.put(Fragile(2));
  Fragile::breaks = true;
  EXPECT_THROW(items.put(Fragile(3)), std::runtime_error);
  EXPECT_THROW((void)items.get(), std::runtime_error);
  EXPECT_THROW((void)items.try_get(), std::runtime_error);
  EXPECT_THROW((void)items.get_for(1h), std::runtime_error);
  Fragile::breaks = false;
  EXPECT_EQ(items.size(), 2U);
  EXPECT_EQ(items.unfinished(), 2U);
  EXPECT_EQ(items.get().number + items.get().number, 3);
  EXPECT_TRUE(items.empty());
}

TEST(Queue, an_item_that_throws_when_copied_leaves_the_queue_as_it_was) {
  queue<Fragile> in_order;
  expect_sound_after_exceptions(in_order);
  queue<Fragile, lifo> last_first;
  expect_sound_after_exceptions(last_first);
  queue<Fragile, by_priority<>> greatest_first;
  expect_sound_after_exceptions(greatest_first);
}

TEST(Queue, a_comparison_that_throws_loses_and_reorders_nothing) {
  queue<Fragile, by_priority<>> items;
  for (int n : {3, 9, 1, 7, 5, 8, 2, 6, 4}) {
    items.put(Fragile(n));
    Fragile::breaks = true;
    EXPECT_THROW((void)items.get(), std::runtime_error);
    EXPECT_THROW(items.put(Fragile(0)), std::runtime_error);
    Fragile::breaks = false;
  }
  for (int n = 9; n > 0; --n) EXPECT_EQ(items.get().number, n);
}

TEST(Queue, lifo_gives_the_newest_first) {
  queue<int, lifo> numbers(3);
  for (int n : {1, 2, 3}) numbers.put(n);
  EXPECT_FALSE(numbers.try_put(4));
  EXPECT_EQ(numbers.get(), 3);
  numbers.put(4);
  for (int n : {4, 2, 1}) EXPECT_EQ(numbers.get(), n);
}

struct Job {
  std::string name;
  int urgency = 0;
  bool operator<(const Job& other) const { return urgency < other.urgency; }
};

TEST(Queue, by_priority_gives_the_greatest_first_and_equals_in_order) {
  queue<Job, by_priority<>> jobs;
  for (const Job& job : {Job{"a", 1}, Job{"b", 5}, Job{"c", 1}, Job{"d", 5}, Job{"e", 3}}) jobs.put(job);
  std::string order;
  while (auto job = jobs.try_get()) order += job->name;
  EXPECT_EQ(order, "bdeac");

  queue<int, by_priority<std::greater<>>> numbers;
  for (int n : {3, 1, 2}) numbers.put(n);
  for (int n : {1, 2, 3}) EXPECT_EQ(numbers.get(), n);
}

TEST(Queue, ranked_gives_the_lowest_rank_first_and_asks_for_it_once) {
  int asked = 0;
  auto length = [&asked](const std::string& word) {
    ++asked;
    return static_cast<std::int64_t>(word.size());
  };
  queue<std::string, ranked<decltype(length)>> words(0, ranked{length});
  for (const char* word : {"ccc", "a", "bb", "dd", "e"}) words.put(word);
  std::string order;
  while (auto word = words.try_get()) order += *word + " ";
  EXPECT_EQ(order, "a e bb dd ccc ");
  EXPECT_EQ(asked, 5);
}

TEST(Queue, a_heap_of_many_gives_all_in_order) {
  unsigned state = 12345;  // a fixed sequence: x = 1664525 x + 1013904223
  queue<unsigned, by_priority<>> numbers;
  for (int round = 0; round < 3; ++round) {
    for (int n = 0; n < 5000; ++n) numbers.put((state = 1664525 * state + 1013904223) % 1000);
    unsigned last = 1000;
    for (int n = 0; n < 5000; ++n) {
      const unsigned got = numbers.get();
      ASSERT_LE(got, last);
      last = got;
    }
  }
}

}  // namespace
}  // namespace millrace
