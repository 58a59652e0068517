// JSON that counts now or never, as Celery sends its events and commands: lost with the broker, and nobody
// minds when there is no one to take it.
#pragma once

#include <boost/json.hpp>

#include "client/tasks/json_message.hpp"

namespace millrace::tasks {

inline Message passing_message(const boost::json::value& body) {
  Message message = json_message(body);
  message.content_encoding = "utf-8";
  message.persistent = false;
  message.mandatory = false;
  return message;
}

}  // namespace millrace::tasks
