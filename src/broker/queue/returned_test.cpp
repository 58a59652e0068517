#include "broker/queue/returned.hpp"

#include <gtest/gtest.h>

#include <set>

#include "base/prng.hpp"
#include "simulation/seeds.hpp"

namespace millrace::broker {
namespace {

Entry entry(std::uint64_t seq) {
  Entry made;
  made.seq = seq;
  return made;
}

TEST(Returned, gives_the_oldest_first_whatever_the_order_they_come_in) {
  simulation::for_each_seed(200, [](std::uint64_t seed) {
    Prng luck(seed);
    Returned returned;
    std::set<std::uint64_t> there;
    for (int step = 0; step < 300; ++step) {
      if (luck.one_in(3) && !there.empty()) {
        EXPECT_EQ(returned.front().seq, *there.begin());
        EXPECT_EQ(returned.take_front().seq, *there.begin());
        there.erase(there.begin());
      } else {
        const std::uint64_t seq = luck.below(1000);
        if (there.insert(seq).second) returned.put(entry(seq));
      }
      ASSERT_EQ(returned.empty(), there.empty());
      std::set<std::uint64_t> visited;
      returned.for_each([&](const Entry& one) { visited.insert(one.seq); });
      ASSERT_EQ(visited, there);
    }
    returned.clear();
    EXPECT_TRUE(returned.empty());
  });
}

}  // namespace
}  // namespace millrace::broker
