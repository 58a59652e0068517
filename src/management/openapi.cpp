#include "management/openapi.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

namespace millrace::management {

namespace json = boost::json;

namespace {

void add(json::object& into, const json::object& part, std::string_view member) {
  const json::value* given = part.if_contains(member);
  if (given == nullptr) return;
  for (const auto& [key, value] : given->as_object()) into[key] = value;
}

}  // namespace

json::object openapi_document(std::string_view version) {
  json::object document;
  json::object paths, schemas;
  for (const std::string_view text : openapi_parts()) {
    json::object part = json::parse(text).as_object();
    add(paths, part, "paths");
    add(schemas, part, "schemas");
    if (part.contains("openapi")) document = std::move(part);
  }
  document["info"].as_object()["version"] = version;
  document["paths"] = std::move(paths);
  json::object& all = document["components"].as_object()["schemas"].as_object();
  for (const auto& [key, value] : schemas) all[key] = value;
  return document;
}

}  // namespace millrace::management
