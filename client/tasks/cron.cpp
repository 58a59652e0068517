#include "client/tasks/cron.hpp"

#include <cstdint>
#include <stdexcept>
#include <vector>

namespace millrace::tasks {
namespace {

using Names = std::vector<std::string_view>;

const Names kMonths{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"};
const Names kWeekdays{"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

struct Field {
  std::string_view what;
  int least;
  int most;
  const Names* names = nullptr;  // the first is `least`
};

[[noreturn]] void refuse(const Field& field, std::string_view text) {
  throw std::invalid_argument("'" + std::string(text) + "' is no " + std::string(field.what) +
                              " of a schedule");
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

int number_of(const Field& field, std::string_view text) {
  if (field.names != nullptr) {
    std::string name;
    for (const char c : text) name += lower(c);
    for (std::size_t i = 0; i < field.names->size(); ++i) {
      if ((*field.names)[i] == name) return field.least + static_cast<int>(i);
    }
  }
  if (text.empty() || text.size() > 2) refuse(field, text);
  int value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') refuse(field, text);
    value = value * 10 + (c - '0');
  }
  if (value < field.least || value > field.most) refuse(field, text);
  return value;
}

template <std::size_t kSize>
void read_field(const Field& field, std::string_view text, std::bitset<kSize>& out) {
  for (const std::string_view part : split(text, ',')) {
    const auto slash = part.find('/');
    const std::string_view range = part.substr(0, slash);
    int first = field.least;
    int last = field.most;
    if (range != "*") {
      const auto dash = range.find('-');
      first = number_of(field, range.substr(0, dash));
      last = dash == std::string_view::npos ? (slash == std::string_view::npos ? first : field.most)
                                            : number_of(field, range.substr(dash + 1));
    }
    int step = 1;
    if (slash != std::string_view::npos) {
      const Field steps{"step", 1, 59};
      step = number_of(steps, part.substr(slash + 1));
    }
    if (first > last) refuse(field, part);
    for (int value = first; value <= last; value += step) out.set(static_cast<std::size_t>(value) % kSize);
  }
}

std::string_view long_form(std::string_view text) {
  if (text == "@hourly") return "0 * * * *";
  if (text == "@daily" || text == "@midnight") return "0 0 * * *";
  if (text == "@weekly") return "0 0 * * 0";
  if (text == "@monthly") return "0 0 1 * *";
  if (text == "@yearly" || text == "@annually") return "0 0 1 1 *";
  return text;
}

std::chrono::seconds interval_of(std::string_view text) {
  const std::string_view unit = text.empty() ? text : text.substr(text.size() - 1);
  const std::string_view digits = text.substr(0, text.empty() ? 0 : text.size() - 1);
  std::int64_t count = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9' || count > 1'000'000) count = -1;
    if (count < 0) break;
    count = count * 10 + (c - '0');
  }
  const int seconds = unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : 0;
  if (count <= 0 || seconds == 0)
    throw std::invalid_argument("'" + std::string(text) + "' is no interval: write it as 30s, 5m or 2h");
  return std::chrono::seconds(count * seconds);
}

}  // namespace

Cron::Cron(std::string_view text) {
  constexpr std::string_view kEvery = "@every ";
  if (text.starts_with(kEvery)) {
    every_ = interval_of(text.substr(kEvery.size()));
    return;
  }
  std::vector<std::string_view> fields;
  for (const std::string_view field : split(long_form(text), ' ')) {
    if (!field.empty()) fields.push_back(field);
  }
  if (fields.size() != 5)
    throw std::invalid_argument("'" + std::string(text) +
                                "' is no schedule: it needs five fields, as '0 3 * * 1-5'");
  read_field({"minute", 0, 59}, fields[0], minutes_);
  read_field({"hour", 0, 23}, fields[1], hours_);
  read_field({"day of the month", 1, 31}, fields[2], days_);
  read_field({"month", 1, 12, &kMonths}, fields[3], months_);
  // 7 falls onto 0.
  read_field({"day of the week", 0, 7, &kWeekdays}, fields[4], weekdays_);
  any_day_ = fields[2].starts_with('*');
  any_weekday_ = fields[4].starts_with('*');
}

bool Cron::fits(std::chrono::year_month_day day) const {
  if (!months_[static_cast<unsigned>(day.month())]) return false;
  const bool by_day = days_[static_cast<unsigned>(day.day())];
  const bool by_weekday = weekdays_[std::chrono::weekday(std::chrono::sys_days(day)).c_encoding()];
  if (any_day_ || any_weekday_) return by_day && by_weekday;
  return by_day || by_weekday;
}

std::optional<std::chrono::sys_seconds> Cron::next(std::chrono::system_clock::time_point time) const {
  using namespace std::chrono;
  if (every_.count() > 0) {
    const auto since_1970 = floor<seconds>(time).time_since_epoch();
    return sys_seconds((since_1970 / every_ + 1) * every_);
  }
  const sys_seconds first = floor<minutes>(time) + minutes(1);
  const sys_days start = floor<days>(first);
  for (sys_days day = start; day < start + days(8 * 366); day += days(1)) {
    if (!fits(year_month_day(day))) continue;
    for (int hour = 0; hour < 24; ++hour) {
      if (!hours_[static_cast<std::size_t>(hour)]) continue;
      for (int minute = 0; minute < 60; ++minute) {
        const sys_seconds candidate = day + hours(hour) + minutes(minute);
        if (minutes_[static_cast<std::size_t>(minute)] && candidate >= first) return candidate;
      }
    }
  }
  return std::nullopt;
}

}  // namespace millrace::tasks
