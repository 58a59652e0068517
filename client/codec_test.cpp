// Messages as bytes and back, and typed bodies.
#include "millrace/codec.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "client/message_equality_test.hpp"
#include "client/src/fields.hpp"
#include "millrace/json.hpp"

namespace millrace {
namespace {

struct Order {
  std::string item;
  int count = 0;
  std::vector<double> prices;
};
BOOST_DESCRIBE_STRUCT(Order, (), (item, count, prices))

struct Shout {
  static constexpr std::string_view content_type = "text/shout";
  static std::string encode(const int& value) { return std::string(static_cast<std::size_t>(value), '!'); }
  static int decode(std::string_view body, std::type_identity<int>) {
    if (body.find_first_not_of('!') != std::string_view::npos) throw std::runtime_error("not loud enough");
    return static_cast<int>(body.size());
  }
};

ErrorKind kind_of(const std::function<void()>& call) {
  try {
    call();
    return ErrorKind::none;
  } catch (const ClientError& error) {
    return error.kind();
  }
}

TEST(Message, keeps_every_property_and_header_on_the_way_through_amqp) {
  Message sent("body");
  sent.content_type = "a/b";
  sent.content_encoding = "gzip";
  sent.priority = 9;
  sent.correlation_id = "c";
  sent.reply_to = "r";
  sent.expiration = std::chrono::milliseconds(0);
  sent.message_id = "m";
  sent.timestamp = 1'700'000'000;
  sent.type = "t";
  sent.user_id = "u";
  sent.app_id = "app";
  sent.headers = {{"none", Field()},
                  {"bool", true},
                  {"small", 7},
                  {"large", std::int64_t{1} << 40},
                  {"double", 0.5},
                  {"text", "x"},
                  {"time", Timestamp{5}},
                  {"list", FieldList{1, "two", FieldList{}}},
                  {"table", FieldTable{{"inner", FieldTable{{"deep", -1}}}}}};
  Buffer raw;
  client::write_message_properties(raw, sent);
  Message got("body");
  ASSERT_TRUE(client::read_message_properties(raw.view(), got));
  expect_equal(got, sent);
}

TEST(Message, refuses_what_does_not_fit_into_amqp) {
  Buffer out;
  Message message;
  message.correlation_id = std::string(256, 'c');
  EXPECT_EQ(kind_of([&] { client::write_message_properties(out, message); }), ErrorKind::invalid_argument);
  Message key;
  key.headers[std::string(256, 'k')] = 1;
  EXPECT_EQ(kind_of([&] { client::write_message_properties(out, key); }), ErrorKind::invalid_argument);
  Message deep;
  Field nested = 1;
  for (int i = 0; i < 40; ++i) nested = FieldList{nested};
  deep.headers["deep"] = nested;
  EXPECT_EQ(kind_of([&] { client::write_message_properties(out, deep); }), ErrorKind::invalid_argument);
}

TEST(Json, carries_described_structures) {
  const Message message = to_json(Order{"nut", 3, {1.5, 2}});
  EXPECT_EQ(message.content_type, "application/json");
  const auto order = from_json<Order>(message);
  EXPECT_EQ(order.item, "nut");
  EXPECT_EQ(order.count, 3);
  EXPECT_EQ(order.prices, (std::vector<double>{1.5, 2}));
}

// Boost.JSON 1.81 itself reads some 10 000 of these wrong by their last bit.
TEST(Json, carries_each_bit_of_a_number) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 100'000; ++i) {
    const auto bits = random();
    double number = 0;
    std::memcpy(&number, &bits, sizeof number);
    if (!std::isfinite(number)) continue;
    EXPECT_EQ(from_json<double>(to_json(number)), number);
  }
  EXPECT_EQ(from_json<double>(Message("-19e92")), -19e92);
  EXPECT_EQ(from_json<double>(Message("0.30000000000000004")), 0.1 + 0.2);
  EXPECT_EQ(from_json<double>(Message("123456789012345678901")), 123456789012345678901.0);
  EXPECT_EQ(from_json<std::int64_t>(Message("9007199254740993")), 9007199254740993);
  EXPECT_EQ(from_json<std::uint64_t>(Message("18446744073709551615")), 18446744073709551615u);
}

TEST(Json, takes_what_no_number_can_hold_for_infinite_or_nothing) {
  EXPECT_EQ(from_json<double>(Message("1e999")), std::numeric_limits<double>::infinity());
  EXPECT_EQ(from_json<double>(Message("-1e999")), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(from_json<double>(Message("1e-999")), 0);
  EXPECT_EQ(from_json<double>(Message("0e999")), 0);
}

TEST(Json, is_the_whole_text) {
  EXPECT_EQ(kind_of([] { (void)from_json<int>(Message("1 2")); }), ErrorKind::codec);
  EXPECT_EQ(kind_of([] { (void)from_json<int>(Message("")); }), ErrorKind::codec);
  EXPECT_EQ(from_json<int>(Message(" 1 ")), 1);
}

TEST(Json, says_that_a_body_does_not_fit) {
  Message message("{\"item\": 1}");
  EXPECT_EQ(kind_of([&] { (void)from_json<Order>(message); }), ErrorKind::codec);
  Message other = to_json(1);
  other.content_type = "text/plain";
  EXPECT_EQ(kind_of([&] { (void)from_json<int>(other); }), ErrorKind::codec);
}

TEST(Json, says_what_is_wrong_without_the_places_in_its_sources) {
  try {
    (void)from_json<Order>(Message("{]"));
    FAIL() << "that is no JSON";
  } catch (const ClientError& error) {
    EXPECT_STREQ(error.what(), "the body of a message cannot be read as application/json: syntax error");
  }
}

TEST(Codec, can_be_one_of_the_programs_own) {
  const Message message = encode<Shout>(3);
  EXPECT_EQ(message.body, "!!!");
  EXPECT_EQ((decode<int, Shout>(message)), 3);
  Message quiet("...");
  EXPECT_EQ(kind_of([&] { (void)decode<int, Shout>(quiet); }), ErrorKind::codec);
}

}  // namespace
}  // namespace millrace
