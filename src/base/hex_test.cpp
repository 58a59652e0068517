#include "base/hex.hpp"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(Hex, shows_leading_zeroes_and_the_last_digits) {
  EXPECT_EQ(to_hex(0x1f), "000000000000001f");
  EXPECT_EQ(to_hex(0xfedcba9876543210), "fedcba9876543210");
  EXPECT_EQ(to_hex(0xfedcba9876543210, 8), "76543210");
  EXPECT_EQ(to_hex(7, 2), "07");
}

}  // namespace
}  // namespace millrace
