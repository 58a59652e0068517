#include "broker/node/arrivals.hpp"

#include <gtest/gtest.h>

#include <array>

namespace millrace::broker {
namespace {

const QueueId kFirst(7);
const QueueId kSecond(8);

TEST(Arrivals, know_where_a_copy_came_to_until_its_original_is_settled) {
  Arrivals arrivals;
  const Original original{3, 41, 2};
  EXPECT_FALSE(arrivals.knows(original, kFirst));
  arrivals.add(original, {&kFirst, 1});
  EXPECT_TRUE(arrivals.knows(original, kFirst));
  EXPECT_FALSE(arrivals.knows(original, kSecond));
  EXPECT_FALSE(arrivals.knows(Original{3, 42, 2}, kFirst));
  EXPECT_FALSE(arrivals.knows(Original{4, 41, 2}, kFirst));
  arrivals.forget({3, 41});
  EXPECT_FALSE(arrivals.knows(original, kFirst));
  EXPECT_EQ(arrivals.size(), 0u);
}

TEST(Arrivals, count_a_place_once) {
  Arrivals arrivals;
  const Original original{3, 41, 2};
  arrivals.add(original, {&kFirst, 1});
  arrivals.add(original, {&kFirst, 1});
  arrivals.add(original, {&kSecond, 1});
  std::size_t places = 0;
  arrivals.for_each([&](const Arrivals::Name& name, const Arrivals::Arrival& arrival) {
    EXPECT_EQ(name, (Arrivals::Name{3, 41}));
    EXPECT_EQ(arrival.copies, 2u);
    places += arrival.places.size();
  });
  EXPECT_EQ(places, 2u);
}

TEST(Arrivals, are_the_same_after_a_checkpoint) {
  Arrivals arrivals;
  arrivals.add({3, 41, 2}, std::array{kFirst, kSecond});
  arrivals.add({300, 1u << 20, 0}, {&kSecond, 1});
  Buffer state;
  arrivals.put_state(state);
  Reader in(state.view());
  Arrivals read;
  read.read_state(in);
  EXPECT_TRUE(in.at_end() && !in.failed());
  EXPECT_EQ(read.size(), 2u);
  EXPECT_TRUE(read.knows({3, 41, 2}, kFirst));
  EXPECT_TRUE(read.knows({3, 41, 2}, kSecond));
  EXPECT_TRUE(read.knows({300, 1u << 20, 0}, kSecond));
}

TEST(Arrivals, a_state_cut_short_fails_the_reader) {
  Arrivals arrivals;
  arrivals.add({3, 41, 2}, std::array{kFirst, kSecond});
  Buffer state;
  arrivals.put_state(state);
  for (std::size_t bytes = 0; bytes < state.view().size(); ++bytes) {
    Reader in(state.view().first(bytes));
    Arrivals read;
    read.read_state(in);
    EXPECT_TRUE(in.failed()) << bytes;
  }
}

TEST(Arrivals, keep_no_more_than_so_many_over_a_start) {
  Arrivals arrivals;
  for (std::uint64_t seq = 1; seq <= Arrivals::kMaxRecovered + 10; ++seq) {
    arrivals.add({3, seq, 1}, {&kFirst, 1});
  }
  arrivals.forget_if([](const Arrivals::Name& name) { return name.seq % 2 == 0; });
  EXPECT_EQ(arrivals.size(), Arrivals::kMaxRecovered / 2 + 5);
  for (std::uint64_t seq = 1; seq <= Arrivals::kMaxRecovered + 10; ++seq) {
    arrivals.add({3, seq, 1}, {&kFirst, 1});
  }
  arrivals.forget_if([](const Arrivals::Name&) { return false; });
  EXPECT_EQ(arrivals.size(), Arrivals::kMaxRecovered);
  EXPECT_FALSE(arrivals.knows({3, 10, 1}, kFirst));
  EXPECT_TRUE(arrivals.knows({3, 11, 1}, kFirst));
}

}  // namespace
}  // namespace millrace::broker
