// Boost.JSON's parser, but for its numbers: before its release 1.85 it computes m × 10^e in doubles, which is
// off by the last bit for one number in ten of those with all their digits.
#pragma once

#include <boost/json/storage_ptr.hpp>
#include <boost/json/value.hpp>
#include <boost/system/error_code.hpp>
#include <string_view>

namespace millrace::codec {

// What `text` is; null with an error (boost::json::error) for what is no JSON. For what is handed on: numbers
// come to their last bit. Any thread.
boost::json::value parse_json(std::string_view text, boost::system::error_code& error,
                              boost::json::storage_ptr storage = {});

}  // namespace millrace::codec
