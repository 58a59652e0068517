#include "runtime/os/busy_share.hpp"

#include <gtest/gtest.h>

namespace millrace::runtime {
namespace {

using namespace std::chrono_literals;

// A thread of turns: each works and then waits.
struct Turns {
  Nanoseconds now = 10s;
  Nanoseconds cpu = 0ns;
  BusyShare share;

  void run(Nanoseconds duration, Nanoseconds work, Nanoseconds wait) {
    const Nanoseconds end = now + duration;
    while (now < end) {
      cpu += work;
      now += work + wait;
      share.turned(now, [this] { return cpu; });
    }
  }
};

TEST(BusyShare, is_the_share_of_time_at_work) {
  Turns turns;
  turns.run(1s, 3ms, 1ms);
  EXPECT_NEAR(turns.share.permille(turns.now), 750, 20);
}

TEST(BusyShare, is_nothing_once_there_are_no_turns) {
  Turns turns;
  turns.run(1s, 9ms, 1ms);
  EXPECT_GT(turns.share.permille(turns.now + 50ms), 800u);
  EXPECT_EQ(turns.share.permille(turns.now + 201ms), 0u);
}

TEST(BusyShare, follows_a_change_within_two_windows) {
  Turns turns;
  turns.run(1s, 9ms, 1ms);
  turns.run(2 * BusyShare::kWindow, 1ms, 9ms);
  EXPECT_LT(turns.share.permille(turns.now), 200u);
}

TEST(BusyShare, asks_for_the_cpu_clock_once_a_window) {
  BusyShare share;
  int asked = 0;
  for (Nanoseconds now = 10s; now < 11s; now += 100us) {
    share.turned(now, [&] {
      ++asked;
      return 0ns;
    });
  }
  EXPECT_LE(asked, 11);
}

}  // namespace
}  // namespace millrace::runtime
