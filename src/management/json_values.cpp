#include "management/json_values.hpp"

#include <boost/json/value.hpp>
#include <utility>

#include "base/utf8.hpp"
#include "management/uri.hpp"

namespace millrace::management {
namespace {

namespace json = boost::json;
using broker::Arguments;
using broker::Value;

result<Value> to_value(const json::value& from, unsigned depth);

result<Arguments> to_arguments(const json::object& from, unsigned depth) {
  if (depth > broker::kMaxValueDepth) return fail(Errc::invalid_argument, "is nested too deeply");
  Arguments arguments;
  for (const auto& [key, member] : from) {
    auto value = to_value(member, depth + 1);
    if (!value) return fail(Errc::invalid_argument, "'" + std::string(key) + "' " + value.error().text);
    arguments.set(std::string(key), std::move(*value));
  }
  return arguments;
}

result<Value> to_value(const json::value& from, unsigned depth) {
  switch (from.kind()) {
    case json::kind::null:
      return Value{};
    case json::kind::bool_:
      return Value::boolean(from.get_bool());
    case json::kind::int64:
      return Value::integer(from.get_int64());
    case json::kind::uint64:
      return fail(Errc::invalid_argument, "is a number beyond 64 signed bits");
    case json::kind::double_:
      return Value::real(from.get_double());
    case json::kind::string:
      return Value::text(std::string(from.get_string()));
    case json::kind::array: {
      if (depth > broker::kMaxValueDepth) return fail(Errc::invalid_argument, "is nested too deeply");
      std::vector<Value> values;
      for (const json::value& element : from.get_array()) {
        auto value = to_value(element, depth + 1);
        if (!value) return value.error();
        values.push_back(std::move(*value));
      }
      return Value::array(std::move(values));
    }
    case json::kind::object: {
      auto arguments = to_arguments(from.get_object(), depth);
      if (!arguments) return arguments.error();
      return Value::table(std::move(*arguments));
    }
  }
  return fail(Errc::internal_error, "is of no known kind");
}

}  // namespace

result<Value> value_from_json(const json::value& from) {
  return to_value(from, 1);
}

result<Arguments> arguments_from_json(const json::object& from) {
  return to_arguments(from, 1);
}

result<std::vector<std::string>> tags_from_json(const json::value& json) {
  std::vector<std::string> tags;
  const auto add = [&](std::string_view tag) {
    while (tag.starts_with(' ')) tag.remove_prefix(1);
    while (tag.ends_with(' ')) tag.remove_suffix(1);
    if (!tag.empty()) tags.emplace_back(tag);
  };
  if (json.is_string()) {
    std::string_view rest = json.get_string();
    for (std::size_t comma; (comma = rest.find(',')) != std::string_view::npos;) {
      add(rest.substr(0, comma));
      rest.remove_prefix(comma + 1);
    }
    add(rest);
    return tags;
  }
  const auto refused = [] { return fail(Errc::invalid_argument, "must be text or a list of texts"); };
  if (!json.is_array()) return refused();
  for (const json::value& tag : json.get_array()) {
    if (!tag.is_string()) return refused();
    add(tag.get_string());
  }
  return tags;
}

json::value json_from_value(const Value& value) {
  struct Writer {
    json::value operator()(std::monostate) const { return nullptr; }
    json::value operator()(bool flag) const { return flag; }
    json::value operator()(std::int64_t number) const { return number; }
    json::value operator()(double number) const { return number; }
    json::value operator()(const std::string& text) const { return json::string(as_utf8(text)); }
    json::value operator()(const std::vector<Value>& values) const {
      json::array array;
      for (const Value& element : values) array.push_back(json_from_value(element));
      return array;
    }
    json::value operator()(const Arguments& arguments) const { return json_from_arguments(arguments); }
  };
  return std::visit(Writer{}, value.data);
}

json::object json_from_arguments(const Arguments& arguments) {
  json::object object;
  for (const broker::Argument& argument : arguments) {
    object[as_utf8(argument.key)] = json_from_value(argument.value);
  }
  return object;
}

}  // namespace millrace::management
