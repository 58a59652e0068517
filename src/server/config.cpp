#include "server/config.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <utility>

#include "base/number.hpp"
#include "server/config_auth.hpp"

namespace millrace::server {
namespace {

Error bad_value(std::string_view value, std::string_view wanted) {
  return fail(Errc::invalid_argument, "'" + std::string(value) + "' is not " + std::string(wanted));
}

result<std::uint64_t> parse_number(std::string_view text, std::uint64_t lowest, std::uint64_t highest) {
  const auto number = whole_number<std::uint64_t>(text);
  if (!number || *number < lowest || *number > highest) {
    return bad_value(text, "a number from " + std::to_string(lowest) + " to " + std::to_string(highest));
  }
  return *number;
}

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};
constexpr std::array<Unit, 7> kSizeUnits{{{"", 1},
                                          {"KiB", 1u << 10},
                                          {"MiB", 1u << 20},
                                          {"GiB", 1u << 30},
                                          {"kB", 1000},
                                          {"MB", 1'000'000},
                                          {"GB", 1'000'000'000}}};

result<std::uint64_t> parse_size(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  if (error == std::errc()) {
    for (const Unit& known : kSizeUnits) {
      if (known.name == unit && number <= UINT64_MAX / known.factor) return number * known.factor;
    }
  }
  return bad_value(text, "a size in bytes (1048576, 16MiB, 1GiB, 500MB)");
}

result<void> set_size(std::uint64_t& to, std::string_view text) {
  const auto size = parse_size(text);
  if (!size) return size.error();
  to = *size;
  return {};
}

// RabbitMQ's cap as well: a message is held in memory whole.
constexpr std::uint64_t kMessageBytesCap = 512u << 20;

result<void> set_message_size(std::uint64_t& to, std::string_view text) {
  const auto size = parse_size(text);
  if (!size) return size.error();
  if (*size > kMessageBytesCap) return bad_value(text, "a size of at most 512MiB");
  to = *size;
  return {};
}

template <class T>
result<void> set_number(T& to, std::string_view text, std::uint64_t lowest, std::uint64_t highest) {
  const auto number = parse_number(text, lowest, highest);
  if (!number) return number.error();
  to = static_cast<T>(*number);
  return {};
}

result<void> set_path(std::string& to, std::string_view text) {
  if (text.empty()) return bad_value(text, "a path");
  to = text;
  return {};
}

result<void> set_flag(bool& to, std::string_view text) {
  if (text != "true" && text != "false") return bad_value(text, "true or false");
  to = text == "true";
  return {};
}

result<void> set_addresses(std::vector<HostPort>& to, std::span<const std::string> values) {
  to.clear();
  for (const std::string& value : values) {
    if (value == "off") {
      if (values.size() == 1) return {};
      return fail(Errc::invalid_argument, "'off' does not go with addresses");
    }
    auto address = parse_host_port(value);
    if (!address) return address.error();
    to.push_back(std::move(*address));
  }
  return {};
}

// One of a few words, each with what it stands for.
template <class T, std::size_t N>
result<void> set_word(T& to, std::string_view text,
                      const std::array<std::pair<std::string_view, T>, N>& words) {
  std::string wanted;
  for (std::size_t i = 0; i < N; ++i) {
    if (words[i].first == text) {
      to = words[i].second;
      return {};
    }
    wanted += (i == 0 ? "" : i + 1 == N ? " or " : ", ") + std::string(words[i].first);
  }
  return bad_value(text, wanted);
}

// Certificates and their keys are given in the same order.
result<void> set_tls_files(Config& config, std::span<const std::string> paths,
                           std::string net::TlsSettings::Certificate::*which) {
  auto& certificates = config.tls.certificates;
  for (auto& certificate : certificates) (certificate.*which).clear();
  if (certificates.size() < paths.size()) certificates.resize(paths.size());
  for (std::size_t i = 0; i < paths.size(); ++i) {
    if (const auto set = set_path(certificates[i].*which, paths[i]); !set) return set;
  }
  while (!certificates.empty() && certificates.back().chain_file.empty() &&
         certificates.back().key_file.empty()) {
    certificates.pop_back();
  }
  return {};
}

result<void> set_verify(Config& config, std::string_view text) {
  using net::VerifyClient;
  constexpr std::array<std::pair<std::string_view, VerifyClient>, 3> kWords{
      {{"none", VerifyClient::none},
       {"optional", VerifyClient::optional},
       {"require", VerifyClient::require}}};
  return set_word(config.tls.verify, text, kWords);
}

result<void> set_login_from(Config& config, std::string_view text) {
  using net::LoginFrom;
  constexpr std::array<std::pair<std::string_view, LoginFrom>, 5> kWords{
      {{"common-name", LoginFrom::common_name},
       {"distinguished-name", LoginFrom::distinguished_name},
       {"san-dns", LoginFrom::san_dns},
       {"san-email", LoginFrom::san_email},
       {"san-uri", LoginFrom::san_uri}}};
  return set_word(config.tls_login_from, text, kWords);
}

result<void> set_tls_versions(Config& config, std::string_view text) {
  constexpr std::array<std::pair<std::string_view, bool>, 2> kWords{{{"1.2", false}, {"1.3", true}}};
  return set_word(config.tls.only_tls13, text, kWords);
}

result<void> set_proxies(Config& config, std::span<const std::string> values) {
  config.proxies.clear();
  for (const std::string& value : values) {
    const auto range = net::AddressRange::parse(value);
    if (!range) return range.error();
    config.proxies.push_back(*range);
  }
  return {};
}

// As OTEL_EXPORTER_OTLP_ENDPOINT: what traces are sent to lies below it.
result<void> set_otlp_endpoint(Config& config, std::string_view text) {
  auto url = net::Url::parse(text);
  if (!url) return url.error();
  if (url->target.find('?') != std::string::npos) return bad_value(text, "a URL without a query");
  while (url->target.ends_with('/')) url->target.pop_back();
  url->target += "/v1/traces";
  config.otlp.endpoint = std::move(*url);
  return {};
}

// What no option can say alone.
result<void> check_together(const Config& config) {
  for (const auto& certificate : config.tls.certificates) {
    if (certificate.chain_file.empty() || certificate.key_file.empty()) {
      return fail(Errc::invalid_argument, "each tls-certificate wants a tls-key, in the same order");
    }
  }
  const bool is_secure = !config.amqps.empty() || !config.https.empty() || !config.prometheus_tls.empty();
  if (config.tls.certificates.empty() && is_secure) {
    return fail(Errc::invalid_argument,
                "amqps, https and prometheus-tls want a tls-certificate and a tls-key");
  }
  if (config.tls.verify != net::VerifyClient::none && config.tls.ca_file.empty()) {
    return fail(Errc::invalid_argument, "tls-verify wants a tls-ca: who vouches for clients");
  }
  if (config.tls.verify == net::VerifyClient::none && !config.tls.crl_file.empty()) {
    return fail(Errc::invalid_argument, "tls-crl is of no use without tls-verify");
  }
  if (!config.otlp.ca_file.empty() && (!config.otlp.endpoint || !config.otlp.endpoint->secure)) {
    return fail(Errc::invalid_argument, "otlp-ca is of no use without an otlp-endpoint of https");
  }
  return check_auth(config.auth);
}

result<void> set_sync(Config& config, std::string_view text) {
  constexpr std::string_view kInterval = "interval=";
  if (text == "sync") {
    config.sync_mode = storage::SyncMode::sync;
  } else if (text == "os") {
    config.sync_mode = storage::SyncMode::os;
  } else if (text.starts_with(kInterval)) {
    const auto interval = parse_number(text.substr(kInterval.size()), 1, 60'000);
    if (!interval) return interval.error();
    config.sync_mode = storage::SyncMode::interval;
    config.sync_interval = runtime::Milliseconds(*interval);
  } else {
    return bad_value(text, "sync, interval=MILLISECONDS or os");
  }
  return {};
}

result<void> set_log_format(Config& config, std::string_view text) {
  if (text != "text" && text != "json") return bad_value(text, "text or json");
  config.log_json = text == "json";
  return {};
}

result<void> set_log_level(Config& config, std::string_view text) {
  constexpr std::array<std::pair<std::string_view, broker::LogLevel>, 4> kLevels{
      {{"debug", broker::LogLevel::debug},
       {"info", broker::LogLevel::info},
       {"warning", broker::LogLevel::warning},
       {"error", broker::LogLevel::error}}};
  for (const auto& [name, level] : kLevels) {
    if (name != text) continue;
    config.log_level = level;
    return {};
  }
  return bad_value(text, "debug, info, warning or error");
}

using Values = std::span<const std::string>;
using Kind = ConfigOption::Kind;

// The smallest frame_max that AMQP 0-9-1 allows (§4.2.3); 0 is no limit.
constexpr std::uint64_t kFrameMinSize = 4096;

constexpr std::array kOptions{
    ConfigOption{"data-dir", "DIR", "Where everything durable is kept; made on first use", "./millrace-data",
                 Kind::value, [](Config& c, Values v) { return set_path(c.data_dir, v.back()); }},
    ConfigOption{"shards", "N", "Threads that carry messages, fixed when DIR is made", "one for each core",
                 Kind::value, [](Config& c, Values v) { return set_number(c.shards, v.back(), 1, 1024); }},
    ConfigOption{
        "amqp", "HOST:PORT|off",
        "Where to listen for AMQP 0-9-1; may be repeated; * for all interfaces, port 0 for a free one",
        "*:5672", Kind::list, [](Config& c, Values v) { return set_addresses(c.amqp, v); }},
    ConfigOption{"http", "HOST:PORT|off", "Likewise for the management HTTP API", "*:15672", Kind::list,
                 [](Config& c, Values v) { return set_addresses(c.http, v); }},
    ConfigOption{"prometheus", "HOST:PORT|off",
                 "Likewise for metrics alone, without a login; RabbitMQ's port is 15692", "off", Kind::list,
                 [](Config& c, Values v) { return set_addresses(c.prometheus, v); }},
    ConfigOption{"prometheus-tls", "HOST:PORT|off",
                 "Likewise over TLS; with tls-verify require for those alone who show a certificate; "
                 "RabbitMQ's port is 15691",
                 "off", Kind::list, [](Config& c, Values v) { return set_addresses(c.prometheus_tls, v); }},
    ConfigOption{"amqps", "HOST:PORT|off", "Likewise for AMQP over TLS; the usual port is 5671", "off",
                 Kind::list, [](Config& c, Values v) { return set_addresses(c.amqps, v); }},
    ConfigOption{"https", "HOST:PORT|off",
                 "Likewise for the management HTTP API over TLS; the usual port is 15671", "off", Kind::list,
                 [](Config& c, Values v) { return set_addresses(c.https, v); }},
    ConfigOption{
        "tls-certificate", "FILE",
        "PEM: the certificate to show, and behind it those that vouch for it; repeated, the one is shown "
        "that fits the name that the client asks for",
        "", Kind::list,
        [](Config& c, Values v) { return set_tls_files(c, v, &net::TlsSettings::Certificate::chain_file); }},
    ConfigOption{
        "tls-key", "FILE", "PEM: its key, without a passphrase", "", Kind::list,
        [](Config& c, Values v) { return set_tls_files(c, v, &net::TlsSettings::Certificate::key_file); }},
    ConfigOption{"tls-ca", "FILE", "PEM: the authorities that vouch for clients", "", Kind::value,
                 [](Config& c, Values v) { return set_path(c.tls.ca_file, v.back()); }},
    ConfigOption{"tls-crl", "FILE", "PEM: which of their certificates are revoked", "", Kind::value,
                 [](Config& c, Values v) { return set_path(c.tls.crl_file, v.back()); }},
    ConfigOption{"tls-verify", "WHOM", "Certificates of clients: none is asked for, optional, require",
                 "none", Kind::value, [](Config& c, Values v) { return set_verify(c, v.back()); }},
    ConfigOption{"tls-login-from", "NAME",
                 "The user that a certificate logs in as (mechanism EXTERNAL): common-name, "
                 "distinguished-name, san-dns, san-email or san-uri",
                 "common-name", Kind::value, [](Config& c, Values v) { return set_login_from(c, v.back()); }},
    ConfigOption{"tls-min-version", "VERSION", "1.2 or 1.3", "1.2", Kind::value,
                 [](Config& c, Values v) { return set_tls_versions(c, v.back()); }},
    ConfigOption{"proxy-protocol-from", "ADDRESS[/BITS]",
                 "Proxies that begin each connection with a PROXY header (version 1 or 2), which says who "
                 "the client is; may be repeated",
                 "", Kind::list, [](Config& c, Values v) { return set_proxies(c, v); }},
    ConfigOption{"oauth2-resource-server", "ID",
                 "Let in who has a token for this audience, as password or as Bearer", "", Kind::value,
                 [](Config& c, Values v) { return set_token_audience(c.auth, v.back()); }},
    ConfigOption{"oauth2-keys", "FILE|URL", "The issuer's keys: a JSON Web Key Set, from a file or by https",
                 "", Kind::value, [](Config& c, Values v) { return set_token_keys(c.auth, v.back()); }},
    ConfigOption{"oauth2-ca", "FILE", "PEM: who vouches for the URL's server", "whom the system believes",
                 Kind::value, [](Config& c, Values v) { return set_path(c.auth.tokens_ca_file, v.back()); }},
    ConfigOption{"oauth2-secret", "FILE", "The secret of tokens that are signed by HS256, HS384 or HS512", "",
                 Kind::value,
                 [](Config& c, Values v) { return set_path(c.auth.tokens.secret_file, v.back()); }},
    ConfigOption{"oauth2-issuer", "TEXT", "The \"iss\" that tokens must have", "any", Kind::value,
                 [](Config& c, Values v) -> result<void> {
                   c.auth.tokens.rules.issuer = v.back();
                   return {};
                 }},
    ConfigOption{"oauth2-algorithm", "NAME", "Algorithms that may have signed them; may be repeated",
                 "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA, with oauth2-secret also HS256 "
                 "HS384 HS512",
                 Kind::list, [](Config& c, Values v) { return set_token_algorithms(c.auth, v); }},
    ConfigOption{"oauth2-user-claim", "NAME",
                 "The claim that names the user; repeated, the first that a token has",
                 "preferred_username sub client_id", Kind::list,
                 [](Config& c, Values v) { return set_names(c.auth.tokens.rules.user_claims, v); }},
    ConfigOption{"oauth2-scope-claim", "NAME", "The claim with the scopes; may be repeated", "scope",
                 Kind::list,
                 [](Config& c, Values v) { return set_names(c.auth.tokens.rules.scope_claims, v); }},
    ConfigOption{"oauth2-scope-prefix", "TEXT", "What our scopes begin with", "ID and a point", Kind::value,
                 [](Config& c, Values v) -> result<void> {
                   c.auth.tokens.scope_prefix = v.back();
                   c.auth.has_scope_prefix = true;
                   return {};
                 }},
    ConfigOption{"auth-order", "WHO",
                 "Who is asked about users, repeated, in this order: internal, oauth2, http, ldap",
                 "those that are configured, in that order", Kind::list,
                 [](Config& c, Values v) { return set_auth_order(c.auth, v); }},
    ConfigOption{"auth-http-user", "URL", "Ask this server, as RabbitMQ's HTTP back end does: who logs in",
                 "", Kind::value,
                 [](Config& c, Values v) { return set_private_url(c.auth.http.user, v.back()); }},
    ConfigOption{"auth-http-vhost", "URL", "Who may enter a vhost", "", Kind::value,
                 [](Config& c, Values v) { return set_private_url(c.auth.http.vhost, v.back()); }},
    ConfigOption{"auth-http-resource", "URL", "Who may configure, write, read an exchange or a queue", "",
                 Kind::value,
                 [](Config& c, Values v) { return set_private_url(c.auth.http.resource, v.back()); }},
    ConfigOption{"auth-http-topic", "URL", "Who may write, read a routing key of a topic exchange", "",
                 Kind::value,
                 [](Config& c, Values v) { return set_private_url(c.auth.http.topic, v.back()); }},
    ConfigOption{"auth-http-ca", "FILE", "PEM: who vouches for that server", "whom the system believes",
                 Kind::value, [](Config& c, Values v) { return set_path(c.auth.http_ca_file, v.back()); }},
    ConfigOption{"auth-http-cache", "SECONDS", "For how long an answer is good", "15", Kind::value,
                 [](Config& c, Values v) { return set_cache_seconds(c.auth.http.cache, v.back()); }},
    ConfigOption{"ldap", "URL", "Ask this directory who logs in: ldaps://HOST[:PORT], or ldap://", "",
                 Kind::value, [](Config& c, Values v) { return set_ldap_url(c.auth, v.back()); }},
    ConfigOption{"ldap-start-tls", "", "Go on in TLS after ldap://", "false", Kind::flag,
                 [](Config& c, Values v) { return set_flag(c.auth.ldap.start_tls, v.back()); }},
    ConfigOption{"ldap-ca", "FILE", "PEM: who vouches for the directory", "whom the system believes",
                 Kind::value, [](Config& c, Values v) { return set_path(c.auth.ldap.ca_file, v.back()); }},
    ConfigOption{"ldap-user-dn", "DN", "Whom to bind as; ${username} stands for who logs in", "", Kind::value,
                 [](Config& c, Values v) { return set_path(c.auth.ldap.user_dn, v.back()); }},
    ConfigOption{"ldap-user-base", "DN", "Look up whom to bind as below this, rather than by ldap-user-dn",
                 "", Kind::value,
                 [](Config& c, Values v) { return set_path(c.auth.ldap.user_base, v.back()); }},
    ConfigOption{"ldap-user-filter", "FILTER", "How; ${username} stands for who logs in", "(uid=${username})",
                 Kind::value,
                 [](Config& c, Values v) { return set_path(c.auth.ldap.user_filter, v.back()); }},
    ConfigOption{"ldap-bind-dn", "DN", "Who may look up", "anybody", Kind::value,
                 [](Config& c, Values v) { return set_path(c.auth.ldap.bind_dn, v.back()); }},
    ConfigOption{"ldap-bind-password-file", "FILE", "The password of who looks up", "", Kind::value,
                 [](Config& c, Values v) { return set_path(c.auth.ldap.bind_password_file, v.back()); }},
    ConfigOption{"ldap-vhost-group", "DN", "The group whose members may use a vhost; ${vhost} stands for it",
                 "every vhost", Kind::value,
                 [](Config& c, Values v) { return set_path(c.auth.ldap.vhost_group, v.back()); }},
    ConfigOption{"ldap-tag-group", "TAG=DN", "The group whose members have a tag; may be repeated", "",
                 Kind::list, [](Config& c, Values v) { return set_tag_groups(c.auth, v); }},
    ConfigOption{"ldap-member", "NAME", "The attribute that names a group's members by DN", "member",
                 Kind::value, [](Config& c, Values v) { return set_path(c.auth.ldap.member, v.back()); }},
    ConfigOption{"ldap-cache", "SECONDS", "For how long an answer is good", "15", Kind::value,
                 [](Config& c, Values v) { return set_cache_seconds(c.auth.ldap.cache, v.back()); }},
    ConfigOption{"max-connections", "N", "Connections beyond are closed as they come", "100000", Kind::value,
                 [](Config& c, Values v) { return set_number(c.max_connections, v.back(), 1, 10'000'000); }},
    ConfigOption{"sync", "MODE",
                 "When a confirm is given: sync (the disk has it), interval=MS (written, synced every MS), "
                 "os (written)",
                 "sync", Kind::value, [](Config& c, Values v) { return set_sync(c, v.back()); }},
    ConfigOption{"max-message-bytes", "SIZE", "A larger message is refused; at most 512MiB", "16MiB",
                 Kind::value,
                 [](Config& c, Values v) { return set_message_size(c.max_message_bytes, v.back()); }},
    ConfigOption{"memory-limit", "SIZE", "Publishers wait while messages in memory exceed this", "1GiB",
                 Kind::value, [](Config& c, Values v) { return set_size(c.memory_limit_bytes, v.back()); }},
    ConfigOption{"disk-low-water", "SIZE", "Publishers wait while less is free on DIR's disk", "256MiB",
                 Kind::value, [](Config& c, Values v) { return set_size(c.disk_low_water_bytes, v.back()); }},
    ConfigOption{"heartbeat", "SECONDS", "Offered to clients; 0 asks for none", "60", Kind::value,
                 [](Config& c, Values v) { return set_number(c.heartbeat_s, v.back(), 0, 65'535); }},
    ConfigOption{
        "frame-max", "BYTES", "Largest frame, offered to clients; 0 offers no limit", "131072", Kind::value,
        [](Config& c, Values v) -> result<void> {
          if (v.back() == "0") return set_number(c.frame_max, v.back(), 0, 0);
          return set_number(c.frame_max, v.back(), kFrameMinSize, UINT32_MAX);
        }},
    ConfigOption{"channel-max", "N", "Channels a connection may open; 0 offers no limit", "2047", Kind::value,
                 [](Config& c, Values v) { return set_number(c.channel_max, v.back(), 0, 65'535); }},
    ConfigOption{
        "handshake-timeout", "MS", "How long a client may take to log in", "10000", Kind::value,
        [](Config& c, Values v) { return set_number(c.handshake_timeout_ms, v.back(), 1, 3'600'000); }},
    ConfigOption{"allow-anonymous", "", "Let clients log in without a name, as guest", "false", Kind::flag,
                 [](Config& c, Values v) { return set_flag(c.allow_anonymous, v.back()); }},
    ConfigOption{"definitions", "FILE", "Import this RabbitMQ definitions JSON before serving", "",
                 Kind::value, [](Config& c, Values v) { return set_path(c.definitions, v.back()); }},
    ConfigOption{"audit-log", "FILE",
                 "Append logins, refusals and changes of definitions to this file, a JSON object a line", "",
                 Kind::value, [](Config& c, Values v) { return set_path(c.audit_log, v.back()); }},
    ConfigOption{"otlp-endpoint", "URL",
                 "Send spans of traced messages to this collector by OTLP over HTTP (URL/v1/traces, JSON); "
                 "the usual port is 4318",
                 "none", Kind::value, [](Config& c, Values v) { return set_otlp_endpoint(c, v.back()); }},
    ConfigOption{"otlp-ca", "FILE", "PEM: who vouches for it, if it is https", "whom the system believes",
                 Kind::value, [](Config& c, Values v) { return set_path(c.otlp.ca_file, v.back()); }},
    ConfigOption{"log-format", "text|json", "Logs go to standard error", "text", Kind::value,
                 [](Config& c, Values v) { return set_log_format(c, v.back()); }},
    ConfigOption{"log-level", "LEVEL", "debug, info, warning or error", "info", Kind::value,
                 [](Config& c, Values v) { return set_log_level(c, v.back()); }},
};

std::vector<std::string> split_at_commas(std::string_view text) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t comma = text.find(',');
    parts.emplace_back(text.substr(0, comma));
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace

std::span<const ConfigOption> config_options() {
  return kOptions;
}

const ConfigOption* find_config_option(std::string_view name) {
  const auto found = std::find_if(kOptions.begin(), kOptions.end(),
                                  [&](const ConfigOption& option) { return option.name == name; });
  return found == kOptions.end() ? nullptr : &*found;
}

std::string help_of(const ConfigOption& option) {
  std::string text(option.help);
  if (!option.otherwise.empty()) text.append(" [").append(option.otherwise).append("]");
  return text;
}

std::string environment_name(std::string_view option) {
  std::string name = "MILLRACE_";
  for (const char c : option) name += c == '-' ? '_' : static_cast<char>(std::toupper(c));
  return name;
}

ConfigValues environment_values(const Environment& environment) {
  ConfigValues found;
  for (const ConfigOption& option : kOptions) {
    const std::string name = environment_name(option.name);
    const char* value = environment(name.c_str());
    if (value == nullptr || *value == '\0') continue;
    found.entries.push_back(
        {std::string(option.name), name,
         option.kind == Kind::list ? split_at_commas(value) : std::vector<std::string>{value}});
  }
  return found;
}

result<Config> make_config(std::span<const ConfigValues> sources) {
  Config config;
  for (const ConfigValues& source : sources) {
    for (const ConfigValues::Entry& entry : source.entries) {
      const ConfigOption* option = find_config_option(entry.option);
      if (option == nullptr) return fail(Errc::invalid_argument, entry.source + ": there is no such option");
      if (entry.values.empty()) return fail(Errc::invalid_argument, entry.source + ": a value is missing");
      const auto set = option->set(config, entry.values);
      if (!set) return fail(Errc::invalid_argument, entry.source + ": " + set.error().text);
      std::erase_if(config.given, [&](const GivenOption& earlier) { return earlier.option == entry.option; });
      config.given.push_back({entry.option, entry.values});
    }
  }
  if (const auto fits = check_together(config); !fits) return fits.error();
  complete_auth(config.auth);
  return config;
}

}  // namespace millrace::server
