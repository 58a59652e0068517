#include "broker/access/pattern.hpp"

#include <gtest/gtest.h>

#include <string>

namespace millrace::broker {
namespace {

TEST(Pattern, searches_unanchored_in_utf8) {
  EXPECT_TRUE(Pattern("b").search("abc"));
  EXPECT_TRUE(Pattern("^gr.{2}n$").search("gr\xc3\xbc\xc3\xbcn"));
  EXPECT_FALSE(Pattern("^b").search("abc"));
  EXPECT_TRUE(Pattern("^$").search({}));
}

TEST(Pattern, a_malformed_one_matches_nothing) {
  for (const std::string_view text : {"(", "[", "a**", "(?<n>a)(?<n>b)", "\\C", "\xff", "(?z)"}) {
    EXPECT_FALSE(Pattern(text).valid()) << text;
    EXPECT_FALSE(Pattern(text).search("a")) << text;
  }
}

TEST(Pattern, an_overlong_one_is_refused) {
  EXPECT_FALSE(Pattern(std::string(Pattern::kMaxBytes + 1, 'a')).valid());
  EXPECT_FALSE(Pattern(std::string(10'000, '(') + std::string(10'000, ')')).valid());
}

TEST(Pattern, a_hostile_one_ends_and_denies) {
  const std::string subject(255, 'a');
  EXPECT_FALSE(Pattern("^(a+)+$").search(subject + "!"));
  EXPECT_FALSE(Pattern("^(?:a|aa|aaa)*b").search(subject));
  EXPECT_FALSE(Pattern("^(?:(a|a)*b|.*)$").search(subject));
  EXPECT_FALSE(Pattern("(x+x+)+y").search(std::string(255, 'x')));
  EXPECT_FALSE(Pattern("^((a*)*)*$").search(subject + "!"));
  EXPECT_FALSE(Pattern("(?R)?a").search(std::string(60'000, 'b')));
}

// This pattern matches any run of a, after twice the steps for each a more: beyond the limit the answer is
// "no".
TEST(Pattern, the_match_limit_is_ours_and_decides) {
  const Pattern pattern("^(?:(a|a)*b|.*)$");
  EXPECT_TRUE(pattern.search(std::string(8, 'a')));
  EXPECT_FALSE(pattern.search(std::string(17, 'a')));
}

TEST(Pattern, ordinary_ones_are_far_from_the_limit) {
  const std::string subject = "service.orders.created." + std::string(200, 'x');
  EXPECT_TRUE(Pattern(".*").search(subject));
  EXPECT_TRUE(Pattern("^(?:service|worker)\\.[a-z]+\\..*x$").search(subject));
  EXPECT_TRUE(Pattern("^(?!secret).*").search(subject));
}

}  // namespace
}  // namespace millrace::broker
