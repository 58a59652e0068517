// Where the broker is and who asks it: by option, else by environment, else this machine and guest.
// What --insecure gives up is said on standard error.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "cli/given.hpp"

namespace millrace::cli {

using Environment = std::function<const char*(const char*)>;

constexpr std::uint16_t kAmqpPort = 5672;
constexpr std::uint16_t kAmqpsPort = 5671;

struct HostPort {
  std::string host;
  std::uint16_t port = 0;
};
// As a URL has it: an IPv6 address in brackets.
std::string to_text(const HostPort& where);

// How a broker is known when it is asked over TLS.
struct Trust {
  std::string ca_file;    // PEM: who vouches for it; empty: whom the system believes
  bool insecure = false;  // whoever answers is believed
};

// What it is shown over TLS of who asks.
struct Certificate {
  std::string chain_file;  // PEM; empty: nothing
  std::string key_file;    // PEM
};

struct Settings {
  HostPort http;
  bool secure = false;  // over TLS
  Trust trust;
  Certificate certificate;
  std::string user;
  bool is_user_given = false;  // else messages go as whom the certificate names, if the broker knows the name
  std::string password;
  HostPort amqp;  // no host: where the broker says that it listens
  bool amqp_secure = false;
};

// [http://]HOST[:PORT][/], as an operator or as the broker's own configuration writes it: a wildcard is this
// machine. Stops with kBadUse for anything else; `source` is what to name then.
HostPort parse_address(std::string_view text, std::string_view scheme, std::uint16_t default_port,
                       std::string_view source);

// Options --url, --http, --cacert, --insecure, --cert, --cert-key, --amqp, --user, --password,
// --password-file; MILLRACE_HTTP and so on. May ask for a password.
Settings read_settings(const Given& given, const Environment& environment);

}  // namespace millrace::cli
