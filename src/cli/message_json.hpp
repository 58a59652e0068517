// Messages as JSON, in the words of the management API.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <vector>

#include "millrace/delivery.hpp"
#include "millrace/message.hpp"

namespace millrace::cli {

boost::json::object json_of(const Delivery& delivery);
// "content_type=text/plain" and so on, by the names of the API. Stops with kBadUse for a property that there
// is not.
void set_property(Message& message, const std::string& pair);
// "retries=3": what reads as JSON is that, all else is text.
void set_header(Message& message, const std::string& pair);

}  // namespace millrace::cli
