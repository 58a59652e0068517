#include "management/listing.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <cctype>
#include <charconv>
#include <optional>

#include "broker/access/pattern.hpp"

namespace millrace::management {
namespace {

namespace json = boost::json;

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t end = text.find(at);
    if (end != 0) parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return parts;
}

const json::value* find_column(const json::object& item, std::string_view column) {
  const json::object* in = &item;
  for (;;) {
    const std::size_t dot = column.find('.');
    const json::value* found = in->if_contains(column.substr(0, dot));
    if (found == nullptr || dot == std::string_view::npos) return found;
    in = found->if_object();
    if (in == nullptr) return nullptr;
    column.remove_prefix(dot + 1);
  }
}

void put_column(json::object& into, std::string_view column, const json::value& value) {
  const std::size_t dot = column.find('.');
  if (dot == std::string_view::npos) {
    into[column] = value;
    return;
  }
  json::value& inner = into[column.substr(0, dot)];
  if (!inner.is_object()) inner = json::object();
  put_column(inner.get_object(), column.substr(dot + 1), value);
}

json::object choose(const json::object& item, const std::vector<std::string_view>& columns) {
  json::object chosen;
  for (const std::string_view column : columns) {
    if (const json::value* value = find_column(item, column)) put_column(chosen, column, *value);
  }
  return chosen;
}

// Erlang's order between types: numbers before other atoms before text; what is not there comes first.
int rank(const json::value* value) noexcept {
  if (value == nullptr || value->is_null()) return 0;
  if (value->is_number()) return 1;
  if (value->is_bool()) return 2;
  return value->is_string() ? 3 : 4;
}

bool less(const json::value* a, const json::value* b) {
  if (rank(a) != rank(b)) return rank(a) < rank(b);
  switch (rank(a)) {
    case 1:
      return a->to_number<double>() < b->to_number<double>();
    case 2:
      return a->get_bool() < b->get_bool();
    case 3:
      return a->get_string() < b->get_string();
    default:
      return false;
  }
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

result<void> filter(const Call& call, std::vector<json::object>& items) {
  const std::string* wanted = call.target.find("name");
  if (wanted == nullptr || wanted->empty()) return {};
  const bool is_regex = call.target.is_true("use_regex");
  const broker::Pattern pattern(is_regex ? "(?i)" + *wanted : std::string());
  if (!pattern.valid()) return fail(Errc::invalid_argument, "name is not a valid regular expression");
  const std::string part = lower(*wanted);
  std::erase_if(items, [&](const json::object& item) {
    const json::value* name = item.if_contains("name");
    if (name == nullptr || !name->is_string()) return true;
    if (is_regex) return !pattern.search(name->get_string());
    return lower(name->get_string()).find(part) == std::string::npos;
  });
  return {};
}

result<std::size_t> number(const Call& call, std::string_view name, std::size_t otherwise,
                           std::size_t highest) {
  const std::string* text = call.target.find(name);
  if (text == nullptr) return otherwise;
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size() || value == 0 || value > highest) {
    return fail(Errc::invalid_argument,
                std::string(name) + " must be a number from 1 to " + std::to_string(highest));
  }
  return value;
}

void sort(const Call& call, std::vector<json::object>& items) {
  if (const std::string* column = call.target.find("sort"); column != nullptr && !column->empty()) {
    std::stable_sort(items.begin(), items.end(), [&](const json::object& a, const json::object& b) {
      return less(find_column(a, *column), find_column(b, *column));
    });
  }
  if (call.target.is_true("sort_reverse")) std::reverse(items.begin(), items.end());
}

void choose_columns(const Call& call, std::vector<json::object>& items) {
  const std::string* columns = call.target.find("columns");
  if (columns == nullptr) return;
  const auto names = split(*columns, ',');
  if (names.empty()) return;
  for (json::object& item : items) item = choose(item, names);
}

json::array as_array(std::vector<json::object>&& items) {
  json::array array;
  array.reserve(items.size());
  for (json::object& item : items) array.emplace_back(std::move(item));
  return array;
}

}  // namespace

Answer list_answer(const Call& call, std::vector<json::object> items) {
  if (call.target.find("page") == nullptr && !call.target.is_true("pagination")) {
    sort(call, items);
    choose_columns(call, items);
    return json_answer(as_array(std::move(items)));
  }
  const auto page = number(call, "page", 1, SIZE_MAX / kMaxPageItems);
  if (page.has_error()) return refusal(page.error());
  const auto page_size = number(call, "page_size", kDefaultPageItems, kMaxPageItems);
  if (page_size.has_error()) return refusal(page_size.error());
  const std::size_t total = items.size();
  if (const auto filtered = filter(call, items); filtered.has_error()) return refusal(filtered.error());
  sort(call, items);
  const std::size_t found = items.size();
  const std::size_t pages = std::max<std::size_t>(1, (found + *page_size - 1) / *page_size);
  if (*page > pages) {
    return refusal(400, "page_out_of_range",
                   "Page out of range, page: " + std::to_string(*page) + " page count: " +
                       std::to_string(pages) + ", page size: " + std::to_string(*page_size));
  }
  const std::size_t first = (*page - 1) * *page_size;
  const std::size_t last = std::min(found, first + *page_size);
  items.erase(items.begin() + static_cast<std::ptrdiff_t>(last), items.end());
  items.erase(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(first));
  choose_columns(call, items);
  json::object answer;
  answer["filtered_count"] = found;
  answer["item_count"] = items.size();
  answer["items"] = as_array(std::move(items));
  answer["page"] = *page;
  answer["page_count"] = pages;
  answer["page_size"] = *page_size;
  answer["total_count"] = total;
  return json_answer(answer);
}

Answer object_answer(const Call& call, const json::object& object) {
  const std::string* columns = call.target.find("columns");
  if (columns == nullptr) return json_answer(object);
  const auto names = split(*columns, ',');
  return json_answer(names.empty() ? object : choose(object, names));
}

}  // namespace millrace::management
