#include "protocol/amqp091/unacked.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "base/prng.hpp"

namespace millrace::amqp091 {
namespace {

using Seqs = std::vector<std::uint64_t>;

Seqs take(Unacked& unacked, std::uint64_t tag, bool multiple) {
  Seqs seqs;
  if (!unacked.take(tag, multiple, [&](const Unacked::Entry& entry) { seqs.push_back(entry.seq); })) {
    seqs.push_back(0);
  }
  return seqs;
}

TEST(Unacked, takes_one_or_all_up_to_a_tag) {
  Unacked unacked;
  for (std::uint64_t tag = 1; tag <= 5; ++tag) unacked.push(tag, 0, tag + 100);
  EXPECT_EQ(take(unacked, 3, false), (Seqs{103}));
  EXPECT_EQ(take(unacked, 4, true), (Seqs{101, 102, 104}));
  EXPECT_EQ(unacked.size(), 1u);
}

TEST(Unacked, knows_no_tag_twice_and_none_that_never_was) {
  Unacked unacked;
  unacked.push(1, 0, 101);
  unacked.push(5, 0, 105);  // the tags between went to consumers that need no acknowledgement
  EXPECT_EQ(take(unacked, 3, false), (Seqs{0}));
  EXPECT_EQ(take(unacked, 3, true), (Seqs{0}));
  EXPECT_EQ(take(unacked, 1, false), (Seqs{101}));
  EXPECT_EQ(take(unacked, 1, false), (Seqs{0}));
  EXPECT_EQ(take(unacked, 6, true), (Seqs{0}));
  EXPECT_EQ(take(unacked, 0, false), (Seqs{0}));
}

TEST(Unacked, puts_back_what_was_taken_in_the_order_of_tags) {
  Unacked unacked;
  for (std::uint64_t tag = 1; tag <= 4; ++tag) unacked.push(tag, 0, tag + 100);
  std::vector<Unacked::Entry> taken;
  for (const std::uint64_t tag : {3, 1}) {
    unacked.take(tag, false, [&](const Unacked::Entry& entry) { taken.push_back(entry); });
  }
  unacked.restore(taken);
  EXPECT_EQ(take(unacked, 4, true), (Seqs{101, 102, 103, 104}));
}

TEST(Unacked, agrees_with_an_ordered_map_whatever_is_asked) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Prng random(seed);
  Unacked unacked;
  std::map<std::uint64_t, std::uint64_t> model;
  std::uint64_t tag = 0;
  for (int step = 0; step < 50'000; ++step) {
    if (random.next() % 3 != 0) {
      tag += 1 + (random.next() % 16 == 0 ? random.next() % 5 : 0);
      unacked.push(tag, 0, tag * 3);
      model[tag] = tag * 3;
      continue;
    }
    const std::uint64_t asked =
        random.next() % 4 == 0 || model.empty() ? random.next() % (tag + 3) : model.begin()->first;
    const bool multiple = random.next() % 16 == 0;
    Seqs expected;
    if (!model.contains(asked)) {
      expected.push_back(0);
    } else if (multiple) {
      while (!model.empty() && model.begin()->first <= asked) {
        expected.push_back(model.begin()->second);
        model.erase(model.begin());
      }
    } else {
      expected.push_back(model[asked]);
      model.erase(asked);
    }
    ASSERT_EQ(take(unacked, asked, multiple), expected) << "tag " << asked;
    ASSERT_EQ(unacked.size(), model.size());
  }
}

}  // namespace
}  // namespace millrace::amqp091
