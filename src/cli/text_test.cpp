#include "cli/text.hpp"
#include "base/utf8.hpp"

#include <gtest/gtest.h>

#include "cli/table.hpp"

namespace millrace::cli {
namespace {

TEST(Text, shows_what_could_steer_a_terminal_as_an_escape) {
  EXPECT_EQ(printable("a\nb\tc\r"), "a\\nb\\tc\\r");
  EXPECT_EQ(printable("\x1b[31mred"), "\\x1b[31mred");
  EXPECT_EQ(printable("\xc2\x9b"
                      "2J"),
            "\\u{9b}2J");
  EXPECT_EQ(printable("\xe2\x80\xae"
                      "txt"),
            "\\u{202e}txt");
  EXPECT_EQ(printable("\xff\xc3"), "\\xff\\xc3");
  EXPECT_EQ(printable("日本 ñ 🐰"), "日本 ñ 🐰");
}

TEST(Text, takes_overlong_and_surrogate_forms_for_no_utf8) {
  EXPECT_FALSE(is_utf8("\xc0\x80"));
  EXPECT_FALSE(is_utf8("\xe0\x80\x80"));
  EXPECT_FALSE(is_utf8("\xed\xa0\x80"));
  EXPECT_FALSE(is_utf8("\xf5\x80\x80\x80"));
  EXPECT_TRUE(is_utf8("\xf0\x9f\x90\xb0"));
}

TEST(Text, counts_wide_characters_twice) {
  EXPECT_EQ(display_width("abc"), 3u);
  EXPECT_EQ(display_width("日本"), 4u);
  EXPECT_EQ(display_width("e\xcc\x81"), 1u);
}

TEST(Text, cuts_to_columns_and_says_so) {
  EXPECT_EQ(cut_to("abcdef", 6), "abcdef");
  EXPECT_EQ(cut_to("abcdef", 4), "abc…");
  EXPECT_EQ(cut_to("日本語", 4), "日…");
  EXPECT_EQ(cut_to("abc", 0), "");
}

TEST(Text, encodes_what_a_path_would_take_for_its_own) {
  EXPECT_EQ(percent_encode("/a b%?#é"), "%2Fa%20b%25%3F%23%C3%A9");
  EXPECT_EQ(percent_encode("A-z_0.9~"), "A-z_0.9~");
}

TEST(Text, has_units_that_people_read) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(1536), "1.5 KiB");
  EXPECT_EQ(rate_text(0), "0/s");
  EXPECT_EQ(rate_text(2.54), "2.5/s");
  EXPECT_EQ(duration_text(59), "59 s");
  EXPECT_EQ(duration_text(90'000), "1 d 1 h");
  EXPECT_EQ(latency_text(1'500'000), "1.50 ms");
}

TEST(Text, reads_times_with_and_without_a_unit) {
  EXPECT_EQ(seconds_in("90"), 90U);
  EXPECT_EQ(seconds_in("90s"), 90U);
  EXPECT_EQ(seconds_in("15m"), 900U);
  EXPECT_EQ(seconds_in("1h"), 3600U);
  EXPECT_EQ(seconds_in("7d"), 604'800U);
  for (const char* none : {"", "h", "-1h", "1.5h", "1 h", "1w", "1hh", "18446744073709551615d"})
    EXPECT_EQ(seconds_in(none), std::nullopt) << none;
}

TEST(Table, aligns_columns_and_numbers_to_the_right) {
  Table table({{"NAME"}, {"READY", true}});
  table.add({"jobs", "7"});
  table.add({"日本", "12345678"});
  EXPECT_EQ(table.text(Table::kUnlimited, false),
            "NAME     READY\n"
            "jobs         7\n"
            "日本  12345678\n");
}

TEST(Table, cuts_the_widest_column_when_the_terminal_is_narrow) {
  Table table({{"NAME"}, {"N", true}});
  table.add({"a-very-long-name-indeed", "1"});
  EXPECT_EQ(table.text(12, false),
            "NAME       N\n"
            "a-very-l…  1\n");
}

TEST(Table, shows_hostile_names_on_their_line) {
  Table table({{"NAME"}});
  table.add({"x\n\x1b[2J"});
  EXPECT_EQ(table.text(Table::kUnlimited, false), "NAME\nx\\n\\x1b[2J\n");
}

TEST(Table, marks_titles_only_where_colours_are_wanted) {
  Table table({{"NAME"}});
  table.add({"x"});
  EXPECT_EQ(table.text(Table::kUnlimited, true), "\x1b[1mNAME\x1b[0m\nx\n");
}

}  // namespace
}  // namespace millrace::cli
