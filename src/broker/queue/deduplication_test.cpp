#include "broker/queue/deduplication.hpp"

#include <gtest/gtest.h>

namespace millrace::broker {
namespace {

class Window : public ::testing::Test {
 protected:
  // As who asks does: a value that is not known is remembered.
  bool seen(std::string_view value, std::int64_t now_ms = 0, std::size_t size = 0,
            std::int64_t ttl_ms = Remembered::kNever) {
    if (window.find(value, now_ms)) return true;
    Remembered entry;
    entry.value = value;
    entry.until_ms = ttl_ms == Remembered::kNever ? ttl_ms : now_ms + ttl_ms;
    entry.seq = ++seq;
    entry.kept = true;
    window.remember(std::move(entry), size);
    return false;
  }
  DeduplicationWindow window;
  std::uint64_t seq = 0;
};

TEST_F(Window, knows_a_value_until_it_is_pushed_out) {
  EXPECT_FALSE(seen("a", 0, 2));
  EXPECT_TRUE(seen("a", 0, 2));
  EXPECT_FALSE(seen("b", 0, 2));
  EXPECT_FALSE(seen("c", 0, 2));
  EXPECT_FALSE(seen("a", 0, 2));
  EXPECT_TRUE(seen("c", 0, 2));
}

TEST_F(Window, knows_a_value_until_its_time_is_over) {
  EXPECT_FALSE(seen("a", 1000, 10, 100));
  EXPECT_TRUE(seen("a", 1099, 10, 100));
  EXPECT_FALSE(seen("a", 1100, 10, 100));
}

TEST_F(Window, a_forgotten_value_is_accepted_and_then_keeps_its_new_place) {
  seen("a", 0, 2);
  seen("b", 0, 2);
  window.forget("a", 1);
  EXPECT_FALSE(seen("a", 0, 2));
  EXPECT_FALSE(seen("c", 0, 2));  // pushes out b, not the new a
  EXPECT_TRUE(seen("a", 0, 2));
  EXPECT_EQ(window.size(), 2u);
}

TEST_F(Window, another_copy_does_not_make_it_forget) {
  seen("a");
  window.forget("a", 2);
  EXPECT_TRUE(seen("a"));
}

TEST_F(Window, does_not_grow_by_values_that_come_and_go) {
  for (int i = 0; i < 100'000; ++i) {
    const std::string value = std::to_string(i);
    EXPECT_FALSE(seen(value));
    window.forget(value, seq);
  }
  EXPECT_EQ(window.size(), 0u);
}

TEST_F(Window, knows_one_that_stays_however_many_come_and_go) {
  seen("stays");
  for (int i = 0; i < 1000; ++i) {
    const std::string value = std::to_string(i);
    EXPECT_FALSE(seen(value));
    window.forget(value, seq);
  }
  EXPECT_TRUE(seen("stays"));
}

TEST_F(Window, a_restart_finds_what_still_counts) {
  seen("a", 0, 10, 100);
  seen("b", 0, 10, 200);
  seen("c", 0, 10);
  Remembered* transient = window.find("c", 0);
  ASSERT_NE(transient, nullptr);
  transient->kept = false;
  Buffer state;
  window.put_state(state, 150);
  Reader in(state.view());
  ASSERT_EQ(in.u8(), 1);
  const Remembered entry = read_remembered(in);
  EXPECT_TRUE(in.at_end() && !in.failed());
  EXPECT_EQ(entry.value, "b");
  EXPECT_EQ(entry.seq, 2u);
  EXPECT_EQ(entry.until_ms, 200);
  EXPECT_TRUE(entry.kept);
}

}  // namespace
}  // namespace millrace::broker
