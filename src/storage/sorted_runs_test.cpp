#include "storage/sorted_runs.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "simulation/seeds.hpp"
#include "storage/simulated_disk_test.hpp"

namespace millrace::storage {
namespace {

using Model = std::multiset<RankedEntry>;

SortedRuns::Options small_options() {
  return {.directory = "/data/index", .memtable_entries = 100, .max_runs_per_level = 3, .head_entries = 255};
}

std::unique_ptr<SortedRuns> open_runs(SimulatedDisk& disk, ByteView state = {},
                                      SortedRuns::Options options = small_options()) {
  auto index = SortedRuns::open(disk.files, std::move(options), state);
  EXPECT_TRUE(index) << index.error().text;
  return index ? std::move(*index) : nullptr;
}

RankedEntry random_entry(Prng& random) {
  return {static_cast<std::int64_t>(random.below(1000)) - 500, random.below(1u << 20)};
}

void fill(SortedRuns& index, Model& model, Prng& random, int count) {
  for (int i = 0; i < count; ++i) {
    const RankedEntry entry = random_entry(random);
    ASSERT_TRUE(index.insert(entry));
    model.insert(entry);
  }
}

void expect_holds(const SortedRuns& index, const Model& model) {
  ASSERT_EQ(index.size(), model.size());
  ASSERT_EQ(index.lowest().has_value(), !model.empty());
  ASSERT_TRUE(model.empty() || *index.lowest() == *model.begin());
}

// The index must give exactly what the model holds, and is empty afterwards.
void drain(SortedRuns& index, Model model) {
  while (!model.empty()) {
    ASSERT_NO_FATAL_FAILURE(expect_holds(index, model));
    ASSERT_TRUE(index.pop());
    model.erase(model.begin());
  }
  expect_holds(index, model);
}

TEST(SortedRuns, give_entries_by_rank_and_then_by_position) {
  SimulatedDisk disk(1);
  auto index = open_runs(disk);
  EXPECT_FALSE(index->lowest());
  constexpr auto kLeast = std::numeric_limits<std::int64_t>::min();
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  Model model;
  for (const RankedEntry entry :
       {RankedEntry{5, 2}, {kMost, 0}, {-1, 9}, {5, 1}, {kLeast, 7}, {5, 1}, {0, UINT64_MAX}}) {
    ASSERT_TRUE(index->insert(entry));
    model.insert(entry);
  }
  drain(*index, model);
}

TEST(SortedRuns, agree_with_a_model_while_runs_are_made_merged_and_emptied) {
  simulation::for_each_seed(15, [](std::uint64_t seed) {
    SimulatedDisk disk(seed);
    Prng random(seed);
    auto index = open_runs(disk);
    Model model;
    std::size_t most_runs = 0;
    for (int phase = 0; phase < 6; ++phase) {
      const std::uint64_t inserts_of_ten = 3 + random.below(7);
      for (int i = 0; i < 4000; ++i) {
        if (model.empty() || random.below(10) < inserts_of_ten) {
          fill(*index, model, random, 1);
        } else {
          ASSERT_TRUE(index->pop());
          model.erase(model.begin());
        }
        ASSERT_NO_FATAL_FAILURE(expect_holds(*index, model));
        most_runs = std::max(most_runs, index->runs());
      }
    }
    EXPECT_LE(most_runs, 30u);  // of 24000 inserts, which make up to 240 runs
    drain(*index, model);
    EXPECT_EQ(index->runs(), 0u);
    EXPECT_TRUE(disk.files.paths().empty());
  });
}

TEST(SortedRuns, stay_few_however_many_entries_come) {
  SimulatedDisk disk(1);
  auto index = open_runs(disk);
  for (std::uint64_t i = 0; i < 60000; ++i)
    ASSERT_TRUE(index->insert({static_cast<std::int64_t>(i % 977), i}));
  EXPECT_LE(index->runs(), 24u);              // 600 runs of 100 in levels of 3
  EXPECT_LE(disk.files.paths().size(), 25u);  // and the output of a merge
  EXPECT_EQ(index->size(), 60000u);
}

TEST(SortedRuns, clearing_removes_everything) {
  SimulatedDisk disk(1);
  Prng random(1);
  auto index = open_runs(disk);
  Model model;
  fill(*index, model, random, 1050);
  index->clear();
  expect_holds(*index, {});
  EXPECT_TRUE(disk.files.paths().empty());
  model.clear();
  fill(*index, model, random, 1050);
  drain(*index, model);
}

TEST(SortedRuns, without_a_snapshot_are_empty_when_opened_again) {
  SimulatedDisk disk(1);
  Prng random(1);
  Model model;
  fill(*open_runs(disk), model, random, 1000);
  EXPECT_FALSE(disk.files.paths().empty());
  expect_holds(*open_runs(disk), {});
  EXPECT_TRUE(disk.files.paths().empty());
}

TEST(SortedRuns, are_as_the_snapshot_says_when_opened_with_it) {
  simulation::for_each_seed(20, [](std::uint64_t seed) {
    SimulatedDisk disk(seed);
    Prng random(seed);
    auto index = open_runs(disk);
    Model model;
    fill(*index, model, random, static_cast<int>(random.below(4000)));
    for (std::uint64_t pops = random.below(model.size() + 1); pops != 0; --pops) {
      ASSERT_TRUE(index->pop());
      model.erase(model.begin());
    }
    const auto snapshot = index->snapshot();
    ASSERT_TRUE(snapshot);
    expect_holds(*index, model);
    // What comes later is not in it, even when files that it names are emptied and merged away.
    Model later = model;
    fill(*index, later, random, 2000);
    while (index->size() != 0) ASSERT_TRUE(index->pop());
    index.reset();
    drain(*open_runs(disk, snapshot->state.view()), model);
  });
}

TEST(SortedRuns, files_of_a_snapshot_stay_until_a_later_one_is_durable) {
  SimulatedDisk disk(1);
  Prng random(1);
  auto index = open_runs(disk);
  Model model;
  fill(*index, model, random, 150);
  const auto first = index->snapshot();
  ASSERT_EQ(first->files.size(), 1u);
  index->snapshot_durable(first->number);
  EXPECT_EQ(index->snapshot()->files.size(), 0u);  // it is known to be synced
  index->clear();
  EXPECT_TRUE(disk.files.exists(first->files[0]));
  const auto third = index->snapshot();
  EXPECT_TRUE(disk.files.exists(first->files[0]));
  index->snapshot_durable(third->number);
  EXPECT_TRUE(disk.files.paths().empty());
  expect_holds(*open_runs(disk, third->state.view()), {});
}

TEST(SortedRuns, a_small_snapshot_makes_no_file) {
  SimulatedDisk disk(1);
  Prng random(1);
  auto index = open_runs(disk);
  Model model;
  fill(*index, model, random, 90);
  const auto snapshot = index->snapshot();
  EXPECT_TRUE(snapshot->files.empty());
  EXPECT_TRUE(disk.files.paths().empty());
  drain(*open_runs(disk, snapshot->state.view()), model);
}

TEST(SortedRuns, a_large_memtable_becomes_a_file_of_the_snapshot) {
  SimulatedDisk disk(1);
  Prng random(1);
  auto options = small_options();
  options.memtable_entries = 5000;
  auto index = open_runs(disk, {}, options);
  Model model;
  fill(*index, model, random, 3000);
  const auto snapshot = index->snapshot();
  EXPECT_EQ(snapshot->files.size(), 1u);
  EXPECT_LT(snapshot->state.size(), 100u);
  drain(*open_runs(disk, snapshot->state.view(), options), model);
}

TEST(SortedRuns, a_failure_in_any_step_harms_no_entry) {
  std::uint64_t steps = 1;
  for (std::uint64_t step = 1; step <= steps; ++step) {
    SCOPED_TRACE("step " + std::to_string(step) + " of " + std::to_string(steps));
    SimulatedDisk disk(1);
    Prng random(1);
    auto index = open_runs(disk);
    const std::uint64_t before = disk.files.steps();
    disk.files.fail_at(before + step, step % 2 == 0 ? Errc::disk_full : Errc::io_error);
    Model model;
    int failures = 0;
    for (int i = 0; i < 1400; ++i) {
      const RankedEntry entry = random_entry(random);
      const bool insert = i < 700 || i % 3 == 0;
      if (!(insert ? index->insert(entry) : index->pop())) {
        ++failures;
      } else if (insert) {
        model.insert(entry);
      } else {
        model.erase(model.begin());
      }
      ASSERT_NO_FATAL_FAILURE(expect_holds(*index, model));
    }
    EXPECT_LE(failures, 1);  // some are borne in silence: a merge that meets a full disk, a file that stays
    steps = std::max(steps, disk.files.steps() - before);
    while (disk.files.steps() - before < step)
      (void)disk.files.list("/data");  // the fault, if it is still to come
    drain(*index, model);
  }
  EXPECT_GT(steps, 50u);
}

TEST(SortedRuns, a_full_disk_refuses_inserts_and_lets_go_on_when_there_is_room) {
  SimulatedDisk disk(1, 50000);
  Prng random(1);
  auto index = open_runs(disk);
  Model model;
  while (true) {
    const RankedEntry entry = random_entry(random);
    const auto inserted = index->insert(entry);
    if (!inserted) {
      EXPECT_EQ(inserted.error().code, Errc::disk_full);
      break;
    }
    model.insert(entry);
    ASSERT_LT(model.size(), 5000u);
  }
  expect_holds(*index, model);
  const auto snapshot = index->snapshot();
  EXPECT_TRUE(snapshot);  // of a memtable that fits into the state
  disk.files.set_capacity(1u << 30);
  fill(*index, model, random, 1000);
  drain(*index, model);
}

TEST(SortedRuns, a_power_cut_in_any_step_leaves_the_last_durable_snapshot) {
  simulation::for_each_seed(3, [](std::uint64_t seed) {
    Buffer durable_state;
    Model durable;
    PowerCuts cuts;
    cuts.scenario = [&](SimulatedDisk& disk) {
      durable_state.clear();
      durable.clear();
      auto opened = SortedRuns::open(disk.files, small_options());
      if (!opened) return;
      SortedRuns& index = **opened;
      Prng random(seed);
      Model model;
      for (int round = 0; round < 6; ++round) {
        for (int i = 0; i < 250; ++i) {
          const RankedEntry entry = random_entry(random);
          const bool insert = model.empty() || i % 4 != 0;
          if (!(insert ? index.insert(entry) : index.pop())) continue;
          if (insert)
            model.insert(entry);
          else
            model.erase(model.begin());
        }
        auto snapshot = index.snapshot();
        if (!snapshot || !sync_snapshot(disk.files, *snapshot)) return;
        durable_state = std::move(snapshot->state);
        durable = model;
        index.snapshot_durable(snapshot->number);
      }
    };
    cuts.check = [&](SimulatedDisk& disk) {
      auto index = open_runs(disk, durable_state.view());
      ASSERT_TRUE(index);
      drain(*index, durable);
    };
    cuts.run(seed);
  });
}

TEST(SortedRuns, damage_is_found_when_it_is_met) {
  SimulatedDisk disk(1);
  Prng random(1);
  auto options = small_options();
  options.memtable_entries = 1000;
  auto index = open_runs(disk, {}, options);
  Model model;
  fill(*index, model, random, 1001);
  const auto snapshot = index->snapshot();
  ASSERT_EQ(snapshot->files.size(), 1u);
  const std::string path = snapshot->files[0];
  const auto whole = disk.files.contents(path);

  const auto opened_with = [&](std::size_t byte) {
    auto bytes = whole;
    bytes[byte] ^= 1;
    disk.files.put(path, bytes);
    const auto opened = SortedRuns::open(disk.files, options, snapshot->state.view());
    return opened ? Errc::internal_error : opened.error().code;
  };
  for (const std::size_t byte : {0, 12, 16, 24}) EXPECT_EQ(opened_with(byte), Errc::corrupt) << byte;
  EXPECT_EQ(opened_with(8), Errc::corrupt);  // version 0
  EXPECT_EQ(opened_with(9), Errc::precondition_failed);
  for (std::size_t byte = 4096; byte < 8192; byte += 61) EXPECT_EQ(opened_with(byte), Errc::corrupt) << byte;

  // Beyond the head it is met on the way; the entries before it are served.
  auto bytes = whole;
  bytes[2 * 4096 + 100] ^= 1;
  disk.files.put(path, bytes);
  index = open_runs(disk, snapshot->state.view(), options);
  while (auto popped = index->pop()) model.erase(model.begin());
  EXPECT_EQ(model.size(), 1001u - 254u - 1u);  // one of them was in memory
  expect_holds(*index, model);
  EXPECT_EQ(index->pop().error().code, Errc::corrupt);

  disk.files.put(path, ByteView(whole).subspan(0, whole.size() - 1));
  EXPECT_EQ(SortedRuns::open(disk.files, options, snapshot->state.view()).error().code, Errc::corrupt);
  ASSERT_TRUE(disk.files.remove(path));
  EXPECT_EQ(SortedRuns::open(disk.files, options, snapshot->state.view()).error().code, Errc::corrupt);
}

TEST(SortedRuns, a_state_that_is_cut_longer_or_newer_is_refused) {
  SimulatedDisk disk(1);
  Prng random(1);
  auto index = open_runs(disk);
  Model model;
  fill(*index, model, random, 120);
  const auto snapshot = index->snapshot();
  const ByteView state = snapshot->state.view();
  for (std::size_t bytes = 1; bytes < state.size(); ++bytes) {
    const auto opened = SortedRuns::open(disk.files, small_options(), state.subspan(0, bytes));
    ASSERT_FALSE(opened) << bytes;
    EXPECT_EQ(opened.error().code, Errc::corrupt);
  }
  std::vector<std::uint8_t> changed(state.begin(), state.end());
  changed.push_back(0);
  EXPECT_EQ(SortedRuns::open(disk.files, small_options(), changed).error().code, Errc::corrupt);
  changed[0] = 2;
  EXPECT_EQ(SortedRuns::open(disk.files, small_options(), changed).error().code, Errc::precondition_failed);
  drain(*open_runs(disk, state), model);
}

}  // namespace
}  // namespace millrace::storage
