// /api/millrace/log-level: what is logged from here on. Not of RabbitMQ's API, whose tools ask its nodes.
#include <boost/json/object.hpp>

#include "management/fields.hpp"
#include "management/items.hpp"

namespace millrace::management {
namespace log {
namespace {

namespace json = boost::json;
using broker::LogLevel;

constexpr std::pair<std::string_view, LogLevel> kLevels[] = {{"debug", LogLevel::debug},
                                                             {"info", LogLevel::info},
                                                             {"warning", LogLevel::warning},
                                                             {"error", LogLevel::error}};

void show(Api& api, const CallRef& call) {
  for (const auto& [name, level] : kLevels) {
    if (level == api.log().level())
      return reply(call, json_answer(json::object{{"level", json::string(name)}}));
  }
}

void put(Api& api, const CallRef& call) {
  auto body = json_body(*call);
  if (body.has_error()) return reply(call, refusal(body.error()));
  Fields fields(*body);
  const std::string wanted = fields.text("level");
  if (auto bad = fields.error()) return reply(call, refusal(*bad));
  for (const auto& [name, level] : kLevels) {
    if (name != wanted) continue;
    api.log().set_level(level);
    return reply(call, put_answer(false));
  }
  reply(call, refusal(400, "bad_request", "level must be debug, info, warning or error"));
}

constexpr Route kRoutes[] = {
    {"GET", "/millrace/log-level", Door::monitoring, show},
    {"PUT", "/millrace/log-level", Door::administrator, put},
};

}  // namespace
}  // namespace log

std::span<const Route> log_routes() {
  return log::kRoutes;
}

}  // namespace millrace::management
