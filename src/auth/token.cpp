#include "auth/token.hpp"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <cmath>

namespace millrace::auth {
namespace {

namespace json = boost::json;

// Names of users end where names of queues do.
constexpr std::size_t kMaxUserBytes = 255;

struct Parts {
  std::string_view header;
  std::string_view claims;
  std::string_view signature;
  std::string_view signed_text;
};

std::optional<Parts> split(std::string_view text) noexcept {
  const std::size_t first = text.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  const std::size_t second = text.find('.', first + 1);
  if (second == std::string_view::npos || text.find('.', second + 1) != std::string_view::npos)
    return std::nullopt;
  return Parts{text.substr(0, first), text.substr(first + 1, second - first - 1), text.substr(second + 1),
               text.substr(0, second)};
}

Error refuse(std::string why) {
  return fail(Errc::access_refused, "token: " + why);
}

std::optional<json::object> object_in(std::string_view base64url) {
  const auto text = decode_base64url(base64url);
  if (!text) return std::nullopt;
  boost::system::error_code malformed;
  json::value parsed = json::parse(*text, malformed);
  if (malformed || !parsed.is_object()) return std::nullopt;
  return std::move(parsed.get_object());
}

// NumericDate (RFC 7519 §2), in milliseconds. None: there is none, or it is no date of this era.
std::optional<std::int64_t> date_at(const json::object& claims, std::string_view name) {
  const json::value* found = claims.if_contains(name);
  if (found == nullptr || !found->is_number()) return std::nullopt;
  const double seconds = found->to_number<double>();
  if (!std::isfinite(seconds) || seconds < 0 || seconds > 1e11) return std::nullopt;
  return static_cast<std::int64_t>(seconds * 1000);
}

// A text, or a list with it.
bool names(const json::value* value, std::string_view wanted) {
  if (value == nullptr) return false;
  if (value->is_string()) return value->get_string() == wanted;
  if (!value->is_array()) return false;
  const json::array& list = value->get_array();
  return std::any_of(list.begin(), list.end(), [&](const json::value& item) {
    return item.is_string() && item.get_string() == wanted;
  });
}

void add_words(std::vector<std::string>& scopes, std::string_view text) {
  while (!text.empty() && scopes.size() < TokenRules::kMaxScopes) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (end != 0) scopes.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

// RFC 8693 §4.2 has one text of words; many issuers write a list.
void add_scopes(std::vector<std::string>& scopes, const json::value& value) {
  if (value.is_string()) return add_words(scopes, value.get_string());
  if (!value.is_array()) return;
  for (const json::value& item : value.get_array()) {
    if (item.is_string()) add_words(scopes, item.get_string());
  }
}

result<void> check_signature(const Parts& parts, const KeySet& keys, const TokenRules& rules) {
  const auto header = object_in(parts.header);
  const auto signature = decode_base64url(parts.signature);
  if (!header || !signature) return refuse("it is malformed");
  const json::value* name = header->if_contains("alg");
  const auto algorithm =
      name != nullptr && name->is_string() ? algorithm_named(name->get_string()) : std::nullopt;
  if (!algorithm) return refuse("it is not signed, or not by an algorithm that is understood");
  if (std::find(rules.algorithms.begin(), rules.algorithms.end(), *algorithm) == rules.algorithms.end()) {
    return refuse("it is signed by " + std::string(name_of(*algorithm)) + ", which is not allowed");
  }
  // RFC 7515 §4.1.11: extensions that must be understood, and are not.
  if (header->contains("crit")) return refuse("it has critical extensions");
  const json::value* kid = header->if_contains("kid");
  if (kid != nullptr && !kid->is_string()) return refuse("it is malformed");
  bool is_of_known_key = false;
  for (const SignatureKey& key : keys.keys()) {
    if (!key.serves(*algorithm)) continue;
    // A secret of ours has no name, whatever the issuer calls it.
    if (kid != nullptr && key.id() != kid->get_string() && !is_by_secret(*algorithm)) continue;
    is_of_known_key = true;
    if (key.verify(*algorithm, parts.signed_text, *signature)) return {};
  }
  if (!is_of_known_key) return fail(Errc::not_found, "token: it is signed by a key that is not known");
  return refuse("its signature is wrong");
}

}  // namespace

bool looks_like_token(std::string_view text) noexcept {
  if (text.size() > TokenRules::kMaxBytes || !text.starts_with("ey")) return false;
  const auto parts = split(text);
  return parts && !parts->header.empty() && !parts->claims.empty();
}

result<Token> read_token(std::string_view text, const KeySet& keys, const TokenRules& rules,
                         std::int64_t now_ms) {
  if (text.size() > TokenRules::kMaxBytes) return refuse("it is too long");
  const auto parts = split(text);
  if (!parts) return refuse("it is malformed");
  if (auto good = check_signature(*parts, keys, rules); good.has_error()) return good.error();
  const auto claims = object_in(parts->claims);
  if (!claims) return refuse("it is malformed");

  constexpr std::int64_t kLeewayMs = TokenRules::kLeewayS * 1000;
  const auto ends = date_at(*claims, "exp");
  if (!ends) return refuse("it does not say when it ends");
  if (*ends + kLeewayMs <= now_ms) return refuse("it has ended");
  if (claims->contains("nbf")) {
    const auto begins = date_at(*claims, "nbf");
    if (!begins || *begins - kLeewayMs > now_ms) return refuse("it does not count yet");
  }
  if (!rules.issuer.empty()) {
    const json::value* issuer = claims->if_contains("iss");
    if (issuer == nullptr || !issuer->is_string() || issuer->get_string() != rules.issuer)
      return refuse("it is of another issuer");
  }
  if (!names(claims->if_contains("aud"), rules.audience)) return refuse("it is for somebody else");

  Token token;
  token.ends_ms = *ends + kLeewayMs;
  for (const std::string& claim : rules.user_claims) {
    const json::value* user = claims->if_contains(claim);
    if (user == nullptr || !user->is_string() || user->get_string().empty()) continue;
    token.user = user->get_string();
    break;
  }
  if (token.user.empty() || token.user.size() > kMaxUserBytes) return refuse("it does not say whose it is");
  for (const std::string& claim : rules.scope_claims) {
    if (const json::value* scopes = claims->if_contains(claim)) add_scopes(token.scopes, *scopes);
  }
  return token;
}

}  // namespace millrace::auth
