#include "cli/json_or_text.hpp"

#include <gtest/gtest.h>

#include <boost/json/value.hpp>

namespace millrace::cli {
namespace {

TEST(JsonOrText, reads_what_is_json_and_takes_all_else_as_text) {
  EXPECT_EQ(json_or_text("7"), boost::json::value(7));
  EXPECT_EQ(json_or_text("true"), boost::json::value(true));
  EXPECT_EQ(json_or_text("\"7\""), boost::json::value("7"));
  EXPECT_EQ(json_or_text("[1, \"a\"]"), boost::json::value({1, "a"}));
  EXPECT_EQ(json_or_text("seven"), boost::json::value("seven"));
  EXPECT_EQ(json_or_text("7 days"), boost::json::value("7 days"));
  EXPECT_EQ(json_or_text(""), boost::json::value(""));
}

TEST(JsonOrText, reads_numbers_to_their_last_bit) {
  EXPECT_EQ(json_or_text("8.0863067236109623e+24").as_double(), 8.0863067236109623e+24);
  EXPECT_EQ(json_or_text("1.3927926388013963e-143").as_double(), 1.3927926388013963e-143);
  EXPECT_EQ(json_or_text("5e-324").as_double(), 5e-324);
  EXPECT_EQ(json_or_text("1.7976931348623157e308").as_double(), 1.7976931348623157e308);
}

}  // namespace
}  // namespace millrace::cli
