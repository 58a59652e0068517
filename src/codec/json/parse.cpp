#include "codec/json/parse.hpp"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/value_stack.hpp>
#include <charconv>
#include <cmath>
#include <utility>

namespace millrace::codec {
namespace {

namespace json = boost::json;
using boost::system::error_code;

// What the parser tells of, and what becomes of it.
struct Values {
  static constexpr std::size_t max_object_size = json::object::max_size();
  static constexpr std::size_t max_array_size = json::array::max_size();
  static constexpr std::size_t max_key_size = json::string::max_size();
  static constexpr std::size_t max_string_size = json::string::max_size();

  Values(unsigned char* memory, std::size_t bytes) : stack({}, memory, bytes) {}

  json::value_stack stack;

  static bool on_document_begin(error_code&) { return true; }
  static bool on_document_end(error_code&) { return true; }
  static bool on_object_begin(error_code&) { return true; }
  bool on_object_end(std::size_t count, error_code&) { return stack.push_object(count), true; }
  static bool on_array_begin(error_code&) { return true; }
  bool on_array_end(std::size_t count, error_code&) { return stack.push_array(count), true; }
  bool on_key_part(json::string_view part, std::size_t, error_code&) { return stack.push_chars(part), true; }
  bool on_key(json::string_view rest, std::size_t, error_code&) { return stack.push_key(rest), true; }
  bool on_string_part(json::string_view part, std::size_t, error_code&) {
    return stack.push_chars(part), true;
  }
  bool on_string(json::string_view rest, std::size_t, error_code&) { return stack.push_string(rest), true; }
  static bool on_number_part(json::string_view, error_code&) { return true; }
  bool on_int64(std::int64_t value, json::string_view, error_code&) { return stack.push_int64(value), true; }
  bool on_uint64(std::uint64_t value, json::string_view, error_code&) {
    return stack.push_uint64(value), true;
  }
  // `text` is all of it: the whole document is there at once. What no double can hold is infinite or zero.
  bool on_double(double nearly, json::string_view text, error_code&) {
    double exact = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), exact);
    stack.push_double(read.ec == std::errc() || std::isnan(nearly) ? exact : nearly);
    return true;
  }
  bool on_bool(bool value, error_code&) { return stack.push_bool(value), true; }
  bool on_null(error_code&) { return stack.push_null(), true; }
  static bool on_comment_part(json::string_view, error_code&) { return true; }
  static bool on_comment(json::string_view, error_code&) { return true; }
};

}  // namespace

json::value parse_json(std::string_view text, error_code& error, json::storage_ptr storage) {
  unsigned char memory[BOOST_JSON_STACK_BUFFER_SIZE];
  json::basic_parser<Values> parser(json::parse_options(), memory, sizeof memory);
  parser.handler().stack.reset(std::move(storage));
  const std::size_t read = parser.write_some(false, text.data(), text.size(), error);
  if (!error && read < text.size()) error = json::error::extra_data;
  if (error) return nullptr;
  return parser.handler().stack.release();
}

}  // namespace millrace::codec
