#include "protocol/amqp091/format.hpp"

#include <gtest/gtest.h>

#include "codec/amqp091/properties.hpp"
#include "codec/amqp091/table_builder.hpp"

namespace millrace::amqp091 {
namespace {

Ref<broker::Message> message_with(const Properties& properties) {
  Buffer header;
  write_properties(header, properties);
  broker::Message::Fields fields;
  fields.origin = broker::Origin::amqp091;
  fields.header = header.view();
  return broker::Message::create(fields, ByteView{});
}

struct Collect final : broker::HeaderVisitor {
  std::string seen;
  bool header(std::string_view key, const broker::Value& value) override {
    seen += std::string(key) + "=" + value.describe() + ":" + std::string(value.type_name()) + " ";
    return key != "last";
  }
};

TEST(AmqpMessageFormat, shows_headers_in_their_order_until_the_visitor_has_enough) {
  Buffer entries;
  TableBuilder table(entries);
  table.put_int("n", 5).put_text("t", "text").begin_array("a").put_text("e").end_array();
  table.begin_table("f").put_bool("b", true).end_table().put_long("last", 1).put_long("more", 2);
  Properties properties;
  properties.headers = table.view();
  const auto message = message_with(properties);
  Collect collect;
  message_format().headers(*message, collect);
  EXPECT_EQ(collect.seen.substr(0, 34), "n=5:signedint t=text:longstr a=[{l");
  EXPECT_EQ(collect.seen.find("more"), std::string::npos);
  EXPECT_EQ(message_format().header(*message, "n")->as_integer(), 5);
  EXPECT_FALSE(message_format().header(*message, "none"));
}

TEST(AmqpMessageFormat, gives_properties_by_name) {
  Properties properties;
  properties.message_id = "m1";
  properties.correlation_id = "c1";
  properties.expiration = "1000";
  properties.timestamp = 1700000000;
  const auto message = message_with(properties);
  const broker::MessageFormat& format = message_format();
  EXPECT_EQ(format.message_id(*message), "m1");
  EXPECT_EQ(format.correlation_id(*message), "c1");
  EXPECT_EQ(format.expiration_text(*message), "1000");
  EXPECT_EQ(format.property(*message, "timestamp"), "1700000000");
  EXPECT_EQ(format.property(*message, "message_id"), "m1");
  EXPECT_EQ(format.property(*message, "correlation-id"), "c1");
  EXPECT_FALSE(format.property(*message, "app-id"));
  EXPECT_FALSE(format.property(*message, "no-such-property"));
}

TEST(AmqpMessageFormat, takes_a_block_it_cannot_read_for_empty) {
  broker::Message::Fields fields;
  fields.origin = broker::Origin::amqp091;
  const std::uint8_t broken[] = {0xff};
  fields.header = broken;
  const auto message = broker::Message::create(fields, ByteView{});
  EXPECT_FALSE(message_format().message_id(*message));
  EXPECT_FALSE(message_format().header(*message, "k"));
}

}  // namespace
}  // namespace millrace::amqp091
