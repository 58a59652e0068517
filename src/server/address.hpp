// Where to listen and who has called, as people write it.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace millrace::server {

struct HostPort {
  std::string host;  // empty: all interfaces
  std::uint16_t port = 0;
  friend bool operator==(const HostPort&, const HostPort&) = default;
};

// "127.0.0.1:5672", "[::1]:5672", "localhost:5672", "*:5672", ":5672" or "5672". invalid_argument otherwise.
result<HostPort> parse_host_port(std::string_view text);

// "127.0.0.1:5672", "[::1]:5672". IPv4 addresses mapped to IPv6 are shown as IPv4.
std::string to_text(const sockaddr_storage& address);
bool is_loopback(const sockaddr_storage& address);

}  // namespace millrace::server
