#include "server/address.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <string_view>

namespace millrace::server {
namespace {

TEST(Address, reads_hosts_and_ports) {
  EXPECT_EQ(*parse_host_port("127.0.0.1:5672"), (HostPort{"127.0.0.1", 5672}));
  EXPECT_EQ(*parse_host_port("localhost:0"), (HostPort{"localhost", 0}));
  EXPECT_EQ(*parse_host_port("[::1]:5672"), (HostPort{"::1", 5672}));
  EXPECT_EQ(*parse_host_port("*:5672"), (HostPort{"", 5672}));
  EXPECT_EQ(*parse_host_port(":5672"), (HostPort{"", 5672}));
  EXPECT_EQ(*parse_host_port("5672"), (HostPort{"", 5672}));
}

TEST(Address, refuses_what_is_no_host_and_port) {
  for (const char* text : {"", "host", "host:", "host:99999", "host:5672x", "::1:5672", "host:-1"}) {
    EXPECT_FALSE(parse_host_port(text)) << text;
  }
}

TEST(Address, tells_loopback_from_elsewhere) {
  const auto loopback = [](const char* text) {
    sockaddr_storage address{};
    if (std::string_view(text).find(':') == std::string_view::npos) {
      auto& v4 = reinterpret_cast<sockaddr_in&>(address);
      v4.sin_family = AF_INET;
      EXPECT_EQ(inet_pton(AF_INET, text, &v4.sin_addr), 1);
    } else {
      auto& v6 = reinterpret_cast<sockaddr_in6&>(address);
      v6.sin6_family = AF_INET6;
      EXPECT_EQ(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    }
    return is_loopback(address);
  };
  for (const char* text : {"127.0.0.1", "127.255.1.2", "::1", "::ffff:127.0.0.1"}) {
    EXPECT_TRUE(loopback(text)) << text;
  }
  for (const char* text : {"192.0.2.1", "126.255.255.255", "128.0.0.1", "0.0.0.0", "2001:db8::1",
                           "::", "fe80::1", "::ffff:192.0.2.1", "::127.0.0.1"}) {
    EXPECT_FALSE(loopback(text)) << text;
  }
}

}  // namespace
}  // namespace millrace::server
