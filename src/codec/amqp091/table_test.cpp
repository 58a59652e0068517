#include "codec/amqp091/table.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "base/prng.hpp"
#include "codec/amqp091/table_builder.hpp"

namespace millrace::amqp091 {
namespace {

using namespace std::string_literals;

// Of the entry "k" alone: its type octet and value.
std::string entry(const std::string& value) {
  return "\x01k" + value;
}

TableView view(const std::string& bytes) {
  return {as_bytes(bytes)};
}

std::string counted(char type, const std::string& content) {
  std::string out(1, type);
  for (unsigned shift : {24u, 16u, 8u, 0u}) out += static_cast<char>(content.size() >> shift);
  return out + content;
}

// Tables, or arrays, within one another; the outermost is the one that is viewed.
std::string nested(unsigned depth, char type) {
  std::string content;
  while (--depth != 0) content = type == 'F' ? entry(counted('F', content)) : counted('A', content);
  return type == 'F' ? content : entry(content);
}

TEST(Table, reads_every_type_as_rabbitmq_encodes_it) {
  struct Case {
    std::string bytes;
    std::string described;
    std::string_view name;
  };
  const Case cases[] = {
      {"V"s, "void", "void"},
      {"t\x01"s, "true", "bool"},
      {"t\x00"s, "false", "bool"},
      {"b\xff"s, "-1", "byte"},
      {"B\xff"s, "255", "unsignedbyte"},
      {"s\xff\xfe"s, "-2", "short"},
      {"u\xff\xfe"s, "65534", "unsignedshort"},
      {"I\xff\xff\xff\xff"s, "-1", "signedint"},
      {"i\xff\xff\xff\xff"s, "4294967295", "unsignedint"},
      {"l\x80\0\0\0\0\0\0\0"s, "-9223372036854775808", "long"},
      {"L\x7f\xff\xff\xff\xff\xff\xff\xff"s, "9223372036854775807", "long"},
      {"f\x3f\x80\0\0"s, "1", "float"},
      {"d\xbf\xe0\0\0\0\0\0\0"s, "-0.5", "double"},
      {"D\x02\0\0\x01\x02"s, "2.58", "decimal"},
      {"D\x03\0\0\0\x07"s, "0.007", "decimal"},
      {"D\x00\0\0\0\x07"s, "7", "decimal"},
      {"T\0\0\0\0\0\0\0\x09"s, "9", "timestamp"},
      {counted('S', "lazy"), "lazy", "longstr"},
      {counted('x', "raw"), "raw", "binary"},
      {counted('A', "t\x01"s + counted('S', "b")), "[true, b]", "array"},
      {counted('F', entry("t\x01"s) + entry("V")), "{k: true, k: void}", "table"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const std::string bytes = entry(c.bytes);
    ASSERT_TRUE(valid(view(bytes)));
    const auto value = find(view(bytes), "k");
    ASSERT_TRUE(value);
    EXPECT_EQ(value->type(), c.bytes[0]);
    EXPECT_EQ(as_text(value->encoded()), c.bytes.substr(1));
    EXPECT_EQ(describe(*value), c.described);
    EXPECT_EQ(type_name(value->type()), c.name);
    // Anything cut short is refused, by the check and by the walk alike.
    for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
      const std::vector<std::uint8_t> part(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(cut));
      EXPECT_FALSE(valid(TableView{part})) << cut;
      EXPECT_FALSE(find(TableView{part}, "k")) << cut;
    }
  }
}

TEST(Table, answers_only_for_the_type_that_it_holds) {
  const std::string bytes = entry(counted('S', "5"));
  const ValueView text = *find(view(bytes), "k");
  EXPECT_EQ(text.as_text(), "5");
  EXPECT_FALSE(text.as_integer());
  EXPECT_FALSE(text.as_bool());
  EXPECT_FALSE(text.as_double());
  EXPECT_FALSE(text.as_timestamp());
  EXPECT_FALSE(text.as_table());
  EXPECT_FALSE(text.as_array());
  EXPECT_FALSE(ValueView{}.as_text());
}

TEST(Table, refuses_every_type_octet_that_is_not_defined) {
  for (unsigned type = 0; type < 256; ++type) {
    const char octet = static_cast<char>(type);
    const bool known = !type_name(octet).empty();
    EXPECT_EQ(known, "VtbBsuIiflLdDTSxFA"s.find(octet) != std::string::npos) << type;
    if (known) continue;
    EXPECT_FALSE(valid(view(entry(octet + std::string(16, '\0'))))) << type;
  }
}

TEST(Table, refuses_a_length_beyond_what_surrounds_it) {
  // The inner table claims a byte of what follows it in the outer one.
  const std::string inner = entry("F\0\0\0\x04"s) + "\x01kV" + entry("V");
  EXPECT_FALSE(valid(view(inner)));
  EXPECT_FALSE(valid(view(entry("S\xff\xff\xff\xff"s + "x"))));
  EXPECT_FALSE(valid(view("\xff" + "k"s)));
}

TEST(Table, is_walked_no_deeper_than_the_limit) {
  for (const char type : {'F', 'A'}) {
    EXPECT_TRUE(valid(view(nested(kMaxTableDepth, type)))) << type;
    EXPECT_FALSE(valid(view(nested(kMaxTableDepth + 1, type)))) << type;
    EXPECT_FALSE(valid(view(nested(10'000, type)))) << type;
  }
}

TEST(Table, finds_the_first_entry_of_a_key) {
  const std::string bytes = "\x01"s + "a" + "B\x01"s + "\x01" + "a" + "B\x02" + "\x00"s + "B\x03";
  EXPECT_EQ(find(view(bytes), "a")->as_integer(), 1);
  EXPECT_EQ(find(view(bytes), "")->as_integer(), 3);
  EXPECT_FALSE(find(view(bytes), "b"));
  EXPECT_FALSE(find(TableView{}, "a"));
}

TEST(Table, describes_no_more_than_an_error_text_holds) {
  const std::string text = entry(counted('S', std::string(100'000, 'x')));
  EXPECT_EQ(describe(*find(view(text), "k")).size(), 255u);
  std::string many;
  for (int i = 0; i < 10'000; ++i) many += "t\x01";
  const std::string array = entry(counted('A', many));
  EXPECT_LT(describe(*find(view(array), "k")).size(), 300u);
  EXPECT_LT(describe(ValueView(*find(view(nested(10'000, 'F')), "k"))).size(), 300u);
}

TEST(TableBuilder, writes_what_the_views_read) {
  Buffer out;
  out.append("before");
  TableBuilder table(out);
  table.put_text("text", "value")
      .put_long("long", std::numeric_limits<std::int64_t>::min())
      .put_int("int", -5)
      .put_bool("yes", true)
      .put_double("half", 0.5)
      .put_timestamp("at", 1'700'000'000)
      .begin_table("inner")
      .put_text("deep", "er")
      .begin_array("list")
      .put_int(1)
      .begin_table()
      .end_table()
      .put_text("two")
      .end_array()
      .end_table()
      .put_raw("raw", 'D', as_bytes("\x01\0\0\0\x0f"s));
  const TableView made = table.view();
  ASSERT_TRUE(valid(made));
  EXPECT_EQ(find(made, "text")->as_text(), "value");
  EXPECT_EQ(find(made, "long")->as_integer(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(find(made, "int")->as_integer(), -5);
  EXPECT_EQ(find(made, "yes")->as_bool(), true);
  EXPECT_EQ(find(made, "half")->as_double(), 0.5);
  EXPECT_EQ(find(made, "at")->as_timestamp(), 1'700'000'000u);
  EXPECT_EQ(describe(*find(made, "inner")), "{deep: er, list: [1, {}, two]}");
  EXPECT_EQ(describe(*find(made, "raw")), "1.5");
  EXPECT_EQ(as_text(out.view().first(6)), "before");
}

TEST(TableBuilder, cuts_keys_at_255_bytes) {
  Buffer out;
  TableBuilder table(out);
  table.put_bool(std::string(300, 'k'), true);
  EXPECT_TRUE(valid(table.view()));
  EXPECT_TRUE(find(table.view(), std::string(255, 'k')));
}

TEST(TableBuilderDeathTest, asserts_on_a_key_out_of_place_and_on_a_missing_end) {
  Buffer out;
  TableBuilder table(out);
  EXPECT_DEATH(table.put_bool(true), "keys");
  table.begin_array("a");
  EXPECT_DEATH(table.put_bool("key", true), "no keys");
  EXPECT_DEATH(table.end_table(), "begin");
  EXPECT_DEATH(static_cast<void>(table.view()), "not ended");
}

std::size_t walk(ArrayView array);

std::size_t walk(TableView table) {
  std::size_t values = 0;
  for (const TableEntry& entry : table) {
    ++values;
    if (const auto inner = entry.value.as_table()) values += walk(*inner);
    if (const auto inner = entry.value.as_array()) values += walk(*inner);
  }
  return values;
}

std::size_t walk(ArrayView array) {
  std::size_t values = 0;
  for (const ValueView& value : array) {
    ++values;
    if (const auto inner = value.as_table()) values += walk(*inner);
    if (const auto inner = value.as_array()) values += walk(*inner);
  }
  return values;
}

// Sound tables with a few bytes changed: whatever the check says, walking stays inside (address sanitizer),
// and what the check accepts is walked to its end.
TEST(Table, is_safe_to_walk_whatever_it_holds) {
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Prng random(seed);
    Buffer out;
    TableBuilder table(out);
    for (std::uint64_t left = random.below(5); left != 0; --left) {
      table.put_text("t", std::string(random.below(9), 'x'))
          .put_long("l", 1)
          .begin_table("f")
          .put_bool("b", true);
      table.begin_array("a").put_int(3).put_text("y").end_array().end_table();
    }
    std::vector<std::uint8_t> bytes(out.view().begin(), out.view().end());
    for (std::uint64_t left = random.below(4); left != 0 && !bytes.empty(); --left)
      bytes[random.below(bytes.size())] =
          static_cast<std::uint8_t>(random.one_in(2) ? random.next() : random.below(8));
    const TableView view{bytes};
    const std::size_t values = walk(view);
    EXPECT_LE(values, bytes.size());
    if (!valid(view)) continue;
    std::size_t consumed = 0;
    for (const TableEntry& entry : view) {
      consumed += entry.encoded.size();
      EXPECT_LT(describe(entry.value).size(), 1000u);
    }
    EXPECT_EQ(consumed, bytes.size());
  }
}

}  // namespace
}  // namespace millrace::amqp091
