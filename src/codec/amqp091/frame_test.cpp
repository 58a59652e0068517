#include "codec/amqp091/frame.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace::amqp091 {
namespace {

using Bytes = std::vector<std::uint8_t>;

const Bytes kBody = {3, 0x12, 0x34, 0, 0, 0, 3, 'a', 'b', 'c', kFrameEnd};

TEST(Frame, is_cut_out_of_what_follows) {
  Bytes received = kBody;
  received.push_back(1);
  const FrameSplit split = split_frame(received, 4096);
  ASSERT_EQ(split.state, FrameState::complete);
  EXPECT_EQ(split.bytes, kBody.size());
  EXPECT_EQ(split.frame.type, FrameType::body);
  EXPECT_EQ(split.frame.channel, 0x1234);
  EXPECT_EQ(as_text(split.frame.payload), "abc");
}

// Run under the address sanitizer: each prefix is an allocation of its own.
TEST(Frame, asks_for_more_at_every_split_point_and_always_for_enough) {
  for (std::size_t bytes = 0; bytes < kBody.size(); ++bytes) {
    const Bytes received(kBody.begin(), kBody.begin() + static_cast<std::ptrdiff_t>(bytes));
    const FrameSplit split = split_frame(received, 4096);
    EXPECT_EQ(split.state, FrameState::need_more) << bytes;
    EXPECT_EQ(split.bytes, bytes < kFrameHeaderBytes ? kFrameOverhead : kBody.size()) << bytes;
  }
}

TEST(Frame, may_be_empty) {
  const Bytes heartbeat = {8, 0, 0, 0, 0, 0, 0, kFrameEnd};
  const FrameSplit split = split_frame(heartbeat, 4096);
  EXPECT_EQ(split.state, FrameState::complete);
  EXPECT_EQ(split.frame.type, FrameType::heartbeat);
  EXPECT_TRUE(split.frame.payload.empty());
}

TEST(Frame, with_a_wrong_end_is_refused) {
  Bytes received = kBody;
  received.at(received.size() - 1) = 0xcd;
  EXPECT_EQ(split_frame(received, 0).state, FrameState::bad_frame_end);
}

TEST(Frame, of_an_unknown_type_is_refused_at_its_first_octet) {
  for (unsigned type = 0; type < 256; ++type) {
    const bool known = type == 1 || type == 2 || type == 3 || type == 8;
    const Bytes received = {static_cast<std::uint8_t>(type)};
    EXPECT_EQ(split_frame(received, 0).state, known ? FrameState::need_more : FrameState::bad_type) << type;
  }
}

TEST(Frame, over_the_limit_is_refused_before_its_payload_arrives) {
  const Bytes at_limit = {1, 0, 0, 0, 0, 0x10, 0x00};
  const Bytes over_limit = {1, 0, 0, 0, 0, 0x10, 0x01};
  EXPECT_EQ(split_frame(at_limit, 4096).state, FrameState::need_more);
  EXPECT_EQ(split_frame(over_limit, 4096).state, FrameState::frame_too_large);
}

TEST(Frame, claiming_four_gigabytes_is_counted_without_overflow) {
  const Bytes received = {1, 0, 0, 0xff, 0xff, 0xff, 0xff};
  const FrameSplit split = split_frame(received, 0);
  EXPECT_EQ(split.state, FrameState::need_more);
  EXPECT_EQ(split.bytes, 0x100000007u);
}

struct GreetingCase {
  std::string bytes;
  Greeting greeting;
};

TEST(Greeting, is_recognised_whole_and_waited_for_in_part) {
  const std::string n(1, '\0');
  const GreetingCase cases[] = {
      {std::string(as_text(kProtocolHeader)), Greeting::amqp091},
      {"AMQP\x01\x01" + n + "\x09", Greeting::amqp09},
      {"AMQP" + n + "\x01" + n + n, Greeting::amqp10},
      {"AMQP\x03\x01" + n + n, Greeting::amqp10_sasl},
      {"GET ", Greeting::http},
      {"\x16\x03", Greeting::tls},
  };
  for (const GreetingCase& known : cases) {
    EXPECT_EQ(classify_greeting(as_bytes(known.bytes)), known.greeting);
    EXPECT_EQ(classify_greeting(as_bytes(known.bytes + "more")), known.greeting);
    for (std::size_t bytes = 0; bytes < known.bytes.size(); ++bytes) {
      EXPECT_EQ(classify_greeting(as_bytes(known.bytes.substr(0, bytes))), Greeting::need_more) << bytes;
    }
  }
}

TEST(Greeting, of_another_kind_is_known_at_its_first_wrong_octet) {
  EXPECT_EQ(classify_greeting(as_bytes("X")), Greeting::other);
  EXPECT_EQ(classify_greeting(as_bytes("AMQX")), Greeting::other);
  const std::uint8_t amqp_0_8[] = {'A', 'M', 'Q', 'P', 1, 1, 8, 0};
  EXPECT_EQ(classify_greeting(ByteView(amqp_0_8).first(7)), Greeting::other);
}

}  // namespace
}  // namespace millrace::amqp091
