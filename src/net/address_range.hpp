// Sets of addresses as people write them: "10.0.0.0/8", "192.0.2.7", "fd00::/8".
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <string_view>

#include "base/result.hpp"

namespace millrace::net {

class AddressRange {
 public:
  // invalid_argument: not an address, a name, too many bits, or bits set behind the prefix.
  static result<AddressRange> parse(std::string_view text);
  // An IPv4 address that is mapped to IPv6 counts as IPv4. False for what is not IP.
  bool contains(const sockaddr_storage& address) const noexcept;
  friend bool operator==(const AddressRange&, const AddressRange&) = default;

 private:
  std::array<std::uint8_t, 16> prefix_{};  // IPv4 is kept mapped to IPv6
  unsigned bits_ = 0;
};

}  // namespace millrace::net
