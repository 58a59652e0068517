// What the tests of this layer stand on: one shard in a simulated world, and scenarios run again and again
// with a fault at each of their I/O steps.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "simulation/file_system.hpp"
#include "simulation/scheduler.hpp"

namespace millrace::storage {

struct SimulatedDisk {
  explicit SimulatedDisk(std::uint64_t seed, std::uint64_t capacity_bytes = std::uint64_t{1} << 40)
      : files({.seed = seed, .capacity_bytes = capacity_bytes}), scheduler(seed) {
    EXPECT_TRUE(files.create_directories(kDirectory));
    EXPECT_TRUE(files.sync_directory("/"));
  }

  runtime::ShardRuntime runtime() { return shard.runtime(files); }
  void settle() { scheduler.run_until_idle(); }

  std::vector<std::uint8_t> contents(const std::string& name) const {
    return files.contents(std::string(kDirectory) + "/" + name);
  }
  bool holds(const std::string& name) { return files.exists(std::string(kDirectory) + "/" + name); }

  static constexpr const char* kDirectory = "/data";
  simulation::FileSystem files;
  simulation::Scheduler scheduler;
  simulation::Shard& shard = scheduler.add_shard();
};

// Runs prepare and scenario once to count the scenario's I/O steps, then again with a power cut in each of
// them; after the power is back, `check` sees what is left.
struct PowerCuts {
  std::function<void(SimulatedDisk&)> prepare = [](SimulatedDisk&) {};
  std::function<void(SimulatedDisk&)> scenario;
  std::function<void(SimulatedDisk&)> check;

  void run(std::uint64_t seed) const {
    SimulatedDisk counted(seed);
    prepare(counted);
    const std::uint64_t before = counted.files.steps();
    scenario(counted);
    const std::uint64_t steps = counted.files.steps() - before;
    ASSERT_GT(steps, 0u);
    for (std::uint64_t step = 1; step <= steps + 1; ++step) {
      SCOPED_TRACE("power cut in step " + std::to_string(step) + " of " + std::to_string(steps));
      SimulatedDisk disk(seed);
      prepare(disk);
      disk.files.crash_at(disk.files.steps() + step);
      scenario(disk);
      Prng luck(seed * 1000 + step);
      disk.files.crash(luck);
      check(disk);
      if (::testing::Test::HasFailure()) return;
    }
  }
};

}  // namespace millrace::storage
