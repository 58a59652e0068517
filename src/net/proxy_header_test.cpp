#include "net/proxy_header.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include "net/address_range.hpp"

namespace millrace::net {
namespace {

using State = ProxyHeader::State;

// Feeds no more than is wanted at a time, at most `piece`; returns what was left of the bytes.
struct Fed {
  ProxyHeader header;
  State state = State::incomplete;
  std::string rest;
};
Fed feed(std::string bytes, std::size_t piece = 1000) {
  Fed fed;
  while (fed.state == State::incomplete && !bytes.empty()) {
    const std::size_t count = std::min({fed.header.wants(), piece, bytes.size()});
    EXPECT_GT(count, 0u);
    fed.state = fed.header.feed(as_bytes(std::string_view(bytes).substr(0, count)));
    bytes.erase(0, count);
  }
  fed.rest = bytes;
  return fed;
}

std::string version2(char command, char family, const std::string& body) {
  std::string bytes("\r\n\r\n\0\r\nQUIT\n", 12);
  bytes += static_cast<char>(0x20 | command);
  bytes += family;
  bytes += static_cast<char>(body.size() >> 8);
  bytes += static_cast<char>(body.size());
  return bytes + body;
}

const std::string kIpv4Body("\x01\x02\x03\x04\x0a\x00\x00\x01\x12\x34\x16\x28", 12);

std::string source_of(const ProxyHeader& header) {
  char text[INET6_ADDRSTRLEN] = "";
  const auto& source = header.source();
  if (source.ss_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(source);
    return std::string(inet_ntop(AF_INET, &in.sin_addr, text, sizeof text)) + " " +
           std::to_string(ntohs(in.sin_port));
  }
  const auto& in6 = reinterpret_cast<const sockaddr_in6&>(source);
  return std::string(inet_ntop(AF_INET6, &in6.sin6_addr, text, sizeof text)) + " " +
         std::to_string(ntohs(in6.sin6_port));
}

TEST(ProxyHeader, reads_version_1_however_it_is_cut_and_leaves_what_follows) {
  for (std::size_t piece : {1u, 3u, 12u, 1000u}) {
    const Fed fed = feed("PROXY TCP4 192.0.2.1 10.0.0.1 56324 5672\r\nAMQP", piece);
    ASSERT_EQ(fed.state, State::complete);
    EXPECT_EQ(source_of(fed.header), "192.0.2.1 56324");
    EXPECT_EQ(fed.rest, "AMQP");
  }
  const Fed fed = feed("PROXY TCP6 2001:db8::1 ::1 1 65535\r\n");
  ASSERT_EQ(fed.state, State::complete);
  EXPECT_EQ(source_of(fed.header), "2001:db8::1 1");
}

TEST(ProxyHeader, knows_no_source_when_the_proxy_knows_none) {
  for (const std::string& bytes :
       {std::string("PROXY UNKNOWN\r\n"), std::string("PROXY UNKNOWN ::1 ::1 1 2\r\n"), version2(0, 0, ""),
        version2(0, 0x11, kIpv4Body), version2(1, 0x31, std::string(216, 'x')), version2(1, 0, "")}) {
    const Fed fed = feed(bytes + "X", 5);
    EXPECT_EQ(fed.state, State::complete) << bytes;
    EXPECT_FALSE(fed.header.has_source()) << bytes;
    EXPECT_EQ(fed.rest, "X");
  }
}

TEST(ProxyHeader, reads_version_2_with_extensions) {
  const Fed fed = feed(version2(1, 0x11, kIpv4Body + std::string("\x04\x00\x01x", 4)) + "AMQP", 7);
  ASSERT_EQ(fed.state, State::complete);
  EXPECT_EQ(source_of(fed.header), "1.2.3.4 4660");
  EXPECT_EQ(fed.rest, "AMQP");
  const Fed ipv6 =
      feed(version2(1, 0x21, std::string(15, '\0') + "\x01" + std::string(16, '\0') + "\x01\x02zz"));
  ASSERT_EQ(ipv6.state, State::complete);
  EXPECT_EQ(source_of(ipv6.header), "::1 258");
}

TEST(ProxyHeader, refuses_what_is_none) {
  for (const std::string& bytes :
       {std::string("AMQP\0\0\x09\x01", 8), std::string("GET / HTTP/1.1\r\n"),
        std::string("PROXY TCP4 1.2.3.4\r\n"), std::string("PROXY TCP4 1.2.3.4 5.6.7.8 1 70000\r\n"),
        std::string("PROXY TCP4 ::1 5.6.7.8 1 2\r\n"), std::string("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n"),
        std::string("PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n"),
        std::string("PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n"), "PROXY " + std::string(200, 'x'),
        version2(2, 0x11, kIpv4Body), version2(1, 0x11, "short"), version2(1, 0x21, kIpv4Body),
        version2(1, 0x11, std::string(5000, 'x'))}) {
    EXPECT_EQ(feed(bytes).state, State::malformed) << bytes;
  }
}

TEST(ProxyHeader, waits_for_the_rest) {
  const std::string whole = version2(1, 0x11, kIpv4Body);
  for (std::size_t size = 1; size < whole.size(); ++size) {
    EXPECT_EQ(feed(whole.substr(0, size)).state, State::incomplete) << size;
  }
}

sockaddr_storage address(const char* text) {
  sockaddr_storage made{};
  if (inet_pton(AF_INET, text, &reinterpret_cast<sockaddr_in&>(made).sin_addr) == 1) {
    made.ss_family = AF_INET;
  } else if (inet_pton(AF_INET6, text, &reinterpret_cast<sockaddr_in6&>(made).sin6_addr) == 1) {
    made.ss_family = AF_INET6;
  }
  return made;
}

TEST(AddressRange, holds_what_its_prefix_says) {
  const auto ten = AddressRange::parse("10.0.0.0/8");
  ASSERT_TRUE(ten);
  EXPECT_TRUE(ten->contains(address("10.255.0.1")));
  EXPECT_TRUE(ten->contains(address("::ffff:10.1.2.3")));
  EXPECT_FALSE(ten->contains(address("11.0.0.1")));
  EXPECT_FALSE(ten->contains(address("::1")));
  const auto odd = AddressRange::parse("192.0.2.128/25");
  ASSERT_TRUE(odd);
  EXPECT_TRUE(odd->contains(address("192.0.2.200")));
  EXPECT_FALSE(odd->contains(address("192.0.2.127")));
  const auto six = AddressRange::parse("fd00::/8");
  ASSERT_TRUE(six);
  EXPECT_TRUE(six->contains(address("fd12::1")));
  EXPECT_FALSE(six->contains(address("fe80::1")));
  const auto one = AddressRange::parse("127.0.0.1");
  ASSERT_TRUE(one);
  EXPECT_TRUE(one->contains(address("127.0.0.1")));
  EXPECT_FALSE(one->contains(address("127.0.0.2")));
  EXPECT_FALSE(one->contains(sockaddr_storage{}));
}

TEST(AddressRange, refuses_what_says_more_than_it_holds) {
  for (const char* text :
       {"", "10.0.0.1/8", "10.0.0.0/33", "::/129", "10.0.0.0/", "localhost", "10.0.0.0/8x", "/8"}) {
    EXPECT_FALSE(AddressRange::parse(text)) << text;
  }
}

}  // namespace
}  // namespace millrace::net
