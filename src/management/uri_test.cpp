#include "management/uri.hpp"

#include <gtest/gtest.h>

namespace millrace::management {
namespace {

using Segments = std::vector<std::string>;

TEST(Target, keeps_an_encoded_slash_within_its_segment) {
  const auto target = parse_target("/api/queues/%2F/a%2fb%20c+d");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->path, (Segments{"api", "queues", "/", "a/b c+d"}));
}

TEST(Target, ignores_a_slash_at_the_end_and_keeps_empty_segments_between) {
  EXPECT_EQ(parse_target("/api/")->path, (Segments{"api"}));
  EXPECT_EQ(parse_target("/api//x")->path, (Segments{"api", "", "x"}));
  EXPECT_TRUE(parse_target("/")->path.empty());
}

TEST(Target, reads_the_query_as_a_form) {
  const auto target = parse_target("/q?name=a+b%26c&empty=&flag&page=1&page=2#x=y");
  ASSERT_TRUE(target);
  EXPECT_EQ(*target->find("name"), "a b&c");
  EXPECT_EQ(*target->find("empty"), "");
  EXPECT_EQ(*target->find("flag"), "");
  EXPECT_EQ(*target->find("page"), "1");
  EXPECT_EQ(target->find("x"), nullptr);
}

TEST(Target, refuses_what_is_malformed) {
  for (const char* bad : {"", "api", "http://host/api", "/%", "/%4", "/%zz", "/a?x=%", "/a?%f=1", "*"}) {
    EXPECT_FALSE(parse_target(bad)) << bad;
  }
}

TEST(Pairs, are_read_from_a_form) {
  EXPECT_EQ(*parse_pairs("username=a%26b&password=x+y%3D&=z"),
            (Pairs{{"username", "a&b"}, {"password", "x y="}}));
  EXPECT_TRUE(parse_pairs("")->empty());
  EXPECT_FALSE(parse_pairs("password=%"));
}

TEST(Quote, leaves_no_character_that_separates) {
  EXPECT_EQ(quote("a.b_c-D9"), "a.b_c-D9");
  EXPECT_EQ(quote("a b/~\xc3\xa9"), "a+b%2F%7E%C3%A9");
}

}  // namespace
}  // namespace millrace::management
