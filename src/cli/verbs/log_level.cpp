// log-level
#include <boost/json/value.hpp>

#include "cli/listing.hpp"
#include "cli/session.hpp"
#include "cli/stop.hpp"
#include "cli/terminal.hpp"
#include "cli/verb.hpp"

namespace millrace::cli {
namespace log {
namespace {

constexpr Argument kLevel[] = {
    {"LEVEL", "debug, info, warning or error; without it the level is shown", false}};

int log_level(Session& session) {
  const std::string path = api_path({"millrace", "log-level"});
  const auto wanted = session.given.find("LEVEL");
  if (wanted) session.api().put(path, {{"level", *wanted}});
  const std::string level = text_in(session.api().get(path), "level");
  session.say("what is " + level + " or worse is logged", {{"level", level}});
  return kOk;
}

}  // namespace
}  // namespace log

std::span<const Verb> log_verbs() {
  using namespace log;
  static const Verb verbs[] = {{"log-level",
                                "Show or change what is logged, until the next start",
                                kLevel,
                                {},
                                "millrace log-level\nmillrace log-level debug",
                                log_level}};
  return verbs;
}

}  // namespace millrace::cli
