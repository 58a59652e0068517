#include "base/base64.hpp"

#include <gtest/gtest.h>

#include "base/prng.hpp"

namespace millrace {
namespace {

TEST(Base64, goes_there_and_back) {
  Prng random(17);
  for (std::size_t bytes = 0; bytes < 100; ++bytes) {
    std::string text;
    for (std::size_t i = 0; i < bytes; ++i) text += static_cast<char>(random.next());
    EXPECT_EQ(decode_base64(encode_base64(text)), text);
  }
  EXPECT_EQ(encode_base64("guest:guest"), "Z3Vlc3Q6Z3Vlc3Q=");
}

TEST(Base64, refuses_what_is_malformed) {
  for (const char* bad : {"a", "ab", "abc", "ab!=", "=abc", "a===", "abc=abcd", "Z3Vl c3Q"}) {
    EXPECT_FALSE(decode_base64(bad)) << bad;
  }
}

TEST(Base64, is_padded) {
  EXPECT_EQ(encode_base64(""), "");
  EXPECT_EQ(encode_base64("f"), "Zg==");
  EXPECT_EQ(encode_base64("fo"), "Zm8=");
  EXPECT_EQ(encode_base64("foo"), "Zm9v");
  EXPECT_EQ(encode_base64("\xff\xfe\xfd"), "//79");
}

}  // namespace
}  // namespace millrace
