// A message whose body is JSON.
#pragma once

#include <boost/json.hpp>

#include "millrace/message.hpp"

namespace millrace::tasks {

inline Message json_message(const boost::json::value& body) {
  Message message(boost::json::serialize(body));
  message.content_type = "application/json";
  return message;
}

}  // namespace millrace::tasks
