// Where an HTTP server is, and what to ask it for.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace millrace::net {

struct Url {
  bool secure = false;
  std::string host;  // without the brackets of IPv6
  std::string port;
  std::string target;  // "/path?query"

  // What is said on the way stays on this machine.
  bool is_loopback() const noexcept;
  // invalid_argument: no URL of http or https; with credentials or a fragment.
  static result<Url> parse(std::string_view text);
};

}  // namespace millrace::net
