// What a proxy says ahead of a connection's bytes: for whom it has connected (HAProxy's PROXY protocol,
// versions 1 and 2).
//
// The bytes behind it belong to somebody else, TLS maybe, so the reader is told how many it may take without
// touching them. Bounds: 107 bytes of version 1 (§2.1), 16 + kMaxVersion2Bytes of version 2.
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/bytes.hpp"

namespace millrace::net {

class ProxyHeader {
 public:
  // Addresses and a few extensions; the protocol allows 64 KiB.
  static constexpr std::size_t kMaxVersion2Bytes = 4096;
  static constexpr std::size_t kMaxVersion1Bytes = 107;

  enum class State : std::uint8_t { incomplete, complete, malformed };

  // How many bytes to take at most; above 0 while it is incomplete.
  std::size_t wants() const noexcept;
  // At most wants() bytes.
  State feed(ByteView bytes);

  // When complete: whether it names a client. It does not when the proxy speaks for itself (a health check)
  // or does not know; then nothing is known about where the bytes come from.
  bool has_source() const noexcept { return source_.ss_family != AF_UNSPEC; }
  const sockaddr_storage& source() const noexcept { return source_; }

 private:
  State parse_version1();
  State parse_version2();

  std::string bytes_;
  sockaddr_storage source_{};
  State state_ = State::incomplete;
};

}  // namespace millrace::net
