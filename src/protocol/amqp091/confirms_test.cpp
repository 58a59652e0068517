#include "protocol/amqp091/confirms.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <tuple>

#include "base/prng.hpp"

namespace millrace::amqp091 {
namespace {

using Said = std::vector<std::tuple<std::uint64_t, bool, bool>>;  // number, multiple, accepted

Said flush(Confirms& confirms) {
  Said said;
  confirms.flush([&](std::uint64_t number, bool multiple, bool accepted) {
    said.emplace_back(number, multiple, accepted);
  });
  return said;
}

TEST(Confirms, says_a_run_of_settled_publishes_in_one_frame) {
  Confirms confirms;
  for (int i = 0; i < 5; ++i) confirms.settle(confirms.add(), true);
  EXPECT_EQ(flush(confirms), (Said{{5, true, true}}));
  EXPECT_FALSE(confirms.anything_to_flush());
  confirms.settle(confirms.add(), true);
  EXPECT_EQ(flush(confirms), (Said{{6, false, true}}));
}

TEST(Confirms, says_refusals_in_frames_of_their_own) {
  Confirms confirms;
  for (const bool accepted : {true, true, false, false, true}) confirms.settle(confirms.add(), accepted);
  EXPECT_EQ(flush(confirms), (Said{{2, true, true}, {4, true, false}, {5, false, true}}));
}

TEST(Confirms, says_what_lies_beyond_a_gap_one_by_one_and_only_once) {
  Confirms confirms;
  for (int i = 0; i < 4; ++i) confirms.add();
  confirms.settle(3, true);
  confirms.settle(2, false);
  EXPECT_EQ(flush(confirms), (Said{{3, false, true}, {2, false, false}}));
  confirms.settle(1, true);
  confirms.settle(4, true);
  // `multiple` up to 4 covers 2 as well, which is harmless: it was answered before.
  EXPECT_EQ(flush(confirms), (Said{{4, true, true}}));
  EXPECT_TRUE(confirms.all_settled());
}

// Whatever the order, a client that counts down what each frame covers ends with each publish answered as it
// was settled.
TEST(Confirms, tells_each_publish_its_own_outcome_in_any_order) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Prng random(seed);
  Confirms confirms;
  std::vector<std::uint64_t> pending;
  std::map<std::uint64_t, bool> expected;
  std::map<std::uint64_t, bool> open;  // as the client sees it: not answered yet
  std::map<std::uint64_t, bool> answered;
  for (int step = 0; step < 20'000; ++step) {
    if (random.next() % 2 == 0 || pending.empty()) {
      const std::uint64_t number = confirms.add();
      pending.push_back(number);
      open[number] = true;
    } else {
      const std::size_t at = random.next() % std::min<std::size_t>(pending.size(), 8);
      const bool accepted = random.next() % 8 != 0;
      expected[pending[at]] = accepted;
      confirms.settle(pending[at], accepted);
      pending.erase(pending.begin() + static_cast<std::ptrdiff_t>(at));
    }
    if (random.next() % 4 != 0) continue;
    for (const auto& [number, multiple, accepted] : flush(confirms)) {
      for (auto it = multiple ? open.begin() : open.find(number); it != open.end() && it->first <= number;) {
        answered[it->first] = accepted;
        it = open.erase(it);
        if (!multiple) break;
      }
    }
    ASSERT_EQ(answered, expected);
    if (answered.size() > 200) {
      answered.clear();
      expected.clear();
    }
  }
}

}  // namespace
}  // namespace millrace::amqp091
