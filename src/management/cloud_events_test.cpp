#include "management/cloud_events.hpp"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "management/message_headers.hpp"

namespace millrace::management {
namespace {

namespace json = boost::json;

constexpr std::string_view kEvent =
    R"({"specversion":"1.0","id":"1","source":"/s","type":"t","flag":true,"count":7,"none":null,"data":[1]})";

result<CloudMessage> read(std::string_view text) {
  return message_from_cloud_event(json::parse(text));
}

broker::Delivery delivery_of(std::string_view body, std::uint64_t seq = 5) {
  broker::Message::Fields fields;
  fields.routing_key = "orders";
  fields.received_ms = 1'700'000'000'123;
  broker::Delivery delivery;
  delivery.message = broker::Message::create(fields, as_bytes(body));
  delivery.seq = seq;
  return delivery;
}

TEST(CloudEvents, attributes_become_headers_with_texts) {
  const auto message = read(kEvent);
  ASSERT_TRUE(message.has_value());
  const broker::Arguments& headers = *message->properties.headers;
  EXPECT_EQ(*headers.find("cloudEvents:flag")->as_text(), "true");
  EXPECT_EQ(*headers.find("cloudEvents:count")->as_text(), "7");
  EXPECT_EQ(headers.find("cloudEvents:none"), nullptr);
  EXPECT_EQ(headers.size(), 6u);
  EXPECT_EQ(message->body, "[1]");
  EXPECT_EQ(message->properties.delivery_mode, 2);
}

TEST(CloudEvents, json_data_goes_out_as_it_stands) {
  const std::string body = R"({ "n": 1.50, "big": 123456789012345678901234567890 })";
  auto message = read(kEvent);
  const std::string text = cloud_event_text(delivery_of(body), message->properties, "/", "q", "x.5");
  EXPECT_NE(text.find(R"("data":)" + body + "}"), std::string::npos) << text;
  EXPECT_EQ(json::parse(text).at("millracetoken").as_string(), "x.5");
}

TEST(CloudEvents, data_that_only_says_that_it_is_json_is_sent_as_bytes) {
  broker::MessageProperties properties;
  properties.content_type = "application/json";
  const std::string text =
      cloud_event_text(delivery_of("{\"a\":1}, \"id\": \"2\""), properties, "/", "q", "t");
  const json::value event = json::parse(text);
  EXPECT_TRUE(event.as_object().contains("data_base64"));
  EXPECT_EQ(event.at("id").as_string(), "5");
}

TEST(CloudEvents, any_message_is_one) {
  const json::value event = json::parse(cloud_event_text(delivery_of(""), {}, "a/b", "q q", "t"));
  EXPECT_EQ(event.at("source").as_string(), "/vhosts/a%2Fb/queues/q+q");
  EXPECT_EQ(event.at("time").as_string(), "2023-11-14T22:13:20.123+00:00");
  EXPECT_EQ(event.at("type").as_string(), "millrace.message");
  EXPECT_EQ(event.at("subject").as_string(), "orders");
  EXPECT_FALSE(event.as_object().contains("data"));
}

TEST(MessageHeaders, are_encoded_and_decoded_whatever_is_in_them) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  const std::string encoded = encode_header(all);
  for (const char c : encoded) EXPECT_TRUE(c > 0x20 && c < 0x7f);
  EXPECT_EQ(*decode_header(encoded), all);
  EXPECT_TRUE(decode_header("%2").has_error());
}

TEST(MessageHeaders, of_names_that_http_cannot_say_are_left_out) {
  broker::MessageProperties properties;
  broker::Arguments headers;
  headers.set("a b", broker::Value::text("1"));
  headers.set("x\r\nInjected", broker::Value::text("1"));
  headers.set("fine", broker::Value::text("a\r\nb"));
  headers.set("", broker::Value::text("1"));
  properties.headers = headers;
  Headers shown;
  put_properties(shown, properties);
  ASSERT_EQ(shown.size(), 1u);
  EXPECT_EQ(shown[0], std::pair(std::string("Millrace-Header-fine"), std::string("a%0D%0Ab")));
}

}  // namespace
}  // namespace millrace::management
