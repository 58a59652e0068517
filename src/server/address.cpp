#include "server/address.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>
#include <optional>

#include "base/number.hpp"

namespace millrace::server {
namespace {

// The IPv4 address, also of one mapped to IPv6.
std::optional<in_addr> ipv4_of(const sockaddr_storage& address) {
  in_addr ipv4{};
  if (address.ss_family == AF_INET) {
    std::memcpy(&ipv4, &reinterpret_cast<const sockaddr_in&>(address).sin_addr, sizeof ipv4);
    return ipv4;
  }
  const auto& in6 = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
  if (address.ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&in6)) return std::nullopt;
  std::memcpy(&ipv4, in6.s6_addr + 12, sizeof ipv4);
  return ipv4;
}

}  // namespace

result<HostPort> parse_host_port(std::string_view text) {
  const Error malformed = fail(Errc::invalid_argument, "'" + std::string(text) +
                                                           "' is not HOST:PORT (127.0.0.1:5672, [::1]:5672, "
                                                           "*:5672 for all interfaces)");
  const std::size_t colon = text.rfind(':');
  std::string_view host = colon == std::string_view::npos ? std::string_view() : text.substr(0, colon);
  const auto port =
      whole_number<std::uint16_t>(colon == std::string_view::npos ? text : text.substr(colon + 1));
  if (!port) return malformed;
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find_first_of(":[]") != std::string_view::npos) {
    return malformed;  // an IPv6 address goes in brackets
  }
  if (host == "*") host = {};
  return HostPort{std::string(host), *port};
}

std::string to_text(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "?";
  if (const auto ipv4 = ipv4_of(address)) {
    ::inet_ntop(AF_INET, &*ipv4, text, sizeof text);
    const in_port_t port = address.ss_family == AF_INET
                               ? reinterpret_cast<const sockaddr_in&>(address).sin_port
                               : reinterpret_cast<const sockaddr_in6&>(address).sin6_port;
    return std::string(text) + ":" + std::to_string(ntohs(port));
  }
  if (address.ss_family != AF_INET6) return "local";
  const auto& ipv6 = reinterpret_cast<const sockaddr_in6&>(address);
  ::inet_ntop(AF_INET6, &ipv6.sin6_addr, text, sizeof text);
  return "[" + std::string(text) + "]:" + std::to_string(ntohs(ipv6.sin6_port));
}

bool is_loopback(const sockaddr_storage& address) {
  if (const auto ipv4 = ipv4_of(address)) return (ntohl(ipv4->s_addr) >> 24) == 127;
  if (address.ss_family != AF_INET6) return address.ss_family == AF_UNIX;
  return IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6&>(address).sin6_addr);
}

}  // namespace millrace::server
