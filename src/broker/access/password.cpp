#include "broker/access/password.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "base/assert.hpp"
#include "base/base64.hpp"
#include "base/bytes.hpp"
#include "base/number.hpp"
#include "broker/access/scram_digest.hpp"
#include "broker/text_hash.hpp"

namespace millrace::broker {

namespace {

using Octets = std::vector<std::uint8_t>;

std::string to_base64(ByteView bytes) {
  return encode_base64({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

std::optional<Octets> from_base64(std::string_view text) {
  constexpr std::size_t kLongest = 1024;
  if (text.empty() || text.size() > kLongest) return std::nullopt;
  const auto decoded = decode_base64(text);
  if (!decoded) return std::nullopt;
  return Octets(decoded->begin(), decoded->end());
}

// Stored as {scram}iterations$salt$stored$server$stored$server, the keys of SHA-256 before those of SHA-512,
// all but the number in base64.
constexpr std::string_view kScram = "{scram}";
// Of earlier versions: {pbkdf2-sha256}iterations$salt$hash.
constexpr std::string_view kPbkdf2 = "{pbkdf2-sha256}";
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

std::size_t size_of(ScramHash hash) {
  return hash == ScramHash::sha256 ? 32 : 64;
}

Octets derive(ScramHash hash, std::string_view password, ByteView salt, unsigned iterations) {
  Octets derived(size_of(hash));
  const int done =
      PKCS5_PBKDF2_HMAC(password.data() != nullptr ? password.data() : "", static_cast<int>(password.size()),
                        salt.data(), static_cast<int>(salt.size()), static_cast<int>(iterations),
                        digest_of(hash), static_cast<int>(derived.size()), derived.data());
  MILLRACE_ASSERT(done == 1, "the parameters are in range");
  return derived;
}

// RFC 5802 §3: ClientKey and ServerKey are MACs of these words, StoredKey is the digest of ClientKey.
Octets key_for(ScramHash hash, ByteView salted_password, std::string_view words) {
  Octets key(size_of(hash));
  const unsigned char* done =
      HMAC(digest_of(hash), salted_password.data(), static_cast<int>(salted_password.size()),
           as_bytes(words).data(), words.size(), key.data(), nullptr);
  MILLRACE_ASSERT(done != nullptr, "HMAC is always there");
  return key;
}

Octets stored_key(ScramHash hash, ByteView salted_password) {
  Octets client_key = key_for(hash, salted_password, "Client Key");
  Octets stored(client_key.size());
  const int done =
      EVP_Digest(client_key.data(), client_key.size(), stored.data(), nullptr, digest_of(hash), nullptr);
  MILLRACE_ASSERT(done == 1, "the SHA-2 family is always there");
  OPENSSL_cleanse(client_key.data(), client_key.size());
  return stored;
}

Octets server_key(ScramHash hash, ByteView salted_password) {
  return key_for(hash, salted_password, "Server Key");
}

bool equal(ByteView a, ByteView b) noexcept {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

// "iterations$salt$…" in its parts, decoded but for the salt.
struct Derivation {
  unsigned iterations = 0;
  std::string_view salt_base64;
  Octets salt;
  std::vector<Octets> rest;
};
std::optional<Derivation> read_derivation(std::string_view text, std::size_t parts) {
  std::vector<std::string_view> fields;
  while (true) {
    const std::size_t end = text.find('$');
    fields.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  if (fields.size() != parts + 2) return std::nullopt;
  Derivation read;
  read.iterations = whole_number<unsigned>(fields[0]).value_or(0);
  if (read.iterations == 0 || read.iterations > kMaxIterations) return std::nullopt;
  read.salt_base64 = fields[1];
  auto salt = from_base64(fields[1]);
  if (!salt) return std::nullopt;
  read.salt = std::move(*salt);
  for (std::size_t i = 2; i < fields.size(); ++i) {
    auto octets = from_base64(fields[i]);
    if (!octets) return std::nullopt;
    read.rest.push_back(std::move(*octets));
  }
  return read;
}

bool verify_scram(std::string_view rest, std::string_view password) {
  const auto read = read_derivation(rest, 4);
  // All of it, though one part is enough: what is cut off is damaged.
  if (!read || read->rest[1].size() != size_of(ScramHash::sha256) ||
      read->rest[2].size() != size_of(ScramHash::sha512) ||
      read->rest[3].size() != size_of(ScramHash::sha512)) {
    return false;
  }
  const Octets derived = derive(ScramHash::sha256, password, read->salt, read->iterations);
  return equal(stored_key(ScramHash::sha256, derived), read->rest[0]);
}

bool verify_pbkdf2(std::string_view rest, std::string_view password) {
  const auto read = read_derivation(rest, 1);
  return read && equal(derive(ScramHash::sha256, password, read->salt, read->iterations), read->rest[0]);
}

std::string text_of(const Octets& octets) {
  return std::string(octets.begin(), octets.end());
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
  std::string stored = std::string(kScram) + std::to_string(iterations) + '$' + to_base64(salt);
  for (const ScramHash hash : {ScramHash::sha256, ScramHash::sha512}) {
    Octets derived = derive(hash, password, salt, iterations);
    stored += '$' + to_base64(stored_key(hash, derived)) + '$' + to_base64(server_key(hash, derived));
    OPENSSL_cleanse(derived.data(), derived.size());
  }
  return stored;
}

void verify_nothing(std::string_view password) {
  if (password.size() > kMaxPasswordBytes) return;
  const std::array<std::uint8_t, 16> salt{};
  stored_key(ScramHash::sha256, derive(ScramHash::sha256, password, salt, kPasswordIterations));
}

std::optional<ScramKeys> scram_keys(std::string_view stored, ScramHash hash) {
  const bool is_scram = stored.starts_with(kScram);
  const bool is_pbkdf2 = stored.starts_with(kPbkdf2) && hash == ScramHash::sha256;
  if (!is_scram && !is_pbkdf2) return std::nullopt;
  const auto read =
      read_derivation(stored.substr(is_scram ? kScram.size() : kPbkdf2.size()), is_scram ? 4 : 1);
  if (!read) return std::nullopt;
  ScramKeys keys;
  keys.iterations = read->iterations;
  keys.salt_base64 = read->salt_base64;
  const std::size_t at = hash == ScramHash::sha256 ? 0 : 2;
  keys.stored_key = text_of(is_scram ? read->rest[at] : stored_key(hash, read->rest[0]));
  keys.server_key = text_of(is_scram ? read->rest[at + 1] : server_key(hash, read->rest[0]));
  if (keys.stored_key.size() != size_of(hash) || keys.server_key.size() != size_of(hash)) return std::nullopt;
  return keys;
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
  if (stored.starts_with(kScram)) return verify_scram(stored.substr(kScram.size()), password);
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
