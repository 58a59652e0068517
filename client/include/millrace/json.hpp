// JSON bodies by Boost.JSON: for every type that boost::json::value_from and value_to know, which are the
// standard containers, structures described with BOOST_DESCRIBE_STRUCT, and what the program adds with
// tag_invoke.
//
// Link with Boost::json, or include <boost/json/src.hpp> in one source.
#pragma once

#include <boost/describe/class.hpp>
#include <boost/json.hpp>
#include <string>
#include <string_view>

#include "millrace/codec.hpp"

namespace millrace {

// As boost::json::parse, and numbers come to their last bit, as Python and others write and read them. Throws
// boost::system::system_error for what is no JSON; the other form sets `error` and returns null.
boost::json::value parse_json(std::string_view text, boost::json::storage_ptr storage = {});
boost::json::value parse_json(std::string_view text, boost::system::error_code& error,
                              boost::json::storage_ptr storage = {});

struct Json {
  static constexpr std::string_view content_type = "application/json";

  template <class T>
  static std::string encode(const T& value) {
    return boost::json::serialize(boost::json::value_from(value));
  }
  template <class T>
  static T decode(std::string_view body, std::type_identity<T>) {
    return boost::json::value_to<T>(parse_json(body));
  }
};

template <class T>
Message to_json(const T& value) {
  return encode<Json>(value);
}
template <class T>
T from_json(const Message& message) {
  return decode<T, Json>(message);
}

}  // namespace millrace
