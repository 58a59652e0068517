// Lists as RabbitMQ answers them: filtered by name, sorted, a page of them, some columns of them.
//
//   sort=COLUMN sort_reverse=true    COLUMN may lead into objects: message_stats.publish_details.rate
//   columns=COLUMN,COLUMN
//   page=N page_size=N               an object {items, page, page_count, …} instead of an array
//   name=TEXT use_regex=true         of a page: items whose name has TEXT in it, or matches it, whatever the
//   case
#pragma once

#include <boost/json/object.hpp>
#include <vector>

#include "management/call.hpp"

namespace millrace::management {

inline constexpr std::size_t kDefaultPageItems = 100;
inline constexpr std::size_t kMaxPageItems = 500;

Answer list_answer(const Call& call, std::vector<boost::json::object> items);
// One object, of which the query may choose columns.
Answer object_answer(const Call& call, const boost::json::object& object);

}  // namespace millrace::management
