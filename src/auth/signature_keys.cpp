#include "auth/signature_keys.hpp"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <array>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "base/base64.hpp"

namespace millrace::auth {
namespace {

namespace json = boost::json;

struct Named {
  std::string_view name;
  Algorithm algorithm;
};
constexpr std::array<Named, 13> kAlgorithms{{{"RS256", Algorithm::rs256},
                                             {"RS384", Algorithm::rs384},
                                             {"RS512", Algorithm::rs512},
                                             {"PS256", Algorithm::ps256},
                                             {"PS384", Algorithm::ps384},
                                             {"PS512", Algorithm::ps512},
                                             {"ES256", Algorithm::es256},
                                             {"ES384", Algorithm::es384},
                                             {"ES512", Algorithm::es512},
                                             {"EdDSA", Algorithm::eddsa},
                                             {"HS256", Algorithm::hs256},
                                             {"HS384", Algorithm::hs384},
                                             {"HS512", Algorithm::hs512}}};

// Null: the algorithm digests by itself.
const EVP_MD* digest_of(Algorithm algorithm) noexcept {
  switch (algorithm) {
    case Algorithm::rs256:
    case Algorithm::ps256:
    case Algorithm::es256:
    case Algorithm::hs256:
      return EVP_sha256();
    case Algorithm::rs384:
    case Algorithm::ps384:
    case Algorithm::es384:
    case Algorithm::hs384:
      return EVP_sha384();
    case Algorithm::rs512:
    case Algorithm::ps512:
    case Algorithm::es512:
    case Algorithm::hs512:
      return EVP_sha512();
    case Algorithm::eddsa:
      return nullptr;
  }
  return nullptr;
}

bool is_pss(Algorithm algorithm) noexcept {
  return algorithm == Algorithm::ps256 || algorithm == Algorithm::ps384 || algorithm == Algorithm::ps512;
}

// Of r and of s in a signature (RFC 7518 §3.4); 0: it is none of a curve's.
std::size_t ecdsa_half(Algorithm algorithm) noexcept {
  if (algorithm == Algorithm::es256) return 32;
  if (algorithm == Algorithm::es384) return 48;
  if (algorithm == Algorithm::es512) return 66;
  return 0;
}

const unsigned char* bytes_of(std::string_view text) noexcept {
  return reinterpret_cast<const unsigned char*>(text.data());
}

struct Free {
  void operator()(BIGNUM* number) const noexcept { BN_free(number); }
  void operator()(OSSL_PARAM_BLD* builder) const noexcept { OSSL_PARAM_BLD_free(builder); }
  void operator()(OSSL_PARAM* parameters) const noexcept { OSSL_PARAM_free(parameters); }
  void operator()(EVP_PKEY_CTX* context) const noexcept { EVP_PKEY_CTX_free(context); }
  void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
  void operator()(ECDSA_SIG* signature) const noexcept { ECDSA_SIG_free(signature); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

Owned<BIGNUM> number_of(std::string_view big_endian) {
  return Owned<BIGNUM>(BN_bin2bn(bytes_of(big_endian), static_cast<int>(big_endian.size()), nullptr));
}

// What OpenSSL knows: DER. Empty: not of that length.
std::string ecdsa_der(std::string_view signature, std::size_t half) {
  if (signature.size() != 2 * half) return {};
  const Owned<ECDSA_SIG> parts(ECDSA_SIG_new());
  auto r = number_of(signature.substr(0, half));
  auto s = number_of(signature.substr(half));
  if (!parts || !r || !s || ECDSA_SIG_set0(parts.get(), r.get(), s.get()) != 1) return {};
  (void)r.release();
  (void)s.release();
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(parts.get(), &der);
  if (size <= 0) return {};
  std::string text(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return text;
}

using Key = std::shared_ptr<EVP_PKEY>;

Key make_key(const char* type, OSSL_PARAM_BLD* builder) {
  const Owned<OSSL_PARAM> parameters(OSSL_PARAM_BLD_to_param(builder));
  const Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (!parameters || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1) {
    return nullptr;
  }
  return Key(key, &EVP_PKEY_free);
}

Key rsa_key(std::string_view n, std::string_view e) {
  const Owned<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
  const auto modulus = number_of(n);
  const auto exponent = number_of(e);
  if (!builder || !modulus || !exponent ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get()) != 1) {
    return nullptr;
  }
  return make_key("RSA", builder.get());
}

// A point that is not on the curve is no key.
Key curve_key(const char* group, std::size_t half, std::string_view x, std::string_view y) {
  if (x.size() != half || y.size() != half) return nullptr;
  std::string point("\x04");
  point.append(x).append(y);
  const Owned<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
  if (!builder || OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, group, 0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) !=
          1) {
    return nullptr;
  }
  return make_key("EC", builder.get());
}

std::string_view text_at(const json::object& object, std::string_view name) {
  const json::value* found = object.if_contains(name);
  return found != nullptr && found->is_string() ? std::string_view(found->get_string()) : std::string_view();
}

std::string decoded_at(const json::object& object, std::string_view name) {
  return decode_base64url(text_at(object, name)).value_or(std::string());
}

}  // namespace

std::optional<Algorithm> algorithm_named(std::string_view name) noexcept {
  for (const Named& known : kAlgorithms) {
    if (known.name == name) return known.algorithm;
  }
  return std::nullopt;
}

std::string_view name_of(Algorithm algorithm) noexcept {
  for (const Named& known : kAlgorithms) {
    if (known.algorithm == algorithm) return known.name;
  }
  return {};
}

bool is_by_secret(Algorithm algorithm) noexcept {
  return algorithm == Algorithm::hs256 || algorithm == Algorithm::hs384 || algorithm == Algorithm::hs512;
}

std::optional<std::string> decode_base64url(std::string_view text) {
  std::string standard(text);
  for (char& c : standard) {
    if (c == '+' || c == '/' || c == '=') return std::nullopt;
    if (c == '-') c = '+';
    if (c == '_') c = '/';
  }
  standard.append((4 - standard.size() % 4) % 4, '=');
  return decode_base64(standard);
}

bool SignatureKey::serves(Algorithm algorithm) const noexcept {
  if (only_ && *only_ != algorithm) return false;
  switch (algorithm) {
    case Algorithm::rs256:
    case Algorithm::rs384:
    case Algorithm::rs512:
    case Algorithm::ps256:
    case Algorithm::ps384:
    case Algorithm::ps512:
      return kind_ == Kind::rsa;
    case Algorithm::es256:
      return kind_ == Kind::p256;
    case Algorithm::es384:
      return kind_ == Kind::p384;
    case Algorithm::es512:
      return kind_ == Kind::p521;
    case Algorithm::eddsa:
      return kind_ == Kind::ed25519;
    case Algorithm::hs256:
    case Algorithm::hs384:
    case Algorithm::hs512:
      return kind_ == Kind::secret;
  }
  return false;
}

bool SignatureKey::verify(Algorithm algorithm, std::string_view signed_text,
                          std::string_view signature) const {
  if (!serves(algorithm)) return false;
  if (kind_ == Kind::secret) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
    unsigned size = 0;
    const std::string_view secret = secret_.reveal();
    if (HMAC(digest_of(algorithm), secret.data(), static_cast<int>(secret.size()), bytes_of(signed_text),
             signed_text.size(), mac.data(), &size) == nullptr) {
      return false;
    }
    return signature.size() == size && CRYPTO_memcmp(signature.data(), mac.data(), size) == 0;
  }
  std::string der;
  if (const std::size_t half = ecdsa_half(algorithm); half != 0) {
    der = ecdsa_der(signature, half);
    if (der.empty()) return false;
    signature = der;
  }
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* padding = nullptr;  // the context's
  if (!context ||
      EVP_DigestVerifyInit(context.get(), &padding, digest_of(algorithm), nullptr, key_.get()) != 1) {
    return false;
  }
  if (is_pss(algorithm) && (EVP_PKEY_CTX_set_rsa_padding(padding, RSA_PKCS1_PSS_PADDING) != 1 ||
                            EVP_PKEY_CTX_set_rsa_pss_saltlen(padding, RSA_PSS_SALTLEN_DIGEST) != 1)) {
    return false;
  }
  return EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(signed_text),
                          signed_text.size()) == 1;
}

