// How one attempt at a task ended.
#pragma once

#include <boost/json.hpp>
#include <exception>
#include <optional>
#include <string>

#include "millrace/tasks/call.hpp"

namespace millrace::tasks {

struct Outcome {
  enum class Kind : std::uint8_t {
    success,
    failure,        // an exception, the soft limit, a dead process: retried
    retry,          // the task asked for another attempt
    reject,         // never again: to the dead letters
    bad_arguments,  // likewise
    cancelled,      // stopped because somebody asked
  };

  Kind kind = Kind::failure;
  boost::json::value value;  // of success
  std::string type;          // of anything else: the exception's name, without namespaces
  std::string text;
  std::optional<Milliseconds> after;  // of retry
  bool process_died = false;          // of failure

  static Outcome success(boost::json::value value);
  static Outcome failure(std::string type, std::string text);
};

Outcome outcome_of(const std::exception_ptr& thrown);

// Between a worker and its child processes.
boost::json::object to_json(const Outcome& outcome);
Outcome outcome_from(const boost::json::object& object);

}  // namespace millrace::tasks
