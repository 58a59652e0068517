#include "cli/settings.hpp"

#include <optional>

#include "base/number.hpp"
#include "cli/stop.hpp"
#include "cli/terminal.hpp"

namespace millrace::cli {
namespace {

constexpr std::uint16_t kHttpPort = 15672;
constexpr std::uint16_t kAmqpPort = 5672;

struct Found {
  std::string value;
  std::string source;
};

// An empty variable counts as not set.
std::optional<Found> find(const Given& given, const Environment& environment, const std::string& option,
                          const char* variable) {
  if (const auto typed = given.find(option)) return Found{*typed, "--" + option};
  const char* set = environment(variable);
  if (set != nullptr && *set != '\0') return Found{set, variable};
  return std::nullopt;
}

std::optional<std::string> find_password(const Given& given, const Environment& environment) {
  if (const auto typed = given.find("password")) return typed;
  if (const auto file = given.find("password-file")) return read_secret(*file);
  if (const auto set = find(given, environment, "", "MILLRACE_PASSWORD")) return set->value;
  if (const auto file = find(given, environment, "", "MILLRACE_PASSWORD_FILE"))
    return read_secret(file->value);
  return std::nullopt;
}

// The broker's own configuration may list several addresses.
std::string_view first_of(std::string_view list) {
  return list.substr(0, list.find(','));
}

}  // namespace

HostPort parse_address(std::string_view text, std::string_view scheme, std::uint16_t default_port,
                       std::string_view source) {
  const auto refuse = [&](std::string_view why) {
    return Stop(kBadUse, std::string(source) + " '" + std::string(text) + "' " + std::string(why));
  };
  if (text == "off") throw refuse("names no broker: give --" + std::string(scheme) + " HOST:PORT");
  std::string_view rest = text;
  if (const std::size_t at = rest.find("://"); at != std::string_view::npos) {
    if (rest.substr(0, at) != scheme) throw refuse("is no " + std::string(scheme) + ":// address");
    rest.remove_prefix(at + 3);
  }
  rest = rest.substr(0, rest.find('/'));
  if (rest.find('@') != std::string_view::npos) {
    throw refuse(
        "holds credentials: give --user NAME, and the password by MILLRACE_PASSWORD or --password-file");
  }
  HostPort address{"", default_port};
  std::string_view port;
  if (rest.starts_with('[')) {
    const std::size_t end = rest.find(']');
    if (end == std::string_view::npos) throw refuse("lacks a ']'");
    address.host = rest.substr(1, end - 1);
    port = rest.substr(end + 1);
  } else {
    const std::size_t colon = rest.find(':');
    address.host = rest.substr(0, colon);
    port = colon == std::string_view::npos ? std::string_view() : rest.substr(colon);
  }
  // A number alone is a port, as for the broker.
  if (port.empty() && !address.host.empty() &&
      address.host.find_first_not_of("0123456789") == std::string::npos) {
    const std::string digits = std::move(address.host);
    return parse_address(std::string("localhost:") + digits, scheme, default_port, source);
  }
  if (!port.empty()) {
    if (port[0] != ':') throw refuse("is not HOST:PORT");
    address.port = whole_number<std::uint16_t>(port.substr(1)).value_or(0);
    if (address.port == 0) throw refuse("has no port from 1 to 65535");
  }
  if (address.host.empty() || address.host == "*" || address.host == "0.0.0.0" || address.host == "::") {
    address.host = "localhost";
  }
  return address;
}

Settings read_settings(const Given& given, const Environment& environment) {
  Settings settings;
  const auto http = find(given, environment, "http", "MILLRACE_HTTP");
  settings.http = http ? parse_address(first_of(http->value), "http", kHttpPort, http->source)
                       : HostPort{"127.0.0.1", kHttpPort};
  // Unlike --http it has to be typed: the broker's answer knows better than its environment.
  if (const auto amqp = given.find("amqp")) settings.amqp = parse_address(*amqp, "amqp", kAmqpPort, "--amqp");
  const auto user = find(given, environment, "user", "MILLRACE_USER");
  settings.user = user ? user->value : "guest";
  if (auto password = find_password(given, environment)) {
    settings.password = std::move(*password);
  } else if (settings.user == "guest") {
    settings.password = "guest";
  } else {
    settings.password = ask_secret("Password of " + settings.user + ": ");
  }
  return settings;
}

}  // namespace millrace::cli