result<KeySet> KeySet::parse(std::string_view text) {
  const auto bad = [](std::string why) { return fail(Errc::invalid_argument, std::move(why)); };
  if (text.size() > kMaxBytes) return bad("it is longer than a key set may be");
  boost::system::error_code malformed;
  const json::value parsed = json::parse(text, malformed);
  if (malformed || !parsed.is_object()) return bad("it is no JSON object");
  const json::value* list = parsed.get_object().if_contains("keys");
  if (list == nullptr || !list->is_array()) return bad("it has no list of \"keys\"");
  if (list->get_array().size() > kMaxKeys)
    return bad("it has more than " + std::to_string(kMaxKeys) + " keys");
  KeySet set;
  for (const json::value& item : list->get_array()) {
    if (!item.is_object()) return bad("one of its keys is no object");
    const json::object& jwk = item.get_object();
    const std::string_view type = text_at(jwk, "kty");
    if (const auto use = text_at(jwk, "use"); !use.empty() && use != "sig") continue;
    SignatureKey key;
    key.id_ = text_at(jwk, "kid");
    if (const auto name = text_at(jwk, "alg"); !name.empty()) {
      key.only_ = algorithm_named(name);
      if (!key.only_) continue;
    }
    const std::string who = key.id_.empty() ? "a key" : "key '" + key.id_ + "'";
    using Kind = SignatureKey::Kind;
    if (type == "RSA") {
      key.kind_ = Kind::rsa;
      key.key_ = rsa_key(decoded_at(jwk, "n"), decoded_at(jwk, "e"));
      if (key.key_ && EVP_PKEY_get_bits(key.key_.get()) < kMinRsaBits) {
        return bad(who + " has fewer than " + std::to_string(kMinRsaBits) + " bits");
      }
    } else if (type == "EC") {
      const std::string_view curve = text_at(jwk, "crv");
      const std::string x = decoded_at(jwk, "x");
      const std::string y = decoded_at(jwk, "y");
      if (curve == "P-256") {
        key.kind_ = Kind::p256;
        key.key_ = curve_key("P-256", 32, x, y);
      } else if (curve == "P-384") {
        key.kind_ = Kind::p384;
        key.key_ = curve_key("P-384", 48, x, y);
      } else if (curve == "P-521") {
        key.kind_ = Kind::p521;
        key.key_ = curve_key("P-521", 66, x, y);
      } else {
        continue;
      }
    } else if (type == "OKP" && text_at(jwk, "crv") == "Ed25519") {
      key.kind_ = Kind::ed25519;
      const std::string x = decoded_at(jwk, "x");
      key.key_ =
          Key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(x), x.size()), &EVP_PKEY_free);
    } else {
      continue;
    }
    if (key.key_ == nullptr) return bad(who + " is malformed");
    set.keys_.push_back(std::move(key));
  }
  if (set.keys_.empty()) return bad("it has no key that signs by an algorithm that is understood");
  return set;
}

result<void> KeySet::add_secret(Secret secret) {
  if (secret.reveal().size() < kMinSecretBytes) {
    return fail(Errc::invalid_argument,
                "a secret has at least " + std::to_string(kMinSecretBytes) + " bytes (RFC 7518)");
  }
  SignatureKey key;
  key.kind_ = SignatureKey::Kind::secret;
  key.secret_ = std::move(secret);
  keys_.push_back(std::move(key));
  return {};
}

}  // namespace millrace::auth
