#include "storage/sorted_runs.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <set>

#include "simulation/seeds.hpp"
#include "storage/simulated_disk_test.hpp"

namespace millrace::storage {
namespace {

using Model = std::multiset<RankedEntry>;

SortedRuns::Options small_options() {
  return {.directory = SimulatedDisk::kDirectory,
          .prefix = "test-",
          .memtable_entries = 100,
          .max_runs_per_level = 3,
          .head_entries = 255};
}

std::unique_ptr<SortedRuns> make_runs(SimulatedDisk& disk, const std::string& prefix = "test-") {
  auto options = small_options();
  options.prefix = prefix;
  return SortedRuns::make(disk.files, std::move(options));
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
  auto index = make_runs(disk);
  EXPECT_FALSE(index->lowest());
  constexpr auto kLeast = std::numeric_limits<std::int64_t>::min();
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  Model model;
  for (const RankedEntry entry :
       {RankedEntry{5, 2}, {kMost, 0}, {-1, 9}, {5, 1}, {kLeast, 7}, {0, UINT64_MAX}}) {
    ASSERT_TRUE(index->insert(entry));
    model.insert(entry);
  }
  drain(*index, model);
}

TEST(SortedRuns, give_equal_entries_as_often_as_they_were_inserted) {
  SimulatedDisk disk(1);
  auto index = make_runs(disk);
  Model model;
  // Three kinds, in the memtable, in runs of several levels, and taken while such runs are merged.
  for (std::uint64_t i = 0; i < 4000; ++i) {
    const RankedEntry entry{7, i % 3};
    ASSERT_TRUE(index->insert(entry));
    model.insert(entry);
    if (i % 4 != 3) continue;
    ASSERT_NO_FATAL_FAILURE(expect_holds(*index, model));
    ASSERT_TRUE(index->pop());
    model.erase(model.begin());
  }
  EXPECT_GT(index->runs(), 1u);
  drain(*index, model);
}

TEST(SortedRuns, agree_with_a_model_while_runs_are_made_merged_and_emptied) {
  simulation::for_each_seed(15, [](std::uint64_t seed) {
    SimulatedDisk disk(seed);
    Prng random(seed);
    auto index = make_runs(disk);
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
  auto index = make_runs(disk);
  for (std::uint64_t i = 0; i < 60000; ++i)
    ASSERT_TRUE(index->insert({static_cast<std::int64_t>(i % 977), i}));
  EXPECT_LE(index->runs(), 24u);              // 600 runs of 100 in levels of 3
  EXPECT_LE(disk.files.paths().size(), 25u);  // and the output of a merge
  EXPECT_EQ(index->size(), 60000u);
}

// Calls `remove` with an index that is about to make its first run, with one a step further, and so on, so
// that merges are met before they have begun, half done and done.
void at_any_moment(const std::function<void(SimulatedDisk&, std::unique_ptr<SortedRuns>)>& remove) {
  for (int inserts = 90; inserts < 6000; inserts += 203) {
    SCOPED_TRACE(inserts);
    SimulatedDisk disk(1);
    Prng random(1);
    auto index = make_runs(disk);
    Model model;
    fill(*index, model, random, inserts);
    ASSERT_NO_FATAL_FAILURE(remove(disk, std::move(index)));
  }
}

TEST(SortedRuns, clearing_removes_all_files_and_lets_go_on) {
  bool half_merged = false;
  at_any_moment([&](SimulatedDisk& disk, std::unique_ptr<SortedRuns> index) {
    half_merged = half_merged || disk.files.paths().size() > index->runs();
    index->clear();
    expect_holds(*index, {});
    EXPECT_EQ(index->runs(), 0u);
    EXPECT_TRUE(disk.files.paths().empty());
    Model model;
    Prng random(2);
    fill(*index, model, random, 1050);
    drain(*index, model);
  });
  EXPECT_TRUE(half_merged);
}

TEST(SortedRuns, destruction_removes_all_files) {
  bool half_merged = false;
  at_any_moment([&](SimulatedDisk& disk, std::unique_ptr<SortedRuns> index) {
    half_merged = half_merged || disk.files.paths().size() > index->runs();
    index.reset();
    EXPECT_TRUE(disk.files.paths().empty());
  });
  EXPECT_TRUE(half_merged);
}

TEST(SortedRuns, of_another_prefix_in_the_directory_are_left_alone) {
  SimulatedDisk disk(1);
  Prng random(1);
  auto index = make_runs(disk, "a-");
  auto other = make_runs(disk, "b-");
  Model model;
  Model of_other;
  for (int i = 0; i < 20; ++i) {
    fill(*index, model, random, 70);
    fill(*other, of_other, random, 70);
  }
  index->clear();
  EXPECT_GE(disk.files.paths().size(), other->runs());
  for (const std::string& path : disk.files.paths()) EXPECT_TRUE(path.starts_with("/data/b-")) << path;
  drain(*other, of_other);
}

TEST(SortedRuns, of_an_earlier_process_are_removed_and_nothing_else) {
  SimulatedDisk disk(1);
  for (const char* name : {"0123456789abcdef", "a-0000000000000001", "b-last-00000000000000ff", "a-1",
                           "a-000000000000000g", "lost+found"}) {
    disk.files.put(std::string("/data/") + name, {});
  }
  ASSERT_TRUE(remove_sorted_runs(disk.files, "/data"));
  EXPECT_EQ(disk.files.paths(),
            (std::vector<std::string>{"/data/a-000000000000000g", "/data/a-1", "/data/lost+found"}));
}

TEST(SortedRuns, of_an_earlier_process_need_not_have_a_directory) {
  SimulatedDisk disk(1);
  EXPECT_TRUE(remove_sorted_runs(disk.files, "/data/none"));
}

TEST(SortedRuns, that_cannot_be_removed_or_listed_are_an_error) {
  for (const std::uint64_t step : {1, 2}) {
    SimulatedDisk disk(1);
    disk.files.put("/data/a-0000000000000001", {});
    disk.files.fail_at(disk.files.steps() + step);
    const auto removed = remove_sorted_runs(disk.files, "/data");
    ASSERT_FALSE(removed);
    EXPECT_EQ(removed.error().code, Errc::io_error);
  }
}

// Inserts and pops with a fault that `plan` asked for, and expects that at most one of them fails and that it
// changes nothing. Returns how many I/O steps there were.
std::uint64_t run_with_fault(SimulatedDisk& disk, const std::function<void(std::uint64_t steps)>& plan) {
  Prng random(1);
  auto index = make_runs(disk);
  const std::uint64_t before = disk.files.steps();
  plan(before);
  Model model;
  int failures = 0;
  for (int i = 0; i < 1400 && !::testing::Test::HasFatalFailure(); ++i) {
    const RankedEntry entry = random_entry(random);
    const bool insert = i < 700 || i % 3 == 0;
    if (!(insert ? index->insert(entry) : index->pop())) {
      ++failures;
    } else if (insert) {
      model.insert(entry);
    } else {
      model.erase(model.begin());
    }
    expect_holds(*index, model);
  }
  EXPECT_LE(failures, 1);  // some are borne in silence: a merge that meets a full disk, a file that stays
  const std::uint64_t steps = disk.files.steps() - before;
  disk.files.forget_faults();
  drain(*index, model);
  return steps;
}

TEST(SortedRuns, a_failure_in_any_step_harms_no_entry) {
  std::uint64_t steps = 1;
  for (std::uint64_t step = 1; step <= steps; ++step) {
    SCOPED_TRACE("step " + std::to_string(step) + " of " + std::to_string(steps));
    SimulatedDisk disk(1);
    const auto code = step % 2 == 0 ? Errc::disk_full : Errc::io_error;
    steps =
        std::max(steps, run_with_fault(disk, [&](std::uint64_t at) { disk.files.fail_at(at + step, code); }));
  }
  EXPECT_GT(steps, 50u);
}

TEST(SortedRuns, a_failed_write_leaves_no_file) {
  std::uint64_t steps = 1;
  for (std::uint64_t step = 1; step <= steps; ++step) {
    SCOPED_TRACE("step " + std::to_string(step) + " of " + std::to_string(steps));
    SimulatedDisk disk(1);
    const auto code = step % 2 == 0 ? Errc::disk_full : Errc::io_error;
    steps = std::max(
        steps, run_with_fault(disk, [&](std::uint64_t at) { disk.files.fail_write_from(at + step, code); }));
    EXPECT_TRUE(disk.files.paths().empty());
  }
}

TEST(SortedRuns, a_full_disk_refuses_inserts_and_lets_go_on_when_there_is_room) {
  SimulatedDisk disk(1, 50000);
  Prng random(1);
  auto index = make_runs(disk);
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
  disk.files.set_capacity(1u << 30);
  fill(*index, model, random, 1000);
  drain(*index, model);
  EXPECT_TRUE(disk.files.paths().empty());
}

// One run of 1000 entries in four blocks, of which the first is in memory, and one entry in the memtable.
struct OneRun {
  OneRun() {
    auto options = small_options();
    options.memtable_entries = 1000;
    index = SortedRuns::make(disk.files, std::move(options));
    Prng random(1);
    fill(*index, model, random, 1001);
    path = disk.files.paths().at(0);
    whole = disk.files.contents(path);
  }

  // All that is in memory is served, then the damage is met; when it is undone, so is the error.
  void expect_damaged(ByteView content, const std::string& how) {
    SCOPED_TRACE(how);
    disk.files.put(path, content);
    while (model.size() > 700 && index->pop()) {
      model.erase(model.begin());
      ASSERT_NO_FATAL_FAILURE(expect_holds(*index, model));
    }
    const auto again = index->pop();
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, Errc::corrupt);
    EXPECT_NE(again.error().text.find(how), std::string::npos) << again.error().text;
    disk.files.put(path, whole);
  }

  SimulatedDisk disk{1};
  std::unique_ptr<SortedRuns> index;
  Model model;
  std::string path;
  std::vector<std::uint8_t> whole;
};

TEST(SortedRuns, damage_is_found_when_it_is_met) {
  OneRun run;
  for (std::size_t byte = 2 * 4096; byte < 3 * 4096; byte += 61) {
    auto bytes = run.whole;
    bytes[byte] ^= 1;
    ASSERT_NO_FATAL_FAILURE(run.expect_damaged(bytes, "block 2 fails its checksum"));
  }
  auto swapped = run.whole;
  std::swap_ranges(swapped.begin() + 2 * 4096, swapped.begin() + 3 * 4096, swapped.begin() + 3 * 4096);
  ASSERT_NO_FATAL_FAILURE(run.expect_damaged(swapped, "block 2 fails its checksum"));
  ASSERT_NO_FATAL_FAILURE(run.expect_damaged(ByteView(run.whole).subspan(0, 2 * 4096 + 100), "it was cut"));
  drain(*run.index, run.model);
}

TEST(SortedRuns, a_missing_file_and_that_of_another_run_are_damage) {
  OneRun run;
  Prng random(2);
  fill(*run.index, run.model, random, 1000);
  const auto paths = run.disk.files.paths();
  ASSERT_EQ(paths.size(), 2u);
  const auto of_other = run.disk.files.contents(paths[1]);
  ASSERT_EQ(of_other.size(), run.whole.size());
  ASSERT_NO_FATAL_FAILURE(run.expect_damaged(of_other, "block 2 fails its checksum"));
  ASSERT_TRUE(run.disk.files.remove(run.path));
  const auto popped = run.index->pop();
  ASSERT_FALSE(popped);
  EXPECT_EQ(popped.error().code, Errc::corrupt);
  run.disk.files.put(run.path, run.whole);
  drain(*run.index, run.model);
}

TEST(SortedRuns, damage_that_a_merge_meets_fails_an_insert_and_harms_no_other_entry) {
  SimulatedDisk disk(1);
  Prng random(1);
  auto index = make_runs(disk);
  Model model;
  fill(*index, model, random, 301);
  ASSERT_EQ(index->runs(), 3u);
  const std::string path = disk.files.paths().at(0);
  const auto whole = disk.files.contents(path);
  auto bytes = whole;
  bytes[4096 + 100] ^= 1;
  disk.files.put(path, bytes);
  int failures = 0;
  for (int i = 0; i < 1000; ++i) {
    const RankedEntry entry = random_entry(random);
    const auto inserted = index->insert(entry);
    if (inserted) {
      model.insert(entry);
    } else {
      ++failures;
      EXPECT_EQ(inserted.error().code, Errc::corrupt);
    }
    ASSERT_NO_FATAL_FAILURE(expect_holds(*index, model));
  }
  EXPECT_GE(failures, 1);
  disk.files.put(path, whole);
  fill(*index, model, random, 1000);
  drain(*index, model);
  EXPECT_TRUE(disk.files.paths().empty());
}

}  // namespace
}  // namespace millrace::storage
