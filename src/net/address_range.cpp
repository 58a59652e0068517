#include "net/address_range.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>
#include <optional>
#include <string>

#include "base/number.hpp"

namespace millrace::net {
namespace {

using Octets = std::array<std::uint8_t, 16>;
constexpr unsigned kMappedBits = 96;

Octets mapped(const in_addr& ipv4) {
  Octets octets{};
  octets[10] = octets[11] = 0xff;
  std::memcpy(octets.data() + 12, &ipv4, 4);
  return octets;
}

bool same_prefix(const Octets& a, const Octets& b, unsigned bits) noexcept {
  const unsigned whole = bits / 8;
  if (std::memcmp(a.data(), b.data(), whole) != 0) return false;
  const unsigned rest = bits % 8;
  return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

std::optional<Octets> octets_of(const sockaddr_storage& address) noexcept {
  if (address.ss_family == AF_INET) return mapped(reinterpret_cast<const sockaddr_in&>(address).sin_addr);
  if (address.ss_family != AF_INET6) return std::nullopt;
  Octets octets;
  std::memcpy(octets.data(), &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr, 16);
  return octets;
}

}  // namespace

result<AddressRange> AddressRange::parse(std::string_view text) {
  const Error malformed = fail(Errc::invalid_argument,
                               "'" + std::string(text) + "' is not an address or a range (10.0.0.0/8, ::1)");
  const std::size_t slash = text.find('/');
  const std::string host(text.substr(0, slash));
  AddressRange range;
  in_addr ipv4{};
  const bool is_ipv4 = ::inet_pton(AF_INET, host.c_str(), &ipv4) == 1;
  if (is_ipv4) {
    range.prefix_ = mapped(ipv4);
  } else if (::inet_pton(AF_INET6, host.c_str(), range.prefix_.data()) != 1) {
    return malformed;
  }
  const unsigned most = is_ipv4 ? 32 : 128;
  unsigned bits = most;
  if (slash != std::string_view::npos) {
    const auto written = whole_number<unsigned>(text.substr(slash + 1));
    if (!written || *written > most) return malformed;
    bits = *written;
  }
  range.bits_ = is_ipv4 ? kMappedBits + bits : bits;
  for (unsigned bit = range.bits_; bit < 128; ++bit) {
    if ((range.prefix_[bit / 8] >> (7 - bit % 8) & 1) != 0) {
      return fail(Errc::invalid_argument, "'" + std::string(text) + "' has bits set behind its prefix");
    }
  }
  return range;
}

bool AddressRange::contains(const sockaddr_storage& address) const noexcept {
  const std::optional<Octets> octets = octets_of(address);
  return octets && same_prefix(*octets, prefix_, bits_);
}

}  // namespace millrace::net
