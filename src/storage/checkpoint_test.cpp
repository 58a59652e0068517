#include "storage/checkpoint.hpp"

#include <gtest/gtest.h>

#include "simulation/seeds.hpp"
#include "storage/simulated_disk_test.hpp"

namespace millrace::storage {
namespace {

Checkpoint checkpoint_of(std::uint64_t lsn, std::size_t bytes) {
  Checkpoint checkpoint{Lsn(lsn), {}};
  for (std::size_t i = 0; i < bytes; ++i)
    checkpoint.blob.put_le(static_cast<std::uint8_t>(i * lsn + i / 251));
  return checkpoint;
}

std::optional<result<void>> write(SimulatedDisk& disk, Checkpoint checkpoint) {
  std::optional<result<void>> outcome;
  write_checkpoint(disk.runtime(), SimulatedDisk::kDirectory, std::move(checkpoint),
                   [&](result<void> done) { outcome = std::move(done); });
  disk.settle();
  return outcome;
}

result<std::optional<Checkpoint>> load(SimulatedDisk& disk) {
  return load_checkpoint(disk.files, SimulatedDisk::kDirectory);
}

void expect_is(SimulatedDisk& disk, std::uint64_t lsn, std::size_t bytes) {
  const auto loaded = load(disk);
  ASSERT_TRUE(loaded) << loaded.error().text;
  ASSERT_TRUE(loaded->has_value());
  EXPECT_EQ((*loaded)->lsn, Lsn(lsn));
  const Checkpoint wanted = checkpoint_of(lsn, bytes);
  EXPECT_TRUE(as_text((*loaded)->blob.view()) == as_text(wanted.blob.view()));
}

TEST(Checkpoint, there_is_none_at_first) {
  SimulatedDisk disk(1);
  const auto loaded = load(disk);
  ASSERT_TRUE(loaded);
  EXPECT_FALSE(loaded->has_value());
}

TEST(Checkpoint, the_newest_is_loaded) {
  SimulatedDisk disk(1);
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{100000}}) {
    const auto written = write(disk, checkpoint_of(bytes + 1, bytes));
    ASSERT_TRUE(written && *written);
    expect_is(disk, bytes + 1, bytes);
    EXPECT_EQ(disk.files.paths().size(), 1u);
  }
}

TEST(Checkpoint, an_unfinished_one_is_neither_loaded_nor_in_the_way) {
  SimulatedDisk disk(1);
  ASSERT_TRUE(write(disk, checkpoint_of(1, 50)));
  disk.files.put("/data/checkpoint.tmp", as_bytes("half"));
  expect_is(disk, 1, 50);
  const auto written = write(disk, checkpoint_of(2, 60));
  ASSERT_TRUE(written && *written);
  expect_is(disk, 2, 60);
  EXPECT_EQ(disk.files.paths().size(), 1u);
}

TEST(Checkpoint, a_full_disk_leaves_the_old_one) {
  SimulatedDisk disk(1, 10000);
  ASSERT_TRUE(write(disk, checkpoint_of(1, 5000)));
  const auto written = write(disk, checkpoint_of(2, 6000));
  ASSERT_TRUE(written);
  EXPECT_EQ(written->error().code, Errc::disk_full);
  expect_is(disk, 1, 5000);
  EXPECT_EQ(disk.files.paths().size(), 1u);
}

TEST(Checkpoint, a_failure_in_any_step_is_told_and_leaves_the_old_or_the_new_one) {
  constexpr std::uint64_t kSteps = 5;  // create, write, sync, rename, sync the directory
  for (std::uint64_t step = 1; step <= kSteps; ++step) {
    SimulatedDisk disk(1);
    ASSERT_TRUE(write(disk, checkpoint_of(1, 5000)));
    const std::uint64_t before = disk.files.steps();
    disk.files.fail_at(before + step);
    const auto written = write(disk, checkpoint_of(2, 6000));
    ASSERT_TRUE(written && !*written) << step;
    EXPECT_EQ(written->error().code, Errc::io_error);
    if (step == kSteps) {
      expect_is(disk, 2, 6000);
    } else {
      expect_is(disk, 1, 5000);
    }
    EXPECT_EQ(disk.files.paths().size(), 1u);
  }
}

TEST(Checkpoint, a_power_cut_in_any_step_leaves_the_old_or_the_new_one_whole) {
  simulation::for_each_seed(50, [](std::uint64_t seed) {
    bool completed = false;
    PowerCuts cuts;
    cuts.prepare = [](SimulatedDisk& disk) { ASSERT_TRUE(write(disk, checkpoint_of(1, 5000))); };
    cuts.scenario = [&](SimulatedDisk& disk) {
      const auto written = write(disk, checkpoint_of(2, 6000));
      completed = written && *written;
    };
    cuts.check = [&](SimulatedDisk& disk) {
      const auto loaded = load(disk);
      ASSERT_TRUE(loaded) << loaded.error().text;
      ASSERT_TRUE(loaded->has_value());
      const std::uint64_t lsn = (*loaded)->lsn.value;
      EXPECT_TRUE(lsn == 2 || !completed);
      expect_is(disk, lsn, lsn == 2 ? 6000 : 5000);
    };
    cuts.run(seed);
  });
}

TEST(Checkpoint, any_flipped_bit_and_any_cut_is_found) {
  SimulatedDisk disk(1);
  ASSERT_TRUE(write(disk, checkpoint_of(7, 20)));
  const auto whole = disk.contents("checkpoint");
  for (std::uint64_t bit = 0; bit < whole.size() * 8; ++bit) {
    disk.files.flip_bit("/data/checkpoint", bit);
    const auto loaded = load(disk);
    ASSERT_FALSE(loaded) << "bit " << bit;
    const bool version = bit / 8 >= 8 && bit / 8 < 12;
    EXPECT_EQ(loaded.error().code, version && bit != 64 ? Errc::precondition_failed : Errc::corrupt)
        << "bit " << bit;
    disk.files.flip_bit("/data/checkpoint", bit);
  }
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    disk.files.put("/data/checkpoint", ByteView(whole).subspan(0, bytes));
    EXPECT_EQ(load(disk).error().code, Errc::corrupt) << bytes;
  }
}

}  // namespace
}  // namespace millrace::storage
