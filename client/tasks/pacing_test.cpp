// Rate limits: which times calls are given.
#include "client/tasks/pacing.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/prng.hpp"

namespace millrace::tasks {
namespace {

using namespace std::chrono_literals;

const WallTime kNow{std::chrono::hours(500'000)};

std::vector<Milliseconds> times(const TaskOptions& options, int count, WallTime& next) {
  std::vector<Milliseconds> given;
  for (int i = 0; i < count; ++i)
    given.push_back(std::chrono::duration_cast<Milliseconds>(take_time(next, kNow, options) - kNow));
  return given;
}

TEST(RateLimit, spreads_calls_evenly) {
  TaskOptions options;
  options.rate_limit(10, 1s);
  WallTime next;
  EXPECT_EQ(times(options, 4, next), (std::vector<Milliseconds>{0ms, 100ms, 200ms, 300ms}));
}

TEST(RateLimit, lets_a_burst_begin_at_once_after_a_pause) {
  TaskOptions options;
  options.rate_limit(10, 1s, 3);
  WallTime next;
  EXPECT_EQ(times(options, 5, next), (std::vector<Milliseconds>{0ms, 0ms, 0ms, 100ms, 200ms}));
}

// In no stretch of time do more begin than the burst and what the rate adds, whenever they are asked for.
TEST(RateLimit, is_never_exceeded) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Prng random(seed);
    TaskOptions options;
    const auto burst = static_cast<unsigned>(1 + random.below(5));
    options.rate_limit(static_cast<unsigned>(1 + random.below(50)), 1s, burst);
    const auto between = std::chrono::duration_cast<WallTime::duration>(1s) / options.rate_count;
    WallTime now = kNow;
    WallTime next;
    std::vector<WallTime> begun;
    for (int i = 0; i < 200; ++i) {
      now += Milliseconds(random.below(100));
      begun.push_back(take_time(next, now, options));
      EXPECT_GE(begun.back(), now);
    }
    EXPECT_TRUE(std::is_sorted(begun.begin(), begun.end()));
    for (std::size_t i = burst; i < begun.size(); ++i) EXPECT_GE(begun[i] - begun[i - burst], between);
  }
}

}  // namespace
}  // namespace millrace::tasks
