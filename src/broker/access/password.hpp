// Passwords at rest: "{scheme}…" strings. New ones are the keys of SCRAM-SHA-256 and SCRAM-SHA-512 (RFC 5802
// §3), by PBKDF2 with a random 16-byte salt: a password in clear can be held against them, and so can SCRAM,
// and who has read them cannot log in with them. RabbitMQ's salted SHA-256, SHA-512 and MD5 hashes are
// accepted as definitions files carry them.
//
// Slow by design (kIterations): never on a shard's thread. Pure functions, any thread. Comparison takes the
// same time wherever the difference is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace millrace::broker {

inline constexpr unsigned kPasswordIterations = 100'000;
// A longer one is wrong.
inline constexpr std::size_t kMaxPasswordBytes = 65'536;

// `salt` from the system's random source.
std::string hash_password(std::string_view password, std::span<const std::uint8_t, 16> salt,
                          unsigned iterations = kPasswordIterations);
// False for a wrong password, and for a stored form that is empty or not understood.
bool verify_password(std::string_view stored, std::string_view password);
// Takes as long as verify_password() of a new one.
void verify_nothing(std::string_view password);

enum class ScramHash : std::uint8_t { sha256, sha512 };
struct ScramKeys {
  unsigned iterations = 0;
  std::string salt_base64;
  std::string stored_key;  // raw
  std::string server_key;
};
// None: a stored form that knows less than that.
std::optional<ScramKeys> scram_keys(std::string_view stored, ScramHash hash);

// From a definitions file: base64 hash and algorithm ("rabbit_password_hashing_sha256", …). An empty hash, of
// a user that has no password, stays empty. invalid_argument otherwise.
result<std::string> import_rabbitmq_hash(std::string_view algorithm, std::string_view base64);

// rabbit_password_hashing_sha256: quick to guess, so for passwords that everybody knows and for those who ask
// for it.
std::string hash_for_rabbitmq(std::string_view password, std::span<const std::uint8_t, 4> salt);

// The way back; none for a form that RabbitMQ does not have.
struct RabbitmqHash {
  std::string algorithm;
  std::string base64;
};
std::optional<RabbitmqHash> export_rabbitmq_hash(std::string_view stored);

// Remembers credentials that were verified, as a keyed MAC, so that a reconnect storm costs no key
// derivations. Keyed anew at each start; the stored password is part of what is signed, so a change forgets.
// One entry a user; when full, any other goes. Thread: its owner's.
class VerifiedCredentials {
 public:
  static constexpr std::size_t kMaxEntries = 65536;
  explicit VerifiedCredentials(std::span<const std::uint8_t, 32> key);
  ~VerifiedCredentials();
  bool known(std::string_view user, std::string_view stored, std::string_view password) const;
  void remember(std::string_view user, std::string_view stored, std::string_view password);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace millrace::broker
