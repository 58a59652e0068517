#include "server/address.hpp"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace millrace::server
