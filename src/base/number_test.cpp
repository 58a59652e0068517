#include "base/number.hpp"

#include <gtest/gtest.h>

#include <cstdint>

namespace millrace {
namespace {

TEST(WholeNumber, is_all_of_the_text) {
  EXPECT_EQ(whole_number<std::uint16_t>("65535"), 65535);
  EXPECT_EQ(whole_number<std::int64_t>("-7"), -7);
  EXPECT_EQ(whole_number<unsigned>("007"), 7u);
}

TEST(WholeNumber, is_none_of_anything_else) {
  for (const char* text : {"", " 1", "1 ", "+1", "-1", "1.0", "0x1", "65536", "ten"}) {
    EXPECT_FALSE(whole_number<std::uint16_t>(text)) << text;
  }
}

}  // namespace
}  // namespace millrace
