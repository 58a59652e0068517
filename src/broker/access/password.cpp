#include "broker/access/password.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <vector>

#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "broker/text_hash.hpp"

namespace millrace::broker {
namespace {

using Octets = std::vector<std::uint8_t>;

// Stored as {pbkdf2-sha256}iterations$salt$hash, the latter two in base64.
constexpr std::string_view kPbkdf2 = "{pbkdf2-sha256}";
constexpr std::size_t kDerivedBytes = 32;
// A stored hash that asks for more is taken for damaged: it would hold the helper thread for seconds.
constexpr unsigned kMaxIterations = 10'000'000;

// RabbitMQ's: base64 of a four-byte salt and the digest of salt and password.
struct SaltedDigest {
  std::string_view scheme;
  std::string_view algorithm;  // its name in definitions files
  const EVP_MD* (*digest)();
  std::size_t bytes;
};
constexpr SaltedDigest kSaltedDigests[] = {
    {"{rabbitmq-sha256}", "rabbit_password_hashing_sha256", EVP_sha256, 32},
    {"{rabbitmq-sha512}", "rabbit_password_hashing_sha512", EVP_sha512, 64},
    {"{rabbitmq-md5}", "rabbit_password_hashing_md5", EVP_md5, 16},
};
constexpr std::size_t kSaltedDigestSalt = 4;

std::string to_base64(ByteView bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // with room for the NUL that OpenSSL appends
  const int written = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes.data(),
                                      static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(written));
  return text;
}

// Strict: whole groups, padding at the end only, no line breaks.
std::optional<Octets> from_base64(std::string_view text) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  constexpr std::size_t kLongest = 1024;
  if (text.empty() || text.size() > kLongest || text.size() % 4 != 0) return std::nullopt;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  if (text.substr(0, text.size() - padding).find_first_not_of(kAlphabet) != std::string_view::npos)
    return std::nullopt;
  Octets bytes(text.size() / 4 * 3);
  const int decoded = EVP_DecodeBlock(bytes.data(), reinterpret_cast<const unsigned char*>(text.data()),
                                      static_cast<int>(text.size()));
  if (decoded < 0) return std::nullopt;
  bytes.resize(static_cast<std::size_t>(decoded) - padding);
  return bytes;
}

std::array<std::uint8_t, kDerivedBytes> derive(std::string_view password, ByteView salt,
                                               unsigned iterations) {
  std::array<std::uint8_t, kDerivedBytes> derived;
  const int done =
      PKCS5_PBKDF2_HMAC(password.data() != nullptr ? password.data() : "", static_cast<int>(password.size()),
                        salt.data(), static_cast<int>(salt.size()), static_cast<int>(iterations),
                        EVP_sha256(), static_cast<int>(derived.size()), derived.data());
  MILLRACE_ASSERT(done == 1, "the parameters are in range");
  return derived;
}

bool equal(ByteView a, ByteView b) noexcept {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

bool verify_pbkdf2(std::string_view rest, std::string_view password) {
  const std::size_t first = rest.find('$');
  const std::size_t second = first == std::string_view::npos ? first : rest.find('$', first + 1);
  if (second == std::string_view::npos) return false;
  unsigned iterations = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + first, iterations);
  if (error != std::errc() || end != rest.data() + first) return false;
  if (iterations == 0 || iterations > kMaxIterations) return false;
  const std::optional<Octets> salt = from_base64(rest.substr(first + 1, second - first - 1));
  const std::optional<Octets> hash = from_base64(rest.substr(second + 1));
  if (!salt || !hash) return false;
  return equal(derive(password, *salt, iterations), *hash);
}

bool verify_salted_digest(const SaltedDigest& kind, std::string_view base64, std::string_view password) {
  const std::optional<Octets> stored = from_base64(base64);
  if (!stored || stored->size() != kSaltedDigestSalt + kind.bytes) return false;
  Octets salted(stored->begin(), stored->begin() + kSaltedDigestSalt);
  salted.insert(salted.end(), password.begin(), password.end());
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> digest;
  unsigned digest_bytes = 0;
  const int done =
      EVP_Digest(salted.data(), salted.size(), digest.data(), &digest_bytes, kind.digest(), nullptr);
  OPENSSL_cleanse(salted.data(), salted.size());
  // A build of OpenSSL may refuse MD5: then nobody logs in with it.
  return done == 1 &&
         equal(ByteView(digest.data(), digest_bytes), ByteView(*stored).subspan(kSaltedDigestSalt));
}

}  // namespace

