#include "base/utf8.hpp"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(Utf8, replaces_what_is_not) {
  EXPECT_EQ(as_utf8("gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\xb0"), "gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\xb0");
  EXPECT_EQ(as_utf8("a\xff"
                    "b"),
            "a\xef\xbf\xbd"
            "b");
  for (const char* bad : {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80"}) {
    EXPECT_FALSE(is_utf8(bad)) << bad;
    EXPECT_TRUE(is_utf8(as_utf8(bad))) << bad;
  }
}

}  // namespace
}  // namespace millrace
