// Keys that tokens are signed with: public ones from a JSON Web Key Set (RFC 7517, 7518, 8037), and secrets
// of the operator's own.
//
// What a key is decides which algorithms it verifies, never the token: an RSA key RS* and PS*, a key of a
// curve the one algorithm of that curve, a secret HS* alone. A set from elsewhere cannot bring secrets. Pure;
// a set is never changed once it is made; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"

struct evp_pkey_st;

namespace millrace::auth {

// RFC 7518 §3.1, RFC 8037 §3.1.
enum class Algorithm : std::uint8_t {
  rs256,
  rs384,
  rs512,
  ps256,
  ps384,
  ps512,
  es256,
  es384,
  es512,
  eddsa,
  hs256,
  hs384,
  hs512,
};
// None: not one of them, as "none" is not.
std::optional<Algorithm> algorithm_named(std::string_view name) noexcept;
std::string_view name_of(Algorithm algorithm) noexcept;
bool is_by_secret(Algorithm algorithm) noexcept;

class SignatureKey {
 public:
  // "kid"; empty: it has none.
  const std::string& id() const noexcept { return id_; }
  bool serves(Algorithm algorithm) const noexcept;
  // False: it was not signed so by this key's owner, or the key does not serve the algorithm.
  bool verify(Algorithm algorithm, std::string_view signed_text, std::string_view signature) const;

 private:
  enum class Kind : std::uint8_t { rsa, p256, p384, p521, ed25519, secret };
  friend class KeySet;

  std::string id_;
  Kind kind_ = Kind::secret;
  std::optional<Algorithm> only_;  // the key's own "alg"
  std::shared_ptr<evp_pkey_st> key_;
  Secret secret_;
};

class KeySet {
 public:
  static constexpr std::size_t kMaxBytes = 1u << 20;
  static constexpr std::size_t kMaxKeys = 64;
  static constexpr int kMinRsaBits = 2048;
  static constexpr std::size_t kMinSecretBytes = 32;  // RFC 7518 §3.2

  // Keys of kinds that are not understood, or are for encryption, are passed over. invalid_argument: no set,
  // a malformed key of a kind that is understood, a weak one, or no key that can be used.
  static result<KeySet> parse(std::string_view json);
  // Of a secret. invalid_argument: too short.
  result<void> add_secret(Secret secret);
  void add(SignatureKey key) { keys_.push_back(std::move(key)); }

  const std::vector<SignatureKey>& keys() const noexcept { return keys_; }

 private:
  std::vector<SignatureKey> keys_;
};

// RFC 4648 §5 without padding. None: malformed.
std::optional<std::string> decode_base64url(std::string_view text);

}  // namespace millrace::auth
