// Values in words of a command line.
#pragma once

#include <boost/json/fwd.hpp>
#include <string_view>

namespace millrace::cli {

// What reads as JSON is that, its numbers to their last bit; all else is text.
boost::json::value json_or_text(std::string_view word);

}  // namespace millrace::cli
