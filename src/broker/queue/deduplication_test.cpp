#include "broker/queue/deduplication.hpp"

#include <gtest/gtest.h>

namespace millrace::broker {
namespace {

TEST(DeduplicationWindow, knows_a_value_until_it_is_pushed_out) {
  DeduplicationWindow window;
  EXPECT_FALSE(window.seen("a", 0, 2, {}));
  EXPECT_TRUE(window.seen("a", 0, 2, {}));
  EXPECT_FALSE(window.seen("b", 0, 2, {}));
  EXPECT_FALSE(window.seen("c", 0, 2, {}));
  EXPECT_FALSE(window.seen("a", 0, 2, {}));
  EXPECT_TRUE(window.seen("c", 0, 2, {}));
}

TEST(DeduplicationWindow, knows_a_value_until_its_time_is_over) {
  DeduplicationWindow window;
  EXPECT_FALSE(window.seen("a", 1000, 10, 100));
  EXPECT_TRUE(window.seen("a", 1099, 10, 100));
  EXPECT_FALSE(window.seen("a", 1100, 10, 100));
}

TEST(DeduplicationWindow, a_forgotten_value_is_accepted_and_then_keeps_its_new_place) {
  DeduplicationWindow window;
  window.seen("a", 0, 2, {});
  window.seen("b", 0, 2, {});
  window.forget("a");
  EXPECT_FALSE(window.seen("a", 0, 2, {}));
  EXPECT_FALSE(window.seen("c", 0, 2, {}));  // pushes out b, not the new a
  EXPECT_TRUE(window.seen("a", 0, 2, {}));
  EXPECT_EQ(window.size(), 2u);
}

TEST(DeduplicationWindow, does_not_grow_by_values_that_come_and_go) {
  DeduplicationWindow window;
  for (int i = 0; i < 100'000; ++i) {
    const std::string value = std::to_string(i);
    EXPECT_FALSE(window.seen(value, 0, 0, {}));
    window.forget(value);
  }
  EXPECT_EQ(window.size(), 0u);
}

}  // namespace
}  // namespace millrace::broker
