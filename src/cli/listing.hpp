// Lists of the API's items as tables and as JSON.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/session.hpp"
#include "cli/verb.hpp"

namespace millrace::cli {

enum class Look : std::uint8_t { text, number, rate, bytes, flag };

// A column: where it is in an item ("message_stats.publish_details.rate") and how it is shown.
struct Field {
  std::string_view title;
  std::string_view path;
  Look look = Look::text;
};

// Null when it is not there.
const boost::json::value* find_in(const boost::json::value& item, std::string_view path);
std::string text_in(const boost::json::value& item, std::string_view path);
double number_in(const boost::json::value& item, std::string_view path);
// As people read it: numbers plainly, lists with commas, objects as JSON, nothing for null.
std::string show_value(const boost::json::value& value, Look look);

// --columns and --sort of every list.
std::span<const Option> list_options();
// --vhost of a list: all that the user may see unless it is given.
std::string list_path(const Session& session, std::string_view kind);

// Prints what `path` lists. The column "vhost" is left out of a table where all have the same.
int print_list(Session& session, const std::string& path, std::span<const Field> fields,
               std::string_view nothing_there);
int print_items(Session& session, boost::json::array items, std::span<const Field> fields,
                std::string_view nothing_there);
// One item, a line for each of the fields.
int print_item(Session& session, const boost::json::value& item, std::span<const Field> fields);

// "x-max-length=5" and the like as JSON: what reads as JSON is that, all else is text.
boost::json::object read_arguments(const std::vector<std::string>& pairs, std::string_view option);

}  // namespace millrace::cli
