// What a verb works with: what was typed, and the broker that it is about.
#pragma once

#include <boost/json/fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "cli/api.hpp"
#include "cli/given.hpp"
#include "cli/verb.hpp"

namespace millrace::cli {

class Session {
 public:
  Session(Given what, Environment environment, std::span<const Option> options_of_serve)
      : given(std::move(what)), serve_options(options_of_serve), environment_(std::move(environment)) {}

  const Given given;
  const std::span<const Option> serve_options;  // for completion

  // Made when it is first asked for: help and completion need no broker.
  Api& api();
  bool wants_json() const { return given.has("json"); }
  // Of verbs that are about one.
  std::string vhost() const { return given.find("vhost").value_or("/"); }

  // For a verb that changes something: a sentence for people, or an object that says the same.
  void say(const std::string& sentence, const boost::json::object& as_json) const;

 private:
  Environment environment_;
  std::optional<Api> api_;
};

}  // namespace millrace::cli
