// JSON that counts now or never, as Celery sends its events and commands: lost with the broker, and nobody
// minds when there is no one to take it.
#pragma once

#include <boost/json.hpp>

#include "millrace/message.hpp"

namespace millrace::tasks {

inline Message passing_message(const boost::json::value& body) {
  Message message(boost::json::serialize(body));
  message.content_type = "application/json";
  message.content_encoding = "utf-8";
  message.persistent = false;
  message.mandatory = false;
  return message;
}

}  // namespace millrace::tasks
