// Arguments as JSON and back, as RabbitMQ's definitions write them.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "broker/value.hpp"

namespace millrace::management {

// Whole numbers become 64-bit integers, fractions doubles, text long strings. invalid_argument: nested deeper
// than broker::kMaxValueDepth, or a number beyond 64 signed bits.
result<broker::Value> value_from_json(const boost::json::value& json);
result<broker::Arguments> arguments_from_json(const boost::json::object& json);

// "administrator,monitoring", or a list of texts. invalid_argument: neither.
result<std::vector<std::string>> tags_from_json(const boost::json::value& json);

// Timestamps become numbers; binary data becomes text as it is.
boost::json::value json_from_value(const broker::Value& value);
boost::json::object json_from_arguments(const broker::Arguments& arguments);

}  // namespace millrace::management
