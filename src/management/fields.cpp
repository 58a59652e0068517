#include "management/fields.hpp"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/number.hpp"
#include "management/json_values.hpp"

namespace millrace::management {

namespace json = boost::json;

void Fields::refuse(std::string text) {
  if (!error_) error_ = fail(Errc::invalid_argument, std::move(text));
}

const json::value* Fields::find(std::string_view key) const {
  const json::value* found = object_.if_contains(key);
  return found == nullptr || found->is_null() ? nullptr : found;
}

std::string Fields::text(std::string_view key) {
  if (find(key) == nullptr) refuse("key_missing: " + std::string(key));
  return optional_text(key).value_or("");
}

std::optional<std::string> Fields::optional_text(std::string_view key) {
  const json::value* found = find(key);
  if (found == nullptr) return std::nullopt;
  if (found->is_string()) return std::string(found->get_string());
  refuse("'" + std::string(key) + "' must be text");
  return std::nullopt;
}

bool Fields::flag(std::string_view key, bool otherwise) {
  const json::value* found = find(key);
  if (found == nullptr) return otherwise;
  if (found->is_bool()) return found->get_bool();
  if (found->is_string() && found->get_string() == "true") return true;
  if (found->is_string() && found->get_string() == "false") return false;
  refuse("'" + std::string(key) + "' must be true or false");
  return otherwise;
}

std::int64_t Fields::number(std::string_view key, std::int64_t otherwise) {
  const json::value* found = find(key);
  if (found == nullptr) return otherwise;
  if (found->is_int64()) return found->get_int64();
  if (found->is_string()) {
    if (const auto value = whole_number<std::int64_t>(found->get_string())) return *value;
  }
  refuse("'" + std::string(key) + "' must be a whole number");
  return otherwise;
}

broker::Arguments Fields::arguments(std::string_view key) {
  const json::value* found = find(key);
  if (found == nullptr || (found->is_array() && found->get_array().empty())) return {};
  if (!found->is_object()) {
    refuse("'" + std::string(key) + "' must be an object");
    return {};
  }
  auto arguments = arguments_from_json(found->get_object());
  if (arguments.has_value()) return std::move(*arguments);
  refuse("'" + std::string(key) + "': " + arguments.error().text);
  return {};
}

std::vector<std::string> Fields::tags(std::string_view key) {
  const json::value* found = find(key);
  if (found == nullptr) return {};
  auto tags = tags_from_json(*found);
  if (tags.has_value()) return std::move(*tags);
  refuse("'" + std::string(key) + "' " + tags.error().text);
  return {};
}

}  // namespace millrace::management
