#include "net/proxy_header.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>
#include <string_view>
#include <vector>

#include "base/assert.hpp"
#include "base/number.hpp"

namespace millrace::net {
namespace {

constexpr std::string_view kVersion1 = "PROXY ";
constexpr std::string_view kVersion2("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t kVersion2Head = 16;

std::size_t version2_body(std::string_view head) noexcept {
  return load_be<std::uint16_t>(as_bytes(head).data() + 14);
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (true) {
    const std::size_t space = line.find(' ');
    words.push_back(line.substr(0, space));
    if (space == std::string_view::npos) return words;
    line.remove_prefix(space + 1);
  }
}

bool parse_endpoint(int family, std::string_view host, std::string_view port_text, sockaddr_storage& to) {
  const auto port = whole_number<std::uint16_t>(port_text);
  if (!port) return false;
  const std::string address(host);
  if (family == AF_INET) {
    auto& in = reinterpret_cast<sockaddr_in&>(to);
    if (::inet_pton(AF_INET, address.c_str(), &in.sin_addr) != 1) return false;
    in.sin_port = htons(*port);
  } else {
    auto& in6 = reinterpret_cast<sockaddr_in6&>(to);
    if (::inet_pton(AF_INET6, address.c_str(), &in6.sin6_addr) != 1) return false;
    in6.sin6_port = htons(*port);
  }
  to.ss_family = static_cast<sa_family_t>(family);
  return true;
}

}  // namespace

// Version 1 ends with its line, so it is taken byte by byte; both begin with twelve bytes at least.
std::size_t ProxyHeader::wants() const noexcept {
  if (state_ != State::incomplete) return 0;
  if (bytes_.size() < kVersion2.size()) return kVersion2.size() - bytes_.size();
  if (!bytes_.starts_with(kVersion2)) return 1;
  if (bytes_.size() < kVersion2Head) return kVersion2Head - bytes_.size();
  return kVersion2Head + version2_body(bytes_) - bytes_.size();
}

ProxyHeader::State ProxyHeader::feed(ByteView bytes) {
  MILLRACE_ASSERT(bytes.size() <= wants(), "bytes were taken that belong to somebody else");
  bytes_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::string_view all = bytes_;
  const bool may_be_1 = all.substr(0, kVersion1.size()) == kVersion1.substr(0, all.size());
  const bool may_be_2 = all.substr(0, kVersion2.size()) == kVersion2.substr(0, all.size());
  if (!may_be_1 && !may_be_2) return state_ = State::malformed;
  return state_ = may_be_1 ? parse_version1() : parse_version2();
}

// §2.1: PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n
ProxyHeader::State ProxyHeader::parse_version1() {
  // The line may not end before twelve bytes: "PROXY UNKNOWN\r\n" is the shortest.
  const std::size_t end = bytes_.find('\n');
  if (end == std::string::npos)
    return bytes_.size() < kMaxVersion1Bytes ? State::incomplete : State::malformed;
  if (end + 1 != bytes_.size() || bytes_[end - 1] != '\r') return State::malformed;
  const auto words = words_of(std::string_view(bytes_).substr(0, end - 1));
  if (words.size() >= 2 && words[1] == "UNKNOWN") return State::complete;
  if (words.size() != 6) return State::malformed;
  const int family = words[1] == "TCP4" ? AF_INET : words[1] == "TCP6" ? AF_INET6 : AF_UNSPEC;
  sockaddr_storage destination{};
  if (family == AF_UNSPEC || !parse_endpoint(family, words[2], words[4], source_) ||
      !parse_endpoint(family, words[3], words[5], destination)) {
    return State::malformed;
  }
  return State::complete;
}

// §2.2: signature, version and command, family and transport, length, addresses, extensions.
ProxyHeader::State ProxyHeader::parse_version2() {
  if (bytes_.size() < kVersion2Head) return State::incomplete;
  const std::size_t body = version2_body(bytes_);
  if (body > kMaxVersion2Bytes) return State::malformed;
  const auto version = static_cast<std::uint8_t>(bytes_[12]) >> 4;
  const auto command = static_cast<std::uint8_t>(bytes_[12]) & 0x0f;
  constexpr int kLocal = 0;
  constexpr int kProxy = 1;
  if (version != 2 || (command != kLocal && command != kProxy)) return State::malformed;
  if (bytes_.size() < kVersion2Head + body) return State::incomplete;
  if (command == kLocal) return State::complete;
  const std::uint8_t* address = as_bytes(std::string_view(bytes_)).data() + kVersion2Head;
  constexpr std::uint8_t kTcp4 = 0x11;
  constexpr std::uint8_t kTcp6 = 0x21;
  const auto family = static_cast<std::uint8_t>(bytes_[13]);
  if (family == kTcp4) {
    if (body < 12) return State::malformed;
    auto& in = reinterpret_cast<sockaddr_in&>(source_);
    in.sin_family = AF_INET;
    std::memcpy(&in.sin_addr, address, 4);
    std::memcpy(&in.sin_port, address + 8, 2);
  } else if (family == kTcp6) {
    if (body < 36) return State::malformed;
    auto& in6 = reinterpret_cast<sockaddr_in6&>(source_);
    in6.sin6_family = AF_INET6;
    std::memcpy(&in6.sin6_addr, address, 16);
    std::memcpy(&in6.sin6_port, address + 32, 2);
  }
  return State::complete;  // of another family: nothing is known of its source
}

}  // namespace millrace::net
