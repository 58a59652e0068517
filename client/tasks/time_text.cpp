#include "client/tasks/time_text.hpp"

#include <array>
#include <cstdio>
#include <ctime>

namespace millrace::tasks {
namespace {

// The clock counts nanoseconds in 64 bits, until 2262 and from 1677 on.
constexpr int kFirstYear = 1700;
constexpr int kLastYear = 2200;

// Takes exactly `digits` digits off the front.
std::optional<int> take_number(std::string_view& text, std::size_t digits) {
  if (text.size() < digits) return std::nullopt;
  int value = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool take(std::string_view& text, char expected) {
  if (text.empty() || text.front() != expected) return false;
  text.remove_prefix(1);
  return true;
}

// Digits behind the point, of which the first six count.
std::chrono::microseconds take_fraction(std::string_view& text) {
  int micros = 0;
  int digits = 0;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    if (digits < 6) {
      micros = micros * 10 + (text.front() - '0');
      ++digits;
    }
    text.remove_prefix(1);
  }
  for (; digits < 6; ++digits) micros *= 10;
  return std::chrono::microseconds(micros);
}

std::optional<std::chrono::minutes> take_offset(std::string_view& text) {
  if (text.empty()) return std::chrono::minutes(0);
  if (take(text, 'Z')) return std::chrono::minutes(0);
  const bool west = text.front() == '-';
  if (!west && text.front() != '+') return std::nullopt;
  text.remove_prefix(1);
  const auto hours = take_number(text, 2);
  if (!hours || *hours > 23) return std::nullopt;
  take(text, ':');
  const auto minutes = text.empty() ? std::optional<int>(0) : take_number(text, 2);
  if (!minutes || *minutes > 59) return std::nullopt;
  const std::chrono::minutes offset(*hours * 60 + *minutes);
  return west ? -offset : offset;
}

}  // namespace

std::string to_text(WallTime time) {
  const auto micros = std::chrono::floor<std::chrono::microseconds>(time.time_since_epoch()).count();
  auto seconds = static_cast<std::time_t>(micros / 1'000'000);
  auto rest = static_cast<long>(micros % 1'000'000);
  if (rest < 0) {
    rest += 1'000'000;
    --seconds;
  }
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 80> text;
  const int size = std::snprintf(text.data(), text.size(), "%04d-%02d-%02dT%02d:%02d:%02d.%06ld+00:00",
                                 parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour,
                                 parts.tm_min, parts.tm_sec, rest);
  return std::string(text.data(), static_cast<std::size_t>(size));
}

std::optional<WallTime> time_from(std::string_view text) {
  const auto year = take_number(text, 4);
  if (!year || !take(text, '-')) return std::nullopt;
  const auto month = take_number(text, 2);
  if (!month || !take(text, '-')) return std::nullopt;
  const auto day = take_number(text, 2);
  if (!day || (!take(text, 'T') && !take(text, ' '))) return std::nullopt;
  const auto hour = take_number(text, 2);
  if (!hour || !take(text, ':')) return std::nullopt;
  const auto minute = take_number(text, 2);
  if (!minute) return std::nullopt;
  const auto second = take(text, ':') ? take_number(text, 2) : std::optional<int>(0);
  if (!second) return std::nullopt;
  const auto fraction = take(text, '.') ? take_fraction(text) : std::chrono::microseconds(0);
  const auto offset = take_offset(text);
  if (!offset || !text.empty()) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  if (*year < kFirstYear || *year > kLastYear)
    return WallTime(
        std::chrono::sys_days(std::chrono::year(*year < kFirstYear ? kFirstYear : kLastYear) / 1 / 1));
  return WallTime(std::chrono::sys_days(date)) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
         std::chrono::seconds(*second) + fraction - *offset;
}

double seconds_of(WallTime time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

}  // namespace millrace::tasks
