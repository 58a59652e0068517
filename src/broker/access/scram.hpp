// SCRAM-SHA-256 and SCRAM-SHA-512 (RFC 5802, RFC 7677), the server's side of one login: the password is never
// sent, and what is stored does not let anybody log in.
//
// Channel binding is not offered. An authorization identity must be the user's own. Bounds: kMaxMessageBytes
// a message. Pure, but for what it is given; thread: one at a time.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "broker/access/password.hpp"

namespace millrace::broker {

class ScramLogin {
 public:
  static constexpr std::size_t kMaxMessageBytes = 4096;

  // The client's first message. invalid_argument: malformed, or asks for what is not offered.
  static result<ScramLogin> begin(ScramHash hash, std::string_view client_first);

  const std::string& user() const noexcept { return user_; }
  // The first answer. `stored`: of the user, as access/password.hpp makes it; where it serves no login of
  // this kind, or there is no such user, the answer looks the same and the login fails.
  std::string challenge(std::string_view stored, std::span<const std::uint8_t, 18> nonce,
                        std::span<const std::uint8_t, 32> key_for_unknown_users);
  // The client's last message: whether it knows the password. Once.
  bool verify(std::string_view client_final);
  // The last answer, when it does: that the server knows it too.
  const std::string& server_final() const noexcept { return server_final_; }

 private:
  ScramHash hash_ = ScramHash::sha256;
  std::string user_;
  std::string gs2_header_;
  std::string client_first_bare_;
  std::string nonce_;
  std::string server_first_;
  std::string server_final_;
  ScramKeys keys_;
  bool can_succeed_ = false;
};

}  // namespace millrace::broker
