#include "codec/amqp091/methods.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <type_traits>
#include <vector>

#include "base/prng.hpp"
#include "codec/amqp091/frame.hpp"
#include "codec/amqp091/methods_test_fields.hpp"
#include "codec/amqp091/table_builder.hpp"

namespace millrace::amqp091 {
namespace {

Frame only_frame(const Buffer& bytes) {
  const FrameSplit split = split_frame(bytes.view(), 0);
  EXPECT_EQ(split.state, FrameState::complete);
  EXPECT_EQ(split.bytes, bytes.size());
  return split.frame;
}

// Fills fields with random values and keeps alive what they point to.
class RandomFields {
 public:
  explicit RandomFields(std::uint64_t seed) : random_(seed) {}

  void operator()(bool& field) { field = random_.one_in(2); }
  void operator()(std::string_view& field) {
    std::string& text = texts_.emplace_back(random_.one_in(10) ? 255 : random_.below(20), 'x');
    for (char& c : text) c = static_cast<char>(random_.next());
    field = text;
  }
  void operator()(TableView& field) {
    Buffer& bytes = tables_.emplace_back();
    TableBuilder table(bytes);
    for (std::uint64_t left = random_.below(4); left != 0; --left)
      table.put_long("key", static_cast<std::int64_t>(left));
    field = table.view();
  }
  template <class T>
  requires std::is_unsigned_v<T>
  void operator()(T& field) { field = static_cast<T>(random_.next()); }

 private:
  Prng random_;
  std::deque<std::string> texts_;
  std::deque<Buffer> tables_;
};

template <class T>
std::string printed(const T& field) {
  if constexpr (std::is_same_v<T, TableView>) return std::string(as_text(field.bytes));
  if constexpr (std::is_same_v<T, std::string_view>) return std::string(field);
  if constexpr (std::is_integral_v<T>) return std::to_string(field);
}

template <class Method>
std::vector<std::string> fields_of(Method method) {
  std::vector<std::string> fields;
  for_each_field(method, [&](const auto& field) { fields.push_back(printed(field)); });
  return fields;
}

// One visitor for all, because each kind of visitor is compiled for every method.
struct Seen {
  std::string name;
  std::vector<std::string> fields;

  template <class Method>
  void operator()(const Method& method) {
    name = Method::name;
    fields = fields_of(method);
  }
};

TEST(Methods, gives_back_every_field_of_every_method) {
  unsigned methods = 0;
  for_each_method([&]<class Method>(Method method) {
    ++methods;
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
      SCOPED_TRACE(testing::Message() << Method::name << " seed " << seed);
      RandomFields fill(seed);
      for_each_field(method, [&](auto& field) { fill(field); });
      Buffer out;
      encode(out, 7, method);
      const Frame frame = only_frame(out);
      EXPECT_EQ(frame.type, FrameType::method);
      EXPECT_EQ(frame.channel, 7);
      std::uint32_t id = 0;
      Seen seen;
      EXPECT_EQ(visit_method(frame.payload, id, seen), Parsed::ok);
      EXPECT_EQ(id, Method::id);
      EXPECT_EQ(seen.name, Method::name);
      EXPECT_EQ(seen.fields, fields_of(method));
    }
  });
  EXPECT_EQ(methods, 66u);
}

// Run under the address sanitizer: each cut lies at the end of an allocation of its own.
TEST(Methods, refuses_arguments_cut_anywhere_or_with_something_behind_them) {
  for_each_method([&]<class Method>(Method method) {
    SCOPED_TRACE(Method::name);
    RandomFields fill(1);
    for_each_field(method, [&](auto& field) { fill(field); });
    Buffer out;
    encode(out, 0, method);
    const ByteView payload = only_frame(out).payload;
    std::uint32_t id = 0;
    Seen seen;
    for (std::size_t bytes = 0; bytes < payload.size(); ++bytes) {
      const std::vector<std::uint8_t> cut(payload.begin(),
                                          payload.begin() + static_cast<std::ptrdiff_t>(bytes));
      EXPECT_EQ(visit_method(cut, id, seen), Parsed::malformed) << bytes;
    }
    std::vector<std::uint8_t> longer(payload.begin(), payload.end());
    longer.push_back(0);
    EXPECT_EQ(visit_method(longer, id, seen), Parsed::malformed);
    EXPECT_EQ(seen.name, "") << "was called";
  });
}

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

TEST(Methods, packs_neighbouring_bits_from_the_lowest_up) {
  Buffer out;
  queue::Declare declare;
  declare.durable = true;
  declare.nowait = true;
  encode(out, 1, declare);
  const ByteView payload = only_frame(out).payload;
  EXPECT_EQ(payload[4 + 2 + 1], 0b10010);
}

TEST(Methods, cuts_a_reply_text_at_255_bytes) {
  const std::string text(300, 'x');
  Buffer out;
  channel::Close close;
  close.reply_text = text;
  encode(out, 1, close);
  channel::Close seen;
  Reader in(only_frame(out).payload.subspan(4));
  ASSERT_TRUE(channel::Close::parse(in, seen));
  EXPECT_EQ(seen.reply_text, std::string(255, 'x'));
}

TEST(Methods, refuses_a_length_that_claims_four_gigabytes) {
  const std::uint8_t secure[] = {0, 10, 0, 20, 0xff, 0xff, 0xff, 0xff, 'x'};
  std::uint32_t id = 0;
  Seen seen;
  EXPECT_EQ(visit_method(secure, id, seen), Parsed::malformed);
}

TEST(Methods, names_what_it_knows_and_nothing_else) {
  EXPECT_EQ(method_name(basic::Publish::id), "basic.publish");
  EXPECT_EQ(method_name(static_cast<std::uint32_t>(MethodId::exchange_unbind_ok)), "exchange.unbind-ok");
  unsigned known = 0;
  for (std::uint32_t id = 0; id < 256 << 16; ++id) known += !method_name(id).empty();
  EXPECT_EQ(known, 66u);
  const std::uint8_t credit[] = {0, 60, 0, 200};
  std::uint32_t id = 0;
  Seen seen;
  EXPECT_EQ(visit_method(credit, id, seen), Parsed::unknown_method);
  EXPECT_EQ(id, 60u << 16 | 200);
}

TEST(Methods, knows_which_carry_content) {
  EXPECT_TRUE(basic::Publish::has_content && basic::Return::has_content && basic::Deliver::has_content &&
              basic::GetOk::has_content);
  unsigned with_content = 0;
  for_each_method([&]<class Method>(Method) { with_content += Method::has_content; });
  EXPECT_EQ(with_content, 4u);
}

TEST(ReplyCode, has_the_names_that_clients_match_on) {
  EXPECT_EQ(to_string(ReplyCode::not_found), "NOT_FOUND");
  EXPECT_EQ(to_string(static_cast<ReplyCode>(7)), "UNKNOWN");
  EXPECT_TRUE(is_hard(ReplyCode::frame_error));
  EXPECT_FALSE(is_hard(ReplyCode::precondition_failed));
}

}  // namespace
}  // namespace millrace::amqp091
