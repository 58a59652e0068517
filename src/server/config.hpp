// What an operator may set, and from where: the command line over the environment over the file over the
// default. docs/configuration.md is the operator's view of it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "auth/settings.hpp"
#include "base/result.hpp"
#include "broker/node.hpp"
#include "net/address_range.hpp"
#include "net/tls_engine.hpp"
#include "net/url.hpp"
#include "runtime/clock.hpp"
#include "server/address.hpp"
#include "storage/log.hpp"

namespace millrace::server {

// Who may know a user: the broker by its own definitions, an issuer of tokens, an HTTP server, a directory.
enum class AuthSource : std::uint8_t { internal, oauth2, http, ldap };

// Who knows users besides the broker itself.
struct AuthConfig {
  std::vector<AuthSource> order;  // in which they are asked; complete when the configuration is
  bool has_tokens = false;
  bool has_scope_prefix = false;  // as given, maybe empty
  auth::TokenSettings tokens;
  std::string tokens_ca_file;  // who vouches for the server with the keys; empty: whom the system believes
  bool has_http = false;
  auth::HttpSettings http;
  std::string http_ca_file;
  bool has_ldap = false;
  auth::LdapSettings ldap;
};

// Where spans of messages go.
struct OtlpConfig {
  std::optional<net::Url> endpoint;  // none: they are not made
  std::string ca_file;               // who vouches for it; empty: whom the system believes
};

// As it was given, by the source that won.
struct GivenOption {
  std::string option;
  std::vector<std::string> values;
};

struct Config {
  std::string data_dir = "millrace-data";
  unsigned shards = 0;  // 0: as many as there are cores
  std::vector<HostPort> amqp{{"", 5672}};
  std::vector<HostPort> http{{"", 15672}};
  std::vector<HostPort> prometheus;      // metrics, to anybody
  std::vector<HostPort> prometheus_tls;  // likewise, over TLS
  std::vector<HostPort> amqps;           // over TLS
  std::vector<HostPort> https;
  net::TlsSettings tls;
  net::LoginFrom tls_login_from = net::LoginFrom::common_name;
  AuthConfig auth;
  OtlpConfig otlp;
  std::vector<net::AddressRange> proxies;  // who must begin with a PROXY header
  std::size_t max_connections = 100'000;
  storage::SyncMode sync_mode = storage::SyncMode::sync;
  runtime::Milliseconds sync_interval{100};
  std::uint64_t max_message_bytes = 16u << 20;
  std::uint64_t memory_limit_bytes = 1u << 30;
  std::uint64_t disk_low_water_bytes = 256u << 20;
  std::uint16_t heartbeat_s = 60;
  std::uint32_t frame_max = 131'072;
  std::uint16_t channel_max = 2047;
  std::uint32_t handshake_timeout_ms = 10'000;
  bool allow_anonymous = false;
  bool log_json = false;
  broker::LogLevel log_level = broker::LogLevel::info;
  std::string definitions;  // empty: none
  std::string audit_log;    // empty: none
  std::vector<GivenOption> given;
};

struct ConfigOption {
  enum class Kind : std::uint8_t {
    value,
    list,  // may be given several times; commas separate in the environment
    flag,  // given without a value: true
  };
  std::string_view name;
  std::string_view placeholder;
  std::string_view help;
  std::string_view otherwise;  // what holds when it is not given; empty: nothing
  Kind kind = Kind::value;
  // The error says what is wrong with the value; the caller says whose it is.
  result<void> (*set)(Config& config, std::span<const std::string> values) = nullptr;
};

// "Offered to clients; 0 asks for none [60]"
std::string help_of(const ConfigOption& option);

// All of them, in the order of the help.
std::span<const ConfigOption> config_options();
const ConfigOption* find_config_option(std::string_view name);

// "data-dir" → "MILLRACE_DATA_DIR".
std::string environment_name(std::string_view option);

// Values as one source gives them, by option name.
struct ConfigValues {
  struct Entry {
    std::string option;
    std::string source;  // how to name it in an error: "--shards", "MILLRACE_SHARDS", "millrace.toml: shards"
    std::vector<std::string> values;
  };
  std::vector<Entry> entries;
};

using Environment = std::function<const char*(const char* name)>;  // as getenv

ConfigValues environment_values(const Environment& environment);
// Reads TOML. Errors: io_error (cannot be read), invalid_argument (not TOML, an unknown key, a table).
result<ConfigValues> file_values(const std::string& path);

// Sources later in the list win. invalid_argument names the source and the value.
result<Config> make_config(std::span<const ConfigValues> sources);

}  // namespace millrace::server
