#include "management/openapi.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cctype>
#include <set>
#include <string>

#include "management/api.hpp"

namespace millrace::management {
namespace {

namespace json = boost::json;

// "GET /queues/{vhost}"
std::string described(std::string_view method, std::string_view pattern) {
  std::string text(method);
  text += ' ';
  for (std::size_t i = 0; i < pattern.size();) {
    if (pattern[i] != ':') {
      text += pattern[i++];
      continue;
    }
    const std::size_t end = std::min(pattern.find('/', i), pattern.size());
    text += '{' + std::string(pattern.substr(i + 1, end - i - 1)) + '}';
    i = end;
  }
  return text;
}

std::set<std::string> routes_of_the_server() {
  std::set<std::string> found;
  for (const Route& route : all_routes()) found.insert(described(route.method, route.pattern));
  return found;
}

std::set<std::string> routes_of_the_document() {
  std::set<std::string> found;
  const json::object document = openapi_document("1");
  for (const auto& [path, operations] : document.at("paths").as_object()) {
    for (const auto& [method, operation] : operations.as_object()) {
      std::string name(method);
      for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      found.insert(name + ' ' + std::string(path));
    }
  }
  return found;
}

const json::value& resolve(const json::object& document, const json::value& given) {
  const json::value* reference = given.is_object() ? given.get_object().if_contains("$ref") : nullptr;
  if (reference == nullptr) return given;
  const json::value* at = nullptr;
  std::string_view path = reference->as_string();
  EXPECT_TRUE(path.starts_with("#/")) << path;
  const json::object* in = &document;
  for (path.remove_prefix(2); !path.empty();) {
    const std::string_view part = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(part.size() + 1, path.size()));
    at = in->if_contains(part);
    if (at == nullptr || !at->is_object()) break;
    in = &at->get_object();
  }
  EXPECT_NE(at, nullptr) << reference->as_string();
  return at == nullptr ? given : *at;
}

void check_references(const json::object& document, const json::value& value) {
  (void)resolve(document, value);
  if (value.is_object()) {
    for (const auto& [key, member] : value.get_object()) check_references(document, member);
  } else if (value.is_array()) {
    for (const json::value& element : value.get_array()) check_references(document, element);
  }
}

TEST(OpenApi, describes_each_route_and_no_other) {
  const auto server = routes_of_the_server();
  const auto document = routes_of_the_document();
  for (const std::string& route : server) EXPECT_TRUE(document.contains(route)) << "not described: " << route;
  for (const std::string& route : document) EXPECT_TRUE(server.contains(route)) << "not answered: " << route;
}

TEST(OpenApi, says_its_version_and_has_no_reference_to_nothing) {
  const json::object document = openapi_document("1.2.3");
  EXPECT_EQ(document.at("info").at("version").as_string(), "1.2.3");
  check_references(document, document);
}

TEST(OpenApi, names_each_operation_once_and_describes_the_parameters_of_its_path) {
  const json::object document = openapi_document("1");
  std::set<std::string> names;
  for (const auto& [path, operations] : document.at("paths").as_object()) {
    for (const auto& [method, operation] : operations.as_object()) {
      const json::object& of = operation.as_object();
      EXPECT_TRUE(names.emplace(of.at("operationId").as_string()).second) << of.at("operationId");
      std::set<std::string> described_parameters;
      const json::value* parameters = of.if_contains("parameters");
      for (const json::value& given : parameters == nullptr ? json::array() : parameters->as_array()) {
        const json::object& parameter = resolve(document, given).as_object();
        if (parameter.at("in").as_string() != "path") continue;
        described_parameters.emplace(parameter.at("name").as_string());
        EXPECT_TRUE(parameter.contains("example")) << parameter.at("name");
      }
      std::set<std::string> wanted;
      std::string_view rest = path;
      for (std::size_t open; (open = rest.find('{')) != std::string_view::npos;) {
        const std::size_t close = rest.find('}');
        wanted.emplace(rest.substr(open + 1, close - open - 1));
        rest.remove_prefix(close + 1);
      }
      EXPECT_EQ(described_parameters, wanted) << method << ' ' << path;
    }
  }
}

}  // namespace
}  // namespace millrace::management
