// JSON Web Tokens (RFC 7519) in their compact form, signed (RFC 7515): whether one is good, and what it says.
//
// Everything must be there that a token can be held to: a signature by one of the keys, who it is for, when
// it ends. Tokens that are encrypted, unsigned or have critical extensions are refused. Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/signature_keys.hpp"
#include "base/result.hpp"

namespace millrace::auth {

struct TokenRules {
  // How far the issuer's clock and ours may be apart.
  static constexpr std::int64_t kLeewayS = 30;
  static constexpr std::size_t kMaxBytes = 32 * 1024;
  static constexpr std::size_t kMaxScopes = 1024;

  std::string audience;  // "aud" must name it
  std::string issuer;    // "iss" must be it; empty: any
  std::vector<Algorithm> algorithms;
  std::vector<std::string> user_claims;  // the first that is there names the user
  std::vector<std::string> scope_claims;
};

struct Token {
  std::string user;
  std::vector<std::string> scopes;
  std::int64_t ends_ms = 0;  // wall clock, the leeway included
};

// Three parts of base64url with points between them: worth a look.
bool looks_like_token(std::string_view text) noexcept;

// not_found: of a key that the set does not have, another set may; access_refused: all else. The text is for
// the operator, and has nothing of the token but names of algorithms.
result<Token> read_token(std::string_view text, const KeySet& keys, const TokenRules& rules,
                         std::int64_t now_ms);

}  // namespace millrace::auth
