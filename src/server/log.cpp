#include "server/log.hpp"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <cstdio>
#include <ctime>
#include <memory>
#include <string>

#include "base/utf8.hpp"

namespace millrace::server {
namespace {

spdlog::level::level_enum level_of(broker::LogLevel level) {
  switch (level) {
    case broker::LogLevel::debug:
      return spdlog::level::debug;
    case broker::LogLevel::info:
      return spdlog::level::info;
    case broker::LogLevel::warning:
      return spdlog::level::warn;
    case broker::LogLevel::error:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

// The flag %* of a pattern: "<N>" with syslog(3)'s number of the level.
class JournalPriority final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& to) override {
    const char number = message.level >= spdlog::level::err    ? '3'
                        : message.level == spdlog::level::warn ? '4'
                        : message.level == spdlog::level::info ? '6'
                                                               : '7';
    for (const char c : {'<', number, '>'}) to.push_back(c);
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<JournalPriority>();
  }
};

std::unique_ptr<spdlog::formatter> line_format(bool json, bool to_journal) {
  std::string pattern = json         ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","message":%v})"
                        : to_journal ? "%v"
                                     : "%Y-%m-%dT%H:%M:%S.%eZ %l %v";
  if (to_journal) pattern.insert(0, "%*");
  auto format = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
  format->add_flag<JournalPriority>('*').set_pattern(pattern);
  return format;
}

// Controls, C1 and the separators U+2028 and U+2029, and what sets the direction of writing.
bool is_hostile(char32_t c) noexcept {
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
         (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

// `short_form` is for characters below U+0100.
std::string with_escapes(std::string_view text, const char* short_form) {
  const std::string valid = as_utf8(text);
  std::string out;
  for (std::size_t at = 0; at < valid.size();) {
    const std::size_t begin = at;
    const char32_t c = next_character(valid, at);
    if (!is_hostile(c)) {
      out.append(valid, begin, at - begin);
      continue;
    }
    char escape[12];
    std::snprintf(escape, sizeof escape, c < 0x100 ? short_form : "\\u%04x", static_cast<unsigned>(c));
    out += escape;
  }
  return out;
}

// The library escapes what JSON demands, and a terminal obeys more than that.
std::string json_string(std::string_view text) {
  return with_escapes(boost::json::serialize(boost::json::string(as_utf8(text))), "\\u%04x");
}

}  // namespace

std::string one_line(std::string_view text) {
  return with_escapes(text, "\\x%02x");
}

LogFunction make_log(bool json, broker::LogLevel lowest, bool to_journal) {
  auto logger =
      std::make_shared<spdlog::logger>("millrace", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_level(level_of(lowest));
  logger->set_formatter(line_format(json, to_journal));
  return [logger, json](broker::LogLevel level, std::string_view text) {
    const spdlog::level::level_enum at = level_of(level);
    if (!logger->should_log(at)) return;
    // As a string that is printed, never as a format.
    const std::string line = json ? json_string(text) : one_line(text);
    logger->log(at, spdlog::string_view_t(line));
  };
}

}  // namespace millrace::server
