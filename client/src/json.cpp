#include "millrace/json.hpp"

#include <utility>

#include "codec/json/parse.hpp"

namespace millrace {

boost::json::value parse_json(std::string_view text, boost::system::error_code& error,
                              boost::json::storage_ptr storage) {
  return codec::parse_json(text, error, std::move(storage));
}

boost::json::value parse_json(std::string_view text, boost::json::storage_ptr storage) {
  boost::system::error_code error;
  boost::json::value value = codec::parse_json(text, error, std::move(storage));
  if (error) throw boost::system::system_error(error);
  return value;
}

}  // namespace millrace
