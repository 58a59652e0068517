#include "cli/api.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <charconv>

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

std::string percent_decode(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned byte = 0;
    const bool escape = text[i] == '%' && i + 2 < text.size() &&
                        std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16).ec == std::errc();
    decoded += escape ? static_cast<char>(byte) : text[i];
    if (escape) i += 2;
  }
  return decoded;
}

// "/api/queues/%2F/jobs" as "there is no queue 'jobs' in virtual host '/'", or no such virtual host.
std::string missing_text(std::string_view path) {
  struct Kind {
    std::string_view in_path;
    std::string_view name;
    std::size_t at;  // where in the path the name is
  };
  constexpr Kind kKinds[] = {
      {"queues", "queue", 2},
      {"exchanges", "exchange", 2},
      {"connections", "connection", 1},
      {"users", "user", 1},
      {"vhosts", "virtual host", 1},
      {"policies", "policy", 2},
      {"operator-policies", "operator policy", 2},
      {"permissions", "permission of user", 2},
      {"topic-permissions", "topic permission of user", 2},
  };
  const std::vector<std::string> parts = split(path.substr(0, path.find('?')).substr(4), '/');
  for (const Kind& kind : kKinds) {
    if (parts.empty() || parts[0] != kind.in_path) continue;
    const auto part = [&](std::size_t at) { return "'" + printable(percent_decode(parts[at])) + "'"; };
    if (kind.at < parts.size()) {
      return "there is no " + std::string(kind.name) + " " + part(kind.at) +
             (kind.at == 2 ? " in virtual host " + part(1) : "");
    }
    if (kind.at == 2 && parts.size() == 2) return "there is no virtual host " + part(1);
  }
  if (parts.size() > 4 && parts[0] == "bindings") {
    return "there is no exchange or queue of these names, or no such binding between them";
  }
  if (parts.size() == 2) return "there is no virtual host '" + printable(percent_decode(parts[1])) + "'";
  return "there is no such thing at the broker";
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
  if (reply.status == 404) throw refuse(missing_text(path));
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
