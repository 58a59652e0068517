#include "cli/json_or_text.hpp"

#include <boost/json/value.hpp>

#include "millrace/json.hpp"

namespace millrace::cli {

boost::json::value json_or_text(std::string_view word) {
  boost::system::error_code malformed;
  boost::json::value value = parse_json(word, malformed);
  if (malformed) value = boost::json::string(word);
  return value;
}

}  // namespace millrace::cli
