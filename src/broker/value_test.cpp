#include "broker/value.hpp"

#include <gtest/gtest.h>

#include "base/prng.hpp"

namespace millrace::broker {
namespace {

Arguments table(std::vector<Argument> entries) {
  return Arguments(std::move(entries));
}

TEST(Value, compares_integers_by_value_whatever_their_width) {
  EXPECT_EQ(Value::integer(1000, 'I'), Value::integer(1000, 'l'));
  EXPECT_EQ(Value::integer(7, 'b'), Value::integer(7, 'u'));
  EXPECT_NE(Value::integer(1000, 'I'), Value::integer(1001, 'I'));
}

TEST(Value, keeps_type_classes_apart) {
  EXPECT_NE(Value::integer(1), Value::real(1.0));
  EXPECT_NE(Value::integer(5), Value::integer(5, 'T'));
  EXPECT_NE(Value::text("1"), Value::integer(1));
  EXPECT_NE(Value::boolean(true), Value::integer(1));
  EXPECT_NE(Value::text("a"), (Value{'x', std::string("a")}));
  EXPECT_EQ((Value{'f', 0.5}), Value::real(0.5));
}

TEST(Value, reads_as_what_it_is) {
  EXPECT_EQ(Value::integer(3, 'u').as_integer(), 3);
  EXPECT_EQ(Value::integer(3, 'T').as_integer(), std::nullopt);
  EXPECT_EQ(Value::real(3).as_integer(), std::nullopt);
  EXPECT_EQ(Value::boolean(false).as_boolean(), false);
  EXPECT_EQ(*Value::text("lazy").as_text(), "lazy");
  EXPECT_EQ(Value::integer(3).as_text(), nullptr);
}

TEST(Value, describes_itself_as_error_texts_do) {
  EXPECT_EQ(Value::integer(1000, 'I').describe(), "1000");
  EXPECT_EQ(Value::integer(1000, 'I').type_name(), "signedint");
  EXPECT_EQ(Value::text("lazy").describe(), "lazy");
  EXPECT_EQ(Value::text("lazy").type_name(), "longstr");
  EXPECT_EQ(Value::boolean(true).describe(), "true");
  EXPECT_EQ(Value{}.describe(), "undefined");
  EXPECT_EQ(Value::array({Value::text("a"), Value::integer(2, 'I')}).describe(),
            "[{longstr,<<\"a\">>},{signedint,2}]");
  EXPECT_EQ(Value::table(table({{"k", Value::text("v")}})).describe(), "[{<<\"k\">>,longstr,<<\"v\">>}]");
}

TEST(Value, describes_reals_with_a_fraction_always) {
  EXPECT_EQ(Value::real(1).describe(), "1.0");
  EXPECT_EQ(Value::real(-0.25).describe(), "-0.25");
  EXPECT_EQ(Value::real(1e20).describe(), "1.0e20");
  EXPECT_EQ(Value::real(1.5e-9).describe(), "1.5e-9");
}

TEST(Value, describes_no_more_of_a_large_table_than_an_error_text_can_carry) {
  std::vector<Value> many(10'000, Value::integer(1));
  EXPECT_LT(Value::array(many).describe().size(), 2000u);
}

TEST(Arguments, are_equal_as_sets) {
  const Arguments a = table({{"x", Value::integer(1, 'I')}, {"y", Value::text("t")}});
  const Arguments b = table({{"y", Value::text("t")}, {"x", Value::integer(1, 'l')}});
  EXPECT_EQ(a, b);
  EXPECT_EQ(hash(a), hash(b));
  EXPECT_FALSE(a == table({{"x", Value::integer(1)}}));
  EXPECT_FALSE(a == table({{"x", Value::integer(2)}, {"y", Value::text("t")}}));
  EXPECT_FALSE(a == table({{"x", Value::integer(1)}, {"z", Value::text("t")}}));
}

TEST(Arguments, replace_and_find_by_key) {
  Arguments arguments;
  arguments.set("a", Value::integer(1));
  arguments.set("b", Value::integer(2));
  arguments.set("a", Value::integer(3));
  EXPECT_EQ(arguments.size(), 2u);
  EXPECT_EQ(arguments.find("a")->as_integer(), 3);
  EXPECT_EQ(arguments.find("c"), nullptr);
}

Value random_value(Prng& random, unsigned depth);

Arguments random_table(Prng& random, unsigned depth) {
  std::vector<Argument> entries;
  for (std::uint64_t i = random.below(5); i > 0; --i) {
    entries.push_back({std::string(random.below(6), 'k') + std::to_string(i), random_value(random, depth)});
  }
  return Arguments(std::move(entries));
}

Value random_value(Prng& random, unsigned depth) {
  switch (random.below(depth == 0 ? 5 : 7)) {
    case 0:
      return {};
    case 1:
      return Value::boolean(random.one_in(2));
    case 2:
      return Value::integer(static_cast<std::int64_t>(random.next()), "bBsuIilT"[random.below(8)]);
    case 3:
      return Value::real(static_cast<double>(random.next()) / 3);
    case 4:
      return Value::text(std::string(random.below(20), 'x'));
    case 5:
      return Value::table(random_table(random, depth - 1));
    default: {
      std::vector<Value> values;
      for (std::uint64_t i = random.below(4); i > 0; --i) values.push_back(random_value(random, depth - 1));
      return Value::array(std::move(values));
    }
  }
}

TEST(Arguments, survive_a_round_trip) {
  const std::uint64_t seed = 20261;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  Prng random(seed);
  for (int round = 0; round < 500; ++round) {
    const Arguments arguments = random_table(random, 5);
    Buffer out;
    put_arguments(out, arguments);
    Reader in(out.view());
    const Arguments back = read_arguments(in);
    ASSERT_FALSE(in.failed());
    ASSERT_TRUE(in.at_end());
    ASSERT_EQ(back, arguments);
    ASSERT_EQ(hash(back), hash(arguments));
    auto it = back.begin();
    for (const Argument& argument : arguments) {
      ASSERT_EQ(it->key, argument.key);
      ASSERT_EQ(it->value.type, argument.value.type);
      ++it;
    }
  }
}

TEST(Arguments, are_refused_at_every_cut) {
  Prng random(7);
  Arguments arguments = random_table(random, 4);
  arguments.set("last", Value::array({Value::text("text"), Value::table(table({{"k", Value::real(1)}}))}));
  Buffer out;
  put_arguments(out, arguments);
  for (std::size_t cut = 0; cut < out.size(); ++cut) {
    Reader in(out.view().first(cut));
    (void)read_arguments(in);
    EXPECT_TRUE(in.failed()) << cut;
  }
}

TEST(Arguments, latch_failure_or_stop_within_bounds_on_any_bytes) {
  const std::uint64_t seed = 20262;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  Prng random(seed);
  Buffer out;
  put_arguments(out, table({{"k", Value::array({Value::text("text"), Value::integer(1)})}}));
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::uint8_t> bytes(out.data(), out.data() + out.size());
    for (std::uint64_t i = 1 + random.below(4); i > 0; --i) {
      bytes[random.below(bytes.size())] = static_cast<std::uint8_t>(random.next());
    }
    Reader in(bytes);
    (void)read_arguments(in);
  }
}

Arguments nested(unsigned depth) {
  Arguments inner;
  for (unsigned i = 1; i < depth; ++i) inner = table({{"t", Value::table(inner)}});
  return inner;
}

TEST(Arguments, are_read_to_the_greatest_depth_and_no_deeper) {
  Buffer out;
  put_arguments(out, nested(kMaxValueDepth));
  Reader in(out.view());
  EXPECT_EQ(read_arguments(in), nested(kMaxValueDepth));
  EXPECT_FALSE(in.failed());

  Buffer deeper;
  deeper.append(ByteView(std::vector<std::uint8_t>{1, 1, 't', 'F', 6}));  // one more table around it
  deeper.append(out.view());
  Reader refused(deeper.view());
  (void)read_arguments(refused);
  EXPECT_TRUE(refused.failed());

  Buffer arrays;  // {"t": [[[[…
  arrays.append(ByteView(std::vector<std::uint8_t>{1, 1, 't'}));
  for (int i = 0; i < 100'000; ++i) arrays.append(ByteView(std::vector<std::uint8_t>{'A', 5, 1}));
  Reader endless(arrays.view());
  (void)read_arguments(endless);
  EXPECT_TRUE(endless.failed());
}

TEST(Arguments, with_a_count_beyond_the_bytes_are_refused_before_room_is_made) {
  Buffer out;
  out.append(
      ByteView(std::vector<std::uint8_t>{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1, 'k', 'V', 0}));
  Reader in(out.view());
  EXPECT_TRUE(read_arguments(in).empty());
  EXPECT_TRUE(in.failed());
}

}  // namespace
}  // namespace millrace::broker
