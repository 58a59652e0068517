#include "cli/api.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "cli/stop.hpp"
#include "cli/text.hpp"

namespace millrace::cli {

namespace json = boost::json;

std::string api_path(std::initializer_list<std::string_view> parts) {
  std::string path = "/api";
  for (const std::string_view part : parts) path += "/" + percent_encode(part);
  return path;
}

std::string_view exchange_in_path(std::string_view name) {
  return name.empty() ? "amq.default" : name;
}

namespace {

std::string reason_in(const std::string& body) {
  boost::system::error_code malformed;
  const json::value parsed = json::parse(body, malformed);
  if (malformed || !parsed.is_object()) return "";
  for (const char* key : {"reason", "error"}) {
    const json::value* text = parsed.get_object().if_contains(key);
    if (text != nullptr && text->is_string()) return printable(text->get_string());
  }
  return "";
}

}  // namespace

HttpReply Api::expect_done(std::string_view method, std::string_view path, std::string body,
                           std::string_view reason) {
  HttpReply reply = http_.ask(method, path, std::move(body), reason);
  if (reply.status >= 200 && reply.status < 300) return reply;
  const std::string why = reason_in(reply.body);
  const auto refuse = [&](const std::string& text) { return Stop(kRefused, text, reply.status); };
  if (reply.status == 401 && reply.asks_for_login) {
    throw refuse("the broker does not let user '" + settings_.user + "' in" +
                 (why.empty() ? "" : ": " + why) +
                 "\nGive --user NAME, and the password by MILLRACE_PASSWORD or --password-file FILE.");
  }
  if (reply.status == 401) throw refuse("user '" + settings_.user + "' may not do that: " + why);
  if (reply.status == 404) {
    throw refuse(why.empty() || why == "Not Found" ? "there is no such thing at the broker"
                                                   : "not found: " + why);
  }
  throw refuse(why.empty() ? "the broker answered with status " + std::to_string(reply.status) : why);
}

json::value Api::get(std::string_view path) {
  const HttpReply reply = expect_done("GET", path);
  boost::system::error_code malformed;
  json::value parsed = json::parse(reply.body, malformed);
  if (malformed) {
    throw Stop(kUnreachable, address() + " does not answer as a management API does (no JSON at " +
                                 std::string(path) + ")");
  }
  return parsed;
}

bool Api::put(std::string_view path, const json::object& body) {
  return expect_done("PUT", path, json::serialize(body)).status == 201;
}

json::value Api::post(std::string_view path, const json::object& body) {
  const HttpReply reply = expect_done("POST", path, json::serialize(body));
  if (reply.body.empty()) return nullptr;
  boost::system::error_code malformed;
  return json::parse(reply.body, malformed);
}

void Api::post_text(std::string_view path, std::string body) {
  expect_done("POST", path, std::move(body));
}

void Api::remove(std::string_view path, std::string_view reason) {
  expect_done("DELETE", path, {}, reason);
}

}  // namespace millrace::cli
