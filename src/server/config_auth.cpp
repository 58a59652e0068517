#include "server/config_auth.hpp"

#include <algorithm>
#include <iterator>

#include "base/number.hpp"

namespace millrace::server {
namespace {

using auth::Algorithm;

Error bad(std::string text) {
  return fail(Errc::invalid_argument, std::move(text));
}

constexpr AuthSource kSources[] = {AuthSource::internal, AuthSource::oauth2, AuthSource::http,
                                   AuthSource::ldap};

std::string name_of(AuthSource source) {
  switch (source) {
    case AuthSource::internal:
      return "internal";
    case AuthSource::oauth2:
      return "oauth2";
    case AuthSource::http:
      return "http";
    case AuthSource::ldap:
      return "ldap";
  }
  return "";
}

bool is_in(const std::vector<AuthSource>& order, AuthSource source) {
  return std::find(order.begin(), order.end(), source) != order.end();
}

bool is_configured(const AuthConfig& config, AuthSource source) {
  switch (source) {
    case AuthSource::internal:
      return true;
    case AuthSource::oauth2:
      return !config.tokens.rules.audience.empty();
    case AuthSource::http:
      return !config.http.user.host.empty();
    case AuthSource::ldap:
      return !config.ldap.url.empty();
  }
  return false;
}

bool is_url(std::string_view text) noexcept {
  return text.find("://") != std::string_view::npos;
}

// Keys and passwords do not travel in clear.
result<net::Url> private_url(std::string_view text) {
  auto url = net::Url::parse(text);
  if (url && !url->secure && !url->is_loopback()) {
    return bad("'" + std::string(text) + "' is not https, and not on this machine");
  }
  return url;
}

}  // namespace

result<void> set_auth_order(AuthConfig& config, std::span<const std::string> names) {
  config.order.clear();
  for (const std::string& name : names) {
    const auto source = std::find_if(std::begin(kSources), std::end(kSources),
                                     [&](AuthSource one) { return name == name_of(one); });
    if (source == std::end(kSources)) return bad("'" + name + "' is not internal, oauth2, http or ldap");
    if (is_in(config.order, *source)) return bad("'" + name + "' is there twice");
    config.order.push_back(*source);
  }
  return {};
}

result<void> set_names(std::vector<std::string>& to, std::span<const std::string> values) {
  to.clear();
  for (const std::string& value : values) {
    if (value.empty()) return bad("'' is no name");
    to.push_back(value);
  }
  return {};
}

result<void> set_token_audience(AuthConfig& config, std::string_view text) {
  if (text.empty()) return bad("'' is no audience");
  config.tokens.rules.audience = text;
  return {};
}

result<void> set_token_keys(AuthConfig& config, std::string_view text) {
  config.tokens.keys_url.reset();
  config.tokens.keys_file.clear();
  if (!is_url(text)) {
    if (text.empty()) return bad("'' is not a path");
    config.tokens.keys_file = text;
    return {};
  }
  auto url = private_url(text);
  if (!url) return url.error();
  config.tokens.keys_url = std::move(*url);
  return {};
}

result<void> set_token_algorithms(AuthConfig& config, std::span<const std::string> names) {
  config.tokens.rules.algorithms.clear();
  for (const std::string& name : names) {
    const auto algorithm = auth::algorithm_named(name);
    if (!algorithm) return bad("'" + name + "' is no algorithm that is understood");
    config.tokens.rules.algorithms.push_back(*algorithm);
  }
  return {};
}

result<void> set_private_url(net::Url& to, std::string_view text) {
  auto url = private_url(text);
  if (!url) return url.error();
  to = std::move(*url);
  return {};
}

result<void> set_cache_seconds(runtime::Milliseconds& to, std::string_view text) {
  const auto seconds = whole_number<unsigned>(text);
  if (!seconds || *seconds > 86'400)
    return bad("'" + std::string(text) + "' is not a number from 0 to 86400");
  to = runtime::Milliseconds(*seconds * std::int64_t{1000});
  return {};
}

result<void> set_ldap_url(AuthConfig& config, std::string_view text) {
  for (const std::string_view scheme : {"ldap://", "ldaps://"}) {
    if (text.starts_with(scheme) && text.size() > scheme.size()) {
      config.ldap.url = text;
      return {};
    }
  }
  return bad("'" + std::string(text) + "' is no URL of ldap or ldaps");
}

result<void> set_tag_groups(AuthConfig& config, std::span<const std::string> values) {
  config.ldap.tag_groups.clear();
  for (const std::string& value : values) {
    const std::size_t equals = value.find('=');
    if (equals == 0 || equals == std::string::npos || equals + 1 == value.size())
      return bad("'" + value + "' is not TAG=DN");
    config.ldap.tag_groups.push_back({value.substr(0, equals), value.substr(equals + 1)});
  }
  return {};
}

namespace {

result<void> check_http(const AuthConfig& config) {
  const auth::HttpSettings& http = config.http;
  unsigned given = 0;
  for (const net::Url* url : {&http.user, &http.vhost, &http.resource, &http.topic})
    given += url->host.empty() ? 0 : 1;
  if (given != 0 && given != 4) {
    return bad("auth-http-user, auth-http-vhost, auth-http-resource and auth-http-topic go together");
  }
  if (given == 0 && !config.http_ca_file.empty()) return bad("auth-http-ca wants an auth-http-user");
  return {};
}

// Whom to bind as is made from the name, or looked up.
result<void> check_ldap_user(const auth::LdapSettings& ldap) {
  const bool names_user = ldap.user_dn.find("${username}") != std::string::npos;
  const bool has_account = !ldap.bind_dn.empty() || !ldap.bind_password_file.empty();
  if (ldap.user_base.empty()) {
    if (has_account) return bad("ldap-bind-dn and ldap-bind-password-file want an ldap-user-base");
    if (!names_user) return bad("ldap wants an ldap-user-dn with ${username}, or an ldap-user-base");
    return {};
  }
  if (!ldap.user_dn.empty()) return bad("ldap-user-dn and ldap-user-base do not go together");
  if (ldap.user_filter.find("${username}") == std::string::npos)
    return bad("ldap-user-filter '" + ldap.user_filter + "' fits whoever logs in: it lacks a ${username}");
  if (ldap.bind_dn.empty() != ldap.bind_password_file.empty())
    return bad("ldap-bind-dn and ldap-bind-password-file go together");
  return {};
}

result<void> check_ldap(const auth::LdapSettings& ldap) {
  if (ldap.url.empty()) {
    const bool has_more = ldap.start_tls || !ldap.ca_file.empty() || !ldap.user_dn.empty() ||
                          !ldap.vhost_group.empty() || !ldap.tag_groups.empty() || !ldap.user_base.empty() ||
                          !ldap.bind_dn.empty() || !ldap.bind_password_file.empty();
    return has_more ? result<void>(bad("ldap-… wants an ldap: where the directory is")) : result<void>();
  }
  if (auto ok = check_ldap_user(ldap); ok.has_error()) return ok;
  const bool is_secure = ldap.url.starts_with("ldaps://");
  if (is_secure && ldap.start_tls) return bad("ldap-start-tls goes with ldap://");
  std::string_view host = std::string_view(ldap.url).substr(is_secure ? 8 : 7);
  host = host.substr(0, host.find_first_of(":/", host.starts_with('[') ? host.find(']') : 0));
  const bool is_near = host == "localhost" || host.starts_with("127.") || host == "[::1]";
  if (!is_secure && !ldap.start_tls && !is_near) {
    return bad("'" + ldap.url + "' is in clear, and not on this machine: use ldaps:// or ldap-start-tls");
  }
  return {};
}

// Whoever is left out is left out knowingly: only the broker's own users can be.
result<void> check_order(const AuthConfig& config) {
  if (config.order.empty()) return {};
  for (const AuthSource source : kSources) {
    const bool is_named = is_in(config.order, source);
    if (is_named && !is_configured(config, source))
      return bad("auth-order names " + name_of(source) + ", which is not configured");
    if (!is_named && is_configured(config, source) && source != AuthSource::internal)
      return bad(name_of(source) + " is configured, and not in auth-order");
  }
  return {};
}

}  // namespace

result<void> check_auth(const AuthConfig& config) {
  if (auto ok = check_order(config); ok.has_error()) return ok;
  if (auto ok = check_http(config); ok.has_error()) return ok;
  if (auto ok = check_ldap(config.ldap); ok.has_error()) return ok;
  const auth::TokenSettings& tokens = config.tokens;
  const bool has_keys = !tokens.keys_file.empty() || tokens.keys_url || !tokens.secret_file.empty();
  const bool has_more = !tokens.rules.issuer.empty() || !tokens.rules.algorithms.empty() ||
                        !tokens.rules.user_claims.empty() || !tokens.rules.scope_claims.empty() ||
                        config.has_scope_prefix || !config.tokens_ca_file.empty();
  if (tokens.rules.audience.empty() && (has_keys || has_more)) {
    return bad("oauth2-… wants an oauth2-resource-server: whom tokens must be for");
  }
  if (!tokens.rules.audience.empty() && !has_keys) {
    return bad("oauth2-resource-server wants oauth2-keys or an oauth2-secret");
  }
  for (const Algorithm algorithm : tokens.rules.algorithms) {
    if (auth::is_by_secret(algorithm) && tokens.secret_file.empty()) {
      return bad("oauth2-algorithm " + std::string(auth::name_of(algorithm)) + " wants an oauth2-secret");
    }
  }
  return {};
}

void complete_auth(AuthConfig& config) {
  auth::TokenRules& rules = config.tokens.rules;
  config.has_tokens = is_configured(config, AuthSource::oauth2);
  config.has_http = is_configured(config, AuthSource::http);
  config.has_ldap = is_configured(config, AuthSource::ldap);
  if (config.order.empty()) {
    for (const AuthSource source : kSources) {
      if (is_configured(config, source)) config.order.push_back(source);
    }
  }
  if (!config.has_scope_prefix) config.tokens.scope_prefix = rules.audience + ".";
  if (rules.user_claims.empty()) rules.user_claims = {"preferred_username", "sub", "client_id"};
  if (rules.scope_claims.empty()) rules.scope_claims = {"scope"};
  if (!rules.algorithms.empty()) return;
  if (!config.tokens.keys_file.empty() || config.tokens.keys_url) {
    rules.algorithms = {Algorithm::rs256, Algorithm::rs384, Algorithm::rs512, Algorithm::ps256,
                        Algorithm::ps384, Algorithm::ps512, Algorithm::es256, Algorithm::es384,
                        Algorithm::es512, Algorithm::eddsa};
  }
  if (!config.tokens.secret_file.empty()) {
    rules.algorithms.insert(rules.algorithms.end(), {Algorithm::hs256, Algorithm::hs384, Algorithm::hs512});
  }
}

}  // namespace millrace::server
