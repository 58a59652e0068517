#include "cli/session.hpp"

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "cli/terminal.hpp"
#include "cli/text.hpp"

namespace millrace::cli {

Api& Session::api() {
  if (!api_) api_.emplace(read_settings(given, environment_));
  return *api_;
}

void Session::say(const std::string& sentence, const boost::json::object& as_json) const {
  print((wants_json() ? boost::json::serialize(as_json) : printable(sentence)) + "\n");
}

}  // namespace millrace::cli
