// Two ends of a connection, for tests.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>

#include "base/descriptor.hpp"

namespace millrace::runtime_test {

inline std::array<Descriptor, 2> socket_pair() {
  int ends[2];
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

inline void write_byte(const Descriptor& to) {
  EXPECT_EQ(::send(to.get(), "x", 1, MSG_NOSIGNAL), 1);
}

}  // namespace millrace::runtime_test
