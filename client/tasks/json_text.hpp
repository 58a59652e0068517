// Texts in objects of this library's own making.
#pragma once

#include <boost/json.hpp>
#include <string>
#include <string_view>

namespace millrace::tasks {

// Throws when there is none of that name: the object was damaged.
inline std::string text_in(const boost::json::object& object, std::string_view name) {
  return boost::json::value_to<std::string>(object.at(name));
}

}  // namespace millrace::tasks
