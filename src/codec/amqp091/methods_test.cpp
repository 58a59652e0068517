#include "codec/amqp091/methods.hpp"

#include <gtest/gtest.h>

#include "codec/amqp091/frame.hpp"

namespace millrace::amqp091 {
namespace {

TEST(Methods, encodes_a_publish_as_the_specification_draws_it) {
  Buffer out;
  basic::Publish publish;
  publish.exchange = "e";
  publish.routing_key = "rk";
  publish.immediate = true;
  encode(out, 3, publish);
  const std::uint8_t expected[] = {1, 0, 3, 0, 0, 0, 12, 0, 60, 0, 40, 0, 0, 1, 'e', 2, 'r', 'k', 2, 206};
  EXPECT_EQ(as_text(out.view()), as_text(expected));
}

}  // namespace
}  // namespace millrace::amqp091
