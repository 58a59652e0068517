// Times that come again and again, as crontab(5) writes them: "minute hour day-of-month month day-of-week".
#pragma once

#include <bitset>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::tasks {

// Fields take *, numbers, ranges (1-5), steps (*/15, 0-30/10), lists (1,15), three-letter names of months and
// days; 7 is Sunday as 0 is. As in cron, a day fits if either day field does, when both are restricted. Also
// @hourly, @daily, @weekly, @monthly, @yearly, and "@every 90s" (or m, h): at the multiples of that since
// 1970. In UTC.
class Cron {
 public:
  // Throws std::invalid_argument, saying what is wrong.
  explicit Cron(std::string_view text);

  // The first time after `time`; nothing if there is none within eight years ("0 0 30 2 *").
  std::optional<std::chrono::sys_seconds> next(std::chrono::system_clock::time_point time) const;

 private:
  bool fits(std::chrono::year_month_day day) const;

  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  std::bitset<32> days_;
  std::bitset<13> months_;
  std::bitset<7> weekdays_;
  bool any_day_ = false;
  bool any_weekday_ = false;
  std::chrono::seconds every_{0};  // not 0: nothing else counts
};

}  // namespace millrace::tasks
