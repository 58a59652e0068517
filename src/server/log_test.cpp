#include "server/log.hpp"

#include <gtest/gtest.h>

namespace millrace::server {
namespace {

TEST(OneLine, leaves_text_as_it_is) {
  EXPECT_EQ(one_line("queue 'gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\xb0' in vhost '/'"),
            "queue 'gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\xb0' in vhost '/'");
}

TEST(OneLine, writes_out_what_a_terminal_would_obey) {
  EXPECT_EQ(one_line("a\nb\r\tc"), "a\\x0ab\\x0d\\x09c");
  EXPECT_EQ(one_line("\x1b[2Jgone\x7f"), "\\x1b[2Jgone\\x7f");
  EXPECT_EQ(one_line("\xc2\x9b"
                     "31m"),
            "\\x9b31m");  // CSI as one character
  EXPECT_EQ(one_line(std::string_view("nul\0", 4)), "nul\\x00");
}

TEST(OneLine, writes_out_what_turns_the_text_around_it) {
  EXPECT_EQ(one_line("\xe2\x80\xae"
                     "txt.exe"),
            "\\u202etxt.exe");
  EXPECT_EQ(one_line("a\xe2\x80\xa8"
                     "b"),
            "a\\u2028b");
}

TEST(OneLine, replaces_what_is_no_text) {
  EXPECT_EQ(one_line("a\xff"
                     "b"),
            "a\xef\xbf\xbd"
            "b");
}

}  // namespace
}  // namespace millrace::server
