#include "client/tasks/cron.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

#include "client/tasks/time_text.hpp"

namespace millrace::tasks {
namespace {

std::string next(const char* schedule, const char* after) {
  const auto time = Cron(schedule).next(time_from(after).value());
  return time ? to_text(*time).substr(0, 16) : "never";
}

TEST(Cron, finds_the_next_time_after) {
  EXPECT_EQ(next("* * * * *", "2026-11-20T13:02:35Z"), "2026-11-20T13:03");
  EXPECT_EQ(next("* * * * *", "2026-11-20T13:02:00Z"), "2026-11-20T13:03");
  EXPECT_EQ(next("0 3 * * *", "2026-11-20T02:59:59Z"), "2026-11-20T03:00");
  EXPECT_EQ(next("0 3 * * *", "2026-11-20T03:00:00Z"), "2026-11-21T03:00");
  EXPECT_EQ(next("*/15 * * * *", "2026-11-20T13:46:00Z"), "2026-11-20T14:00");
  EXPECT_EQ(next("5-20/5 1,2 * * *", "2026-11-20T01:20:00Z"), "2026-11-20T02:05");
  EXPECT_EQ(next("0 0 29 2 *", "2026-11-20T00:00:00Z"), "2028-02-29T00:00");
  EXPECT_EQ(next("@monthly", "2026-11-20T00:00:00Z"), "2026-12-01T00:00");
}

TEST(Cron, knows_days_by_name_and_sunday_twice) {
  // 2026-11-20 is a Friday.
  EXPECT_EQ(next("0 0 * * mon-fri", "2026-11-20T00:00:00Z"), "2026-11-23T00:00");
  EXPECT_EQ(next("0 0 * * 7", "2026-11-20T00:00:00Z"), "2026-11-22T00:00");
  EXPECT_EQ(next("0 0 * * 0", "2026-11-20T00:00:00Z"), "2026-11-22T00:00");
  EXPECT_EQ(next("0 0 * JAN SUN", "2026-11-20T00:00:00Z"), "2027-01-03T00:00");
}

TEST(Cron, takes_either_day_when_both_are_given) {
  EXPECT_EQ(next("0 0 1 * fri", "2026-11-20T00:00:00Z"), "2026-11-27T00:00");
  EXPECT_EQ(next("0 0 1 * fri", "2026-11-27T00:00:00Z"), "2026-12-01T00:00");
}

TEST(Cron, says_when_there_is_no_such_day) {
  EXPECT_EQ(next("0 0 30 2 *", "2026-11-20T00:00:00Z"), "never");
}

TEST(Cron, knows_intervals) {
  EXPECT_EQ(next("@every 90s", "1970-01-01T00:01:00Z"), "1970-01-01T00:01");
  EXPECT_EQ(next("@every 2h", "2026-11-20T02:00:00Z"), "2026-11-20T04:00");
  for (const char* text :
       {"@every", "@every ", "@every 5", "@every s", "@every 0s", "@every -1s", "@every 5d"})
    EXPECT_THROW(Cron{text}, std::invalid_argument) << text;
}

TEST(Cron, refuses_what_is_no_schedule) {
  for (const char* text :
       {"", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8",
        "*/0 * * * *", "5-1 * * * *", "a * * * *", "1, * * * *", "-1 * * * *"})
    EXPECT_THROW(Cron{text}, std::invalid_argument) << text;
}

}  // namespace
}  // namespace millrace::tasks
