// The broker under power cuts, kills, failing disks and restarts.
#include <gtest/gtest.h>

#include "broker_world.hpp"
#include "simulation/seeds.hpp"

namespace millrace::broker {
namespace {

using simulation::for_each_seed_in_parallel;
using Death = BrokerWorld::Death;

TEST(BrokerSimulation, keeps_its_promises_through_power_cuts_kills_and_restarts) {
  for_each_seed_in_parallel({60, 6000}, [](std::uint64_t seed) {
    Prng luck(seed);
    BrokerWorld world(seed);
    for (std::uint64_t lives = 2 + luck.below(4); lives != 0; --lives) {
      if (luck.one_in(2)) world.cut_power_at(1 + luck.below(400));
      if (luck.one_in(5)) world.fail_write_at(1 + luck.below(400));
      if (world.open()) {
        if (luck.one_in(3)) world.fail_reads(5 + 2 * luck.below(4));
        for (std::uint64_t deeds = 10 + luck.below(150); deeds != 0 && !world.failed(); --deeds) world.act();
        if (luck.one_in(3) && !world.failed()) world.stop();
      }
      if (::testing::Test::HasFailure()) return;
      world.die(luck.one_in(2) ? Death::kill : Death::power_cut);
    }
    EXPECT_TRUE(world.open());
  });
}

// What a checkpoint knows beyond the durable log shows when the next life's first records take the places of
// those that the cut took: they are settlements here, and all of them must be known after a stop in order.
TEST(BrokerSimulation, has_no_checkpoint_that_knows_more_than_the_log) {
  for_each_seed_in_parallel({20, 1500}, [](std::uint64_t seed) {
    Prng luck(seed);
    BrokerWorld world(seed);
    for (int round = 0; round < 3; ++round) {
      world.cut_power_after_checkpoint(luck.below(6), 1 + luck.below(4));
      if (world.open()) {
        for (int deeds = 0; deeds < 200 && !world.failed(); ++deeds) world.act();
      }
      if (::testing::Test::HasFailure()) return;
      world.die(Death::power_cut);
      if (!world.open()) return;
      world.take_some();
      EXPECT_TRUE(world.stop());
      if (::testing::Test::HasFailure()) return;
      world.die(Death::kill);
    }
    EXPECT_TRUE(world.open());
  });
}

// The sanitizers watch every third step, the optimised build takes them all.
constexpr std::uint64_t kStride = simulation::kFastSeeds ? 1 : 3;

// The same story with an end at each of its steps of I/O.
TEST(BrokerSimulation, survives_a_power_cut_at_every_step) {
  for_each_seed_in_parallel({1, 10}, [](std::uint64_t seed) {
    for (std::uint64_t step = 1;; step += kStride) {
      BrokerWorld world(seed);
      world.cut_power_at(step);
      if (world.open()) world.follow_script();
      const bool over = world.steps() < step;
      world.die(Death::power_cut);
      EXPECT_TRUE(world.open()) << "after the cut at step " << step;
      if (over || ::testing::Test::HasFailure()) return;
    }
  });
}

// A failed sync ends the node, and so may a failed write; what others do not need must go on without them.
TEST(BrokerSimulation, survives_a_failed_write_at_every_step) {
  for_each_seed_in_parallel({1, 10}, [](std::uint64_t seed) {
    for (std::uint64_t step = 1;; step += kStride + seed % 2) {
      BrokerWorld world(seed);
      world.fail_write_at(step);
      if (world.open()) world.follow_script();
      const bool over = world.steps() < step;
      world.die(step % 3 == 0 ? Death::power_cut : Death::kill);
      EXPECT_TRUE(world.open()) << "after the failure at step " << step;
      world.die(Death::power_cut);
      EXPECT_TRUE(world.open()) << "after the failure at step " << step << " and a power cut";
      if (over || ::testing::Test::HasFailure()) return;
    }
  });
}

}  // namespace
}  // namespace millrace::broker
