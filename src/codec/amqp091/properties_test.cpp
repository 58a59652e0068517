#include "codec/amqp091/properties.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "codec/amqp091/constants.hpp"
#include "codec/amqp091/table_builder.hpp"

namespace millrace::amqp091 {
namespace {

using namespace std::string_view_literals;

// A block with every property set, and with what it points to.
struct Everything {
  Everything() {
    TableBuilder table(headers);
    table.put_text("x-first", "1").put_long("x-retry", 3).put_text("x-first", "again").put_bool("last", true);
    properties = {.content_type = "text/plain",
                  .content_encoding = "gzip",
                  .headers = table.view(),
                  .delivery_mode = 2,
                  .priority = 9,
                  .correlation_id = "c-1",
                  .reply_to = "amq.rabbitmq.reply-to",
                  .expiration = "60000",
                  .message_id = "m-1",
                  .timestamp = 1'700'000'000,
                  .type = "order",
                  .user_id = "guest",
                  .app_id = "shop",
                  .cluster_id = "c"};
    write_properties(raw, properties);
  }
  Buffer headers;
  Properties properties;
  Buffer raw;
};

void expect_equal(const Properties& a, const Properties& b) {
  EXPECT_EQ(a.content_type, b.content_type);
  EXPECT_EQ(a.content_encoding, b.content_encoding);
  EXPECT_EQ(a.headers.has_value(), b.headers.has_value());
  EXPECT_EQ(as_text(a.headers.value_or(TableView{}).bytes), as_text(b.headers.value_or(TableView{}).bytes));
  EXPECT_EQ(a.delivery_mode, b.delivery_mode);
  EXPECT_EQ(a.priority, b.priority);
  EXPECT_EQ(a.correlation_id, b.correlation_id);
  EXPECT_EQ(a.reply_to, b.reply_to);
  EXPECT_EQ(a.expiration, b.expiration);
  EXPECT_EQ(a.message_id, b.message_id);
  EXPECT_EQ(a.timestamp, b.timestamp);
  EXPECT_EQ(a.type, b.type);
  EXPECT_EQ(a.user_id, b.user_id);
  EXPECT_EQ(a.app_id, b.app_id);
  EXPECT_EQ(a.cluster_id, b.cluster_id);
}

std::vector<std::string> keys(TableView headers) {
  std::vector<std::string> keys;
  for (const TableEntry& entry : headers) keys.emplace_back(entry.key);
  return keys;
}

TEST(Properties, come_back_as_they_were_written) {
  const Everything all;
  Properties read;
  ASSERT_TRUE(parse_properties(all.raw.view(), read));
  expect_equal(read, all.properties);
  EXPECT_EQ(load_be<std::uint16_t>(all.raw.data()), 0xfffc);
  Properties again;
  ASSERT_TRUE(parse_checked_properties(all.raw.view(), again));
  expect_equal(again, all.properties);
}

TEST(Properties, are_absent_without_their_flag) {
  Properties read;
  read.type = "of an earlier message";
  ASSERT_TRUE(parse_properties(kNoProperties, read));
  expect_equal(read, Properties{});
}

TEST(Properties, are_each_under_the_flag_that_the_specification_gives_them) {
  Properties read;
  ASSERT_TRUE(parse_properties(as_bytes("\x80\0\x01t"sv), read));
  EXPECT_EQ(read.content_type, "t");
  ASSERT_TRUE(parse_properties(as_bytes("\x10\0\x02"sv), read));
  EXPECT_EQ(read.delivery_mode, 2);
  ASSERT_TRUE(parse_properties(as_bytes("\x01\0\x03"
                                        "500"sv),
                               read));
  EXPECT_EQ(read.expiration, "500");
  ASSERT_TRUE(parse_properties(as_bytes("\0\x04\0"sv), read));
  EXPECT_EQ(read.cluster_id, "");
}

// Run under the address sanitizer: each cut is an allocation of its own.
TEST(Properties, cut_anywhere_or_with_something_behind_them_are_refused) {
  const Everything all;
  Properties read;
  std::vector<std::uint8_t> bytes(all.raw.view().begin(), all.raw.view().end());
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    const std::vector<std::uint8_t> part(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(cut));
    EXPECT_FALSE(parse_properties(part, read)) << cut;
    EXPECT_FALSE(parse_checked_properties(part, read)) << cut;
    Buffer out;
    EXPECT_FALSE(rewrite(out, part, {})) << cut;
    EXPECT_TRUE(out.empty());
  }
  bytes.push_back(0);
  EXPECT_FALSE(parse_properties(bytes, read));
}

TEST(Properties, with_flags_that_mean_nothing_are_refused) {
  Properties read;
  Buffer out;
  for (const char flag : {'\x01', '\x02'}) {
    const std::string raw = {'\0', flag};
    EXPECT_FALSE(parse_properties(as_bytes(raw), read));
    EXPECT_FALSE(rewrite(out, as_bytes(raw), {}));
  }
}

TEST(Properties, with_headers_that_are_no_table_are_refused) {
  Properties read;
  EXPECT_FALSE(parse_properties(as_bytes("\x20\0\0\0\0\x03\x01kZ"sv), read));
}

TEST(ContentHeader, tells_the_size_of_the_body_and_keeps_the_raw_block) {
  const Everything all;
  Buffer payload;
  payload.append("\0\x3c\0\0\0\0\0\x01\0\0\0\x02"sv);
  payload.append(all.raw.view());
  ContentHeader header;
  ASSERT_EQ(parse_content_header(payload.view(), header), HeaderParsed::ok);
  EXPECT_EQ(header.body_bytes, 0x100000002u);
  EXPECT_EQ(as_text(header.raw), as_text(all.raw.view()));
  expect_equal(header.properties, all.properties);
}

TEST(ContentHeader, of_another_class_or_with_a_weight_or_cut_is_refused) {
  ContentHeader header;
  EXPECT_EQ(parse_content_header(as_bytes("\0\x32\0\0\0\0\0\0\0\0\0\0\0\0"sv), header),
            HeaderParsed::wrong_class);
  EXPECT_EQ(header.class_id, 50);
  EXPECT_EQ(parse_content_header(as_bytes("\0\x3c\0\x01\0\0\0\0\0\0\0\0\0\0"sv), header),
            HeaderParsed::malformed);
  EXPECT_EQ(parse_content_header(as_bytes("\0\x3c\0\0\0\0\0\0\0\0\0"sv), header), HeaderParsed::malformed);
  EXPECT_EQ(parse_content_header(as_bytes("\0\x3c\0\0\0\0\0\0\0\0\0\0\0"sv), header),
            HeaderParsed::malformed);
}

TEST(Rewrite, without_an_edit_gives_the_same_bytes) {
  const Everything all;
  Buffer out;
  ASSERT_TRUE(rewrite(out, all.raw.view(), {}));
  EXPECT_EQ(as_text(out.view()), as_text(all.raw.view()));
}

TEST(Rewrite, drops_every_header_of_a_key_and_appends_others_last) {
  const Everything all;
  Buffer added;
  TableBuilder(added).put_int("x-death-count", 1);
  const std::string_view dropped[] = {"x-first", "absent"};
  Edit edit;
  edit.drop_headers = dropped;
  edit.append_headers = added.view();
  Buffer out;
  out.append("before");
  ASSERT_TRUE(rewrite(out, all.raw.view(), edit));
  Properties read;
  ASSERT_TRUE(parse_properties(out.view().subspan(6), read));
  EXPECT_EQ(keys(*read.headers), (std::vector<std::string>{"x-retry", "last", "x-death-count"}));
  read.headers = all.properties.headers;
  expect_equal(read, all.properties);
}

TEST(Rewrite, sets_what_was_there_and_what_was_not) {
  Buffer headers;
  TableBuilder(headers).put_bool("h", true);
  Edit edit;
  edit.append_headers = headers.view();
  edit.expiration = "5";
  edit.drop_expiration = true;
  edit.reply_to = "r";
  edit.message_id = "m";
  edit.delivery_mode = 1;
  const Everything all;
  for (const bool full : {false, true}) {
    Buffer out;
    ASSERT_TRUE(rewrite(out, full ? all.raw.view() : ByteView(kNoProperties), edit));
    Properties read;
    ASSERT_TRUE(parse_properties(out.view(), read));
    Properties expected = full ? all.properties : Properties{};
    expected.expiration = "5";
    expected.reply_to = "r";
    expected.message_id = "m";
    expected.delivery_mode = 1;
    expected.headers = read.headers;
    expect_equal(read, expected);
    EXPECT_EQ(keys(*read.headers).back(), "h");
  }
}

TEST(Rewrite, can_drop_the_expiration_and_the_last_header) {
  const Everything all;
  const std::string_view dropped[] = {"x-first", "x-retry", "last"};
  Edit edit;
  edit.drop_expiration = true;
  edit.drop_headers = dropped;
  Buffer out;
  ASSERT_TRUE(rewrite(out, all.raw.view(), edit));
  Properties read;
  ASSERT_TRUE(parse_properties(out.view(), read));
  EXPECT_FALSE(read.expiration);
  ASSERT_TRUE(read.headers);
  EXPECT_TRUE(read.headers->empty());
}

}  // namespace
}  // namespace millrace::amqp091
