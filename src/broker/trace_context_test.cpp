#include "broker/trace_context.hpp"

#include <gtest/gtest.h>

namespace millrace::broker {
namespace {

constexpr std::string_view kTrace = "0af7651916cd43dd8448eb211c80319c";
constexpr std::string_view kParent = "b7ad6b7169203331";

std::string parent(std::string_view version, std::string_view trace, std::string_view span,
                   std::string_view flags, std::string_view more = "") {
  return std::string(version) + "-" + std::string(trace) + "-" + std::string(span) + "-" +
         std::string(flags) + std::string(more);
}

TEST(TraceContext, reads_whose_trace_it_is_and_whether_it_is_recorded) {
  const std::string text = parent("00", kTrace, kParent, "01");
  const auto context = TraceContext::parse(text);
  ASSERT_TRUE(context);
  EXPECT_EQ(context->trace_id, kTrace);
  EXPECT_EQ(context->parent_id, kParent);
  EXPECT_TRUE(context->sampled);
  EXPECT_FALSE(TraceContext::parse(parent("00", kTrace, kParent, "00"))->sampled);
}

TEST(TraceContext, the_last_bit_alone_says_that_it_is_recorded) {
  for (const char* flags : {"03", "0b", "ff", "09"}) {
    EXPECT_TRUE(TraceContext::parse(parent("00", kTrace, kParent, flags))->sampled) << flags;
  }
  for (const char* flags : {"02", "0a", "fe", "08"}) {
    EXPECT_FALSE(TraceContext::parse(parent("00", kTrace, kParent, flags))->sampled) << flags;
  }
}

TEST(TraceContext, later_versions_are_read_as_far_as_this_one_goes) {
  EXPECT_TRUE(TraceContext::parse(parent("01", kTrace, kParent, "01", "-what-comes-then")));
  EXPECT_TRUE(TraceContext::parse(parent("cc", kTrace, kParent, "01")));
  EXPECT_FALSE(TraceContext::parse(parent("01", kTrace, kParent, "01", "x")));
  EXPECT_FALSE(TraceContext::parse(parent("00", kTrace, kParent, "01", "-more")));
  EXPECT_FALSE(TraceContext::parse(parent("ff", kTrace, kParent, "01")));
}

TEST(TraceContext, what_is_malformed_is_none) {
  const std::string zeros(32, '0');
  const std::string upper = "0AF7651916CD43DD8448EB211C80319C";
  for (const std::string& text :
       {std::string(), std::string("00"), parent("00", zeros, kParent, "01"),
        parent("00", upper, kParent, "01"), parent("00", kTrace, "0000000000000000", "01"),
        parent("00", kTrace, "b7ad6b716920333", "01"), parent("00", kTrace, kParent, "0"),
        parent("00", kTrace, kParent, "0g"), parent("0_", kTrace, kParent, "01"),
        "00_" + parent("00", kTrace, kParent, "01").substr(3)}) {
    EXPECT_FALSE(TraceContext::parse(text)) << text;
  }
}

}  // namespace
}  // namespace millrace::broker