std::string hash_password(std::string_view password, std::span<const std::uint8_t, 16> salt,
                          unsigned iterations) {
  MILLRACE_ASSERT(iterations > 0 && iterations <= kMaxIterations, "what is stored must verify");
  std::string stored(kPbkdf2);
  stored += std::to_string(iterations);
  stored += '$';
  stored += to_base64(salt);
  stored += '$';
  stored += to_base64(derive(password, salt, iterations));
  return stored;
}

std::string hash_for_rabbitmq(std::string_view password, std::span<const std::uint8_t, 4> salt) {
  Octets salted(salt.begin(), salt.end());
  salted.insert(salted.end(), password.begin(), password.end());
  Octets stored(salt.begin(), salt.end());
  stored.resize(kSaltedDigestSalt + 32);
  const int done = EVP_Digest(salted.data(), salted.size(), stored.data() + kSaltedDigestSalt, nullptr,
                              EVP_sha256(), nullptr);
  OPENSSL_cleanse(salted.data(), salted.size());
  MILLRACE_ASSERT(done == 1, "SHA-256 is always there");
  return "{rabbitmq-sha256}" + to_base64(stored);
}

bool verify_password(std::string_view stored, std::string_view password) {
  if (password.size() > kMaxPasswordBytes) return false;
  if (stored.starts_with(kPbkdf2)) return verify_pbkdf2(stored.substr(kPbkdf2.size()), password);
  for (const SaltedDigest& kind : kSaltedDigests) {
    if (stored.starts_with(kind.scheme))
      return verify_salted_digest(kind, stored.substr(kind.scheme.size()), password);
  }
  return false;
}

result<std::string> import_rabbitmq_hash(std::string_view algorithm, std::string_view base64) {
  for (const SaltedDigest& kind : kSaltedDigests) {
    if (kind.algorithm != algorithm) continue;
    if (base64.empty()) return std::string();
    const std::optional<Octets> stored = from_base64(base64);
    if (!stored || stored->size() != kSaltedDigestSalt + kind.bytes)
      return fail(Errc::invalid_argument, "not a password hash of " + std::string(algorithm));
    return std::string(kind.scheme) + std::string(base64);
  }
  return fail(Errc::invalid_argument, "unknown password hashing algorithm '" + std::string(algorithm) + "'");
}

std::optional<RabbitmqHash> export_rabbitmq_hash(std::string_view stored) {
  for (const SaltedDigest& kind : kSaltedDigests) {
    if (!stored.starts_with(kind.scheme)) continue;
    return RabbitmqHash{std::string(kind.algorithm), std::string(stored.substr(kind.scheme.size()))};
  }
  return std::nullopt;
}

namespace {

using Mac = std::array<std::uint8_t, 32>;

}  // namespace

struct VerifiedCredentials::State {
  std::array<std::uint8_t, 32> key;
  TextMap<Mac> by_user;

  ~State() { OPENSSL_cleanse(key.data(), key.size()); }

  Mac mac(std::string_view user, std::string_view stored, std::string_view password) const {
    std::string text;
    text.reserve(user.size() + stored.size() + password.size() + 2 * sizeof(std::uint64_t));
    for (const std::string_view part : {user, stored}) {  // lengths keep the parts apart
      const std::uint64_t size = part.size();
      text.append(reinterpret_cast<const char*>(&size), sizeof size).append(part);
    }
    text.append(password);
    Mac made;
    unsigned made_bytes = 0;
    const unsigned char* done =
        HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(text.data()), text.size(), made.data(), &made_bytes);
    MILLRACE_ASSERT(done != nullptr && made_bytes == made.size(), "HMAC-SHA-256 is always there");
    OPENSSL_cleanse(text.data(), text.size());
    return made;
  }
};

VerifiedCredentials::VerifiedCredentials(std::span<const std::uint8_t, 32> key)
    : state_(std::make_unique<State>()) {
  std::copy(key.begin(), key.end(), state_->key.begin());
}

VerifiedCredentials::~VerifiedCredentials() = default;

bool VerifiedCredentials::known(std::string_view user, std::string_view stored,
                                std::string_view password) const {
  if (password.size() > kMaxPasswordBytes) return false;
  const auto found = state_->by_user.find(user);
  return found != state_->by_user.end() && equal(found->second, state_->mac(user, stored, password));
}

void VerifiedCredentials::remember(std::string_view user, std::string_view stored,
                                   std::string_view password) {
  const Mac mac = state_->mac(user, stored, password);
  if (const auto found = state_->by_user.find(user); found != state_->by_user.end()) {
    found->second = mac;
    return;
  }
  if (state_->by_user.size() >= kMaxEntries) state_->by_user.erase(state_->by_user.begin());
  state_->by_user.emplace(std::string(user), mac);
}

}  // namespace millrace::broker
