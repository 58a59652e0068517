#include "cli/settings.hpp"

#include <cstdio>
#include <optional>

#include "base/number.hpp"
#include "cli/stop.hpp"
#include "cli/terminal.hpp"

namespace millrace::cli {
namespace {

constexpr std::uint16_t kHttpPort = 15672;
constexpr std::uint16_t kHttpsPort = 15671;

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

std::string to_text(const HostPort& where) {
  const bool is_v6 = where.host.find(':') != std::string::npos;
  return (is_v6 ? "[" + where.host + "]" : where.host) + ":" + std::to_string(where.port);
}

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

namespace {

// --url says more than --http, so it goes first wherever both are.
void read_http(const Given& given, const Environment& environment, Settings& settings) {
  settings.http = HostPort{"127.0.0.1", kHttpPort};
  const auto typed = given.find("http");
  const auto url =
      typed && !given.find("url") ? std::nullopt : find(given, environment, "url", "MILLRACE_URL");
  if (url) {
    settings.secure = url->value.starts_with("https://");
    if (!settings.secure && !url->value.starts_with("http://")) {
      throw Stop(kBadUse, url->source + " '" + url->value + "' is no http:// or https:// address");
    }
    const std::uint16_t port = settings.secure ? kHttpsPort : kHttpPort;
    settings.http = parse_address(url->value, settings.secure ? "https" : "http", port, url->source);
  } else if (const auto http = find(given, environment, "http", "MILLRACE_HTTP")) {
    settings.http = parse_address(first_of(http->value), "http", kHttpPort, http->source);
  }
}

// Messages go over TLS if requests do, unless something else was typed.
void read_amqp(const Given& given, Settings& settings) {
  settings.amqp_secure = settings.secure;
  const auto typed = given.find("amqp");
  if (!typed) return;
  if (typed->find("://") != std::string::npos) settings.amqp_secure = typed->starts_with("amqps://");
  settings.amqp = settings.amqp_secure ? parse_address(*typed, "amqps", kAmqpsPort, "--amqp")
                                       : parse_address(*typed, "amqp", kAmqpPort, "--amqp");
}

// The key may be in the file of the certificate.
void read_certificate(const Given& given, const Environment& environment, Settings& settings) {
  Certificate& certificate = settings.certificate;
  const auto typed = given.find("cert");
  const auto typed_key = given.find("cert-key");
  if (!typed && typed_key) throw Stop(kBadUse, "--cert-key wants a --cert: whose key it is");
  if (typed && !settings.secure && !settings.amqp_secure)
    throw Stop(kBadUse, "--cert is of no use without TLS: give --url https://HOST:PORT");
  const auto file = find(given, environment, "cert", "MILLRACE_CERT");
  if (!file) return;
  certificate.chain_file = certificate.key_file = file->value;
  // A key of the environment is not of a certificate that was typed.
  if (typed_key) {
    certificate.key_file = *typed_key;
  } else if (!typed) {
    if (const auto key = find(given, environment, "cert-key", "MILLRACE_CERT_KEY"))
      certificate.key_file = key->value;
  }
}

void read_trust(const Given& given, const Environment& environment, Settings& settings) {
  if (const auto file = find(given, environment, "cacert", "MILLRACE_CACERT")) {
    settings.trust.ca_file = file->value;
  }
  settings.trust.insecure = given.has("insecure");
  const bool is_secure = settings.secure || settings.amqp_secure;
  if (given.find("cacert") && !is_secure) {
    throw Stop(kBadUse, "--cacert is of no use without TLS: give --url https://HOST:PORT");
  }
  if (!settings.trust.insecure) return;
  if (!is_secure) throw Stop(kBadUse, "--insecure is of no use without TLS: give --url https://HOST:PORT");
  std::fputs("millrace: --insecure: whoever answers is believed, and is given the password\n", stderr);
}

}  // namespace

Settings read_settings(const Given& given, const Environment& environment) {
  Settings settings;
  read_http(given, environment, settings);
  // Unlike --http it has to be typed: the broker's answer knows better than its environment.
  read_amqp(given, settings);
  read_trust(given, environment, settings);
  read_certificate(given, environment, settings);
  const auto user = find(given, environment, "user", "MILLRACE_USER");
  settings.is_user_given = user.has_value();
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
