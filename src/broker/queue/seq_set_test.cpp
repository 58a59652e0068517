#include "broker/queue/seq_set.hpp"

#include <gtest/gtest.h>

#include <set>

#include "base/prng.hpp"

namespace millrace::broker {
namespace {

TEST(SeqSet, is_a_set_and_comes_back_from_its_state) {
  Prng luck(1);
  SeqSet all;
  std::set<std::uint64_t> model;
  for (int i = 0; i < 20'000; ++i) {
    // Some close together, some far from all others.
    const std::uint64_t seq = luck.one_in(10) ? luck.below(std::uint64_t{1} << 60) : luck.below(2000);
    if (luck.one_in(3)) {
      ASSERT_EQ(all.erase(seq), model.erase(seq) > 0);
    } else {
      ASSERT_EQ(all.insert(seq), model.insert(seq).second);
    }
    ASSERT_EQ(all.size(), model.size());
    ASSERT_EQ(all.contains(seq), model.contains(seq));
  }
  Buffer state;
  all.put_state(state);
  Reader in(state.view());
  SeqSet read;
  read.insert(77);
  read.read_state(in);
  EXPECT_TRUE(in.at_end() && !in.failed());
  EXPECT_EQ(read.size(), model.size());
  for (const std::uint64_t seq : model) ASSERT_TRUE(read.contains(seq));
}

TEST(SeqSet, takes_in_others) {
  SeqSet one, other;
  for (const std::uint64_t seq : {1, 64, 65, 1000}) one.insert(seq);
  for (const std::uint64_t seq : {2, 65, 4000}) other.insert(seq);
  one.insert(other);
  EXPECT_EQ(one.size(), 6u);
  for (const std::uint64_t seq : {1, 2, 64, 65, 1000, 4000}) EXPECT_TRUE(one.contains(seq));
  one.clear();
  EXPECT_TRUE(one.empty());
  EXPECT_FALSE(one.contains(65));
}

TEST(SeqSet, of_a_state_that_is_cut_fails) {
  SeqSet all;
  for (const std::uint64_t seq : {5, 500}) all.insert(seq);
  Buffer state;
  all.put_state(state);
  for (std::size_t bytes = 0; bytes < state.size(); ++bytes) {
    Reader in(state.view().subspan(0, bytes));
    SeqSet read;
    read.read_state(in);
    EXPECT_TRUE(in.failed()) << bytes;
  }
}

}  // namespace
}  // namespace millrace::broker
