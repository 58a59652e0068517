#include "server/log.hpp"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <memory>
#include <string>

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

}  // namespace

LogFunction make_log(bool json, broker::LogLevel lowest) {
  auto logger =
      std::make_shared<spdlog::logger>("millrace", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_level(level_of(lowest));
  logger->set_pattern(
      json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","message":%v})" : "%Y-%m-%dT%H:%M:%S.%eZ %l %v",
      spdlog::pattern_time_type::utc);
  return [logger, json](broker::LogLevel level, std::string_view text) {
    const spdlog::level::level_enum at = level_of(level);
    if (!logger->should_log(at)) return;
    logger->log(at, spdlog::string_view_t(json ? boost::json::serialize(boost::json::string(text))
                                               : std::string(text)));
  };
}

}  // namespace millrace::server
