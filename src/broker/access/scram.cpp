#include "broker/access/scram.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "base/assert.hpp"
#include "base/base64.hpp"
#include "base/bytes.hpp"
#include "broker/access/scram_digest.hpp"

namespace millrace::broker {
namespace {

std::string hmac(ScramHash hash, std::string_view key, std::string_view text) {
  std::string made(EVP_MAX_MD_SIZE, '\0');
  unsigned bytes = 0;
  const unsigned char* done =
      HMAC(digest_of(hash), key.data(), static_cast<int>(key.size()), as_bytes(text).data(), text.size(),
           reinterpret_cast<unsigned char*>(made.data()), &bytes);
  MILLRACE_ASSERT(done != nullptr, "HMAC is always there");
  made.resize(bytes);
  return made;
}

std::string digest(ScramHash hash, std::string_view text) {
  std::string made(EVP_MAX_MD_SIZE, '\0');
  unsigned bytes = 0;
  const int done = EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(made.data()), &bytes,
                              digest_of(hash), nullptr);
  MILLRACE_ASSERT(done == 1, "the SHA-2 family is always there");
  made.resize(bytes);
  return made;
}

// "n,,": neither channel binding nor another identity. What stands before the second comma, with it.
std::optional<std::size_t> gs2_end(std::string_view message) {
  if (!message.starts_with("n,") && !message.starts_with("y,")) return std::nullopt;
  const std::size_t comma = message.find(',', 2);
  if (comma == std::string_view::npos) return std::nullopt;
  return comma + 1;
}

// =2C is a comma, =3D an equals sign; nothing else stands behind one (RFC 5802 §5.1).
std::optional<std::string> saslname(std::string_view text) {
  std::string name;
  while (!text.empty()) {
    if (text.starts_with("=2C")) {
      name += ',';
      text.remove_prefix(3);
    } else if (text.starts_with("=3D")) {
      name += '=';
      text.remove_prefix(3);
    } else if (text.front() == '=' || text.front() == '\0') {
      return std::nullopt;
    } else {
      name += text.front();
      text.remove_prefix(1);
    }
  }
  if (name.empty()) return std::nullopt;
  return name;
}

bool is_nonce(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~' && c != ','; });
}

// The next "x=…" of a message, which is taken from its front.
std::optional<std::string_view> take(std::string_view& rest, char name) {
  if (rest.size() < 2 || rest[0] != name || rest[1] != '=') return std::nullopt;
  const std::size_t end = std::min(rest.find(','), rest.size());
  const std::string_view value = rest.substr(2, end - 2);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return value;
}

bool same(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

result<ScramLogin> ScramLogin::begin(ScramHash hash, std::string_view message) {
  const auto malformed = [] { return fail(Errc::invalid_argument, "malformed SCRAM message"); };
  if (message.size() > kMaxMessageBytes) return malformed();
  const auto header_end = gs2_end(message);
  if (!header_end) return malformed();
  ScramLogin login;
  login.hash_ = hash;
  login.gs2_header_ = message.substr(0, *header_end);
  login.client_first_bare_ = message.substr(*header_end);
  std::string_view rest = login.client_first_bare_;
  const auto name = take(rest, 'n');  // "m=", an extension that must be understood, is none that is
  const auto nonce = take(rest, 'r');
  if (!name || !nonce || !is_nonce(*nonce)) return malformed();
  auto user = saslname(*name);
  if (!user) return malformed();
  login.user_ = std::move(*user);
  login.nonce_ = *nonce;
  std::string_view identity = std::string_view(login.gs2_header_).substr(2);
  identity.remove_suffix(1);
  if (!identity.empty()) {
    if (!identity.starts_with("a=")) return malformed();
    const auto other = saslname(identity.substr(2));
    if (!other || *other != login.user_) return malformed();  // nobody acts for another
  }
  return login;
}

std::string ScramLogin::challenge(std::string_view stored, std::span<const std::uint8_t, 18> nonce,
                                  std::span<const std::uint8_t, 32> key_for_unknown_users) {
  auto keys = scram_keys(stored, hash_);
  can_succeed_ = keys.has_value();
  if (keys) {
    keys_ = std::move(*keys);
  } else {
    // The same salt each time, so that nobody learns who is unknown by asking twice.
    const std::string_view key(reinterpret_cast<const char*>(key_for_unknown_users.data()), 32);
    const std::string salt = hmac(ScramHash::sha256, key, user_).substr(0, 16);
    keys_.iterations = kPasswordIterations;
    keys_.salt_base64 = encode_base64(salt);
    keys_.stored_key.assign(digest(hash_, salt).size(), '\0');
    keys_.server_key = keys_.stored_key;
  }
  nonce_ += encode_base64({reinterpret_cast<const char*>(nonce.data()), nonce.size()});
  server_first_ = "r=" + nonce_ + ",s=" + keys_.salt_base64 + ",i=" + std::to_string(keys_.iterations);
  return server_first_;
}

bool ScramLogin::verify(std::string_view message) {
  if (message.size() > kMaxMessageBytes || server_first_.empty()) return false;
  const std::size_t proof_at = message.rfind(",p=");
  if (proof_at == std::string_view::npos) return false;
  const std::string_view without_proof = message.substr(0, proof_at);
  std::string_view rest = without_proof;
  const auto binding = take(rest, 'c');
  const auto nonce = take(rest, 'r');
  if (!binding || !nonce || *binding != encode_base64(gs2_header_) || !same(*nonce, nonce_)) return false;
  const auto proof = decode_base64(message.substr(proof_at + 3));
  if (!proof || proof->size() != keys_.stored_key.size()) return false;
  const std::string auth_message =
      client_first_bare_ + "," + server_first_ + "," + std::string(without_proof);
  server_first_.clear();
  const std::string signature = hmac(hash_, keys_.stored_key, auth_message);
  std::string client_key(signature.size(), '\0');
  for (std::size_t i = 0; i < signature.size(); ++i)
    client_key[i] =
        static_cast<char>(static_cast<std::uint8_t>(signature[i]) ^ static_cast<std::uint8_t>((*proof)[i]));
  const bool right = same(digest(hash_, client_key), keys_.stored_key) && can_succeed_;
  OPENSSL_cleanse(client_key.data(), client_key.size());
  if (right) server_final_ = "v=" + encode_base64(hmac(hash_, keys_.server_key, auth_message));
  return right;
}

}  // namespace millrace::broker
