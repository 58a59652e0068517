#include "storage/data_directory.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "runtime/os/file_system.hpp"
#include "simulation/seeds.hpp"
#include "storage/simulated_disk_test.hpp"

namespace millrace::storage {
namespace {

constexpr const char* kPath = "/var/lib/millrace";

std::unique_ptr<DataDirectory> open(simulation::FileSystem& files, unsigned shards,
                                    std::uint64_t incarnation) {
  auto directory = DataDirectory::open(files, kPath, shards, incarnation);
  EXPECT_TRUE(directory) << directory.error().text;
  return directory ? std::move(*directory) : nullptr;
}

Error error_of(simulation::FileSystem& files) {
  const auto directory = DataDirectory::open(files, kPath, 1, 1);
  EXPECT_FALSE(directory);
  return directory ? Error{} : directory.error();
}

void put_meta(simulation::FileSystem& files, std::string_view text) {
  files.put(std::string(kPath) + "/META", as_bytes(text));
}

TEST(DataDirectory, keeps_what_it_was_made_with) {
  simulation::FileSystem files;
  auto directory = open(files, 4, 0xabcdef);
  EXPECT_EQ(directory->shards(), 4u);
  EXPECT_EQ(directory->incarnation(), 0xabcdefu);
  EXPECT_EQ(directory->path(), kPath);
  EXPECT_EQ(directory->shard_path(3), "/var/lib/millrace/shard-3");
  for (unsigned shard = 0; shard < 4; ++shard) EXPECT_TRUE(files.exists(directory->shard_path(shard)));
  directory.reset();
  directory = open(files, 2, 5);
  EXPECT_EQ(directory->shards(), 4u);
  EXPECT_EQ(directory->incarnation(), 0xabcdefu);
}

TEST(DataDirectory, is_the_same_with_a_slash_at_its_end) {
  simulation::FileSystem files;
  EXPECT_EQ((*DataDirectory::open(files, "/data//", 1, 9))->shard_path(0), "/data/shard-0");
  EXPECT_EQ((*DataDirectory::open(files, "/data", 1, 7))->incarnation(), 9u);
}

TEST(DataDirectory, belongs_to_one_at_a_time) {
  simulation::FileSystem files;
  auto directory = open(files, 1, 1);
  EXPECT_EQ(error_of(files).code, Errc::resource_locked);
  directory.reset();
  EXPECT_TRUE(open(files, 1, 1));
}

TEST(DataDirectory, refuses_a_newer_format_whatever_else_it_says) {
  simulation::FileSystem files;
  put_meta(files, "format = 2\nplanets = 9\n");
  const Error error = error_of(files);
  EXPECT_EQ(error.code, Errc::precondition_failed);
  EXPECT_NE(error.text.find("newer version"), std::string::npos);
  EXPECT_NE(error.text.find(kPath), std::string::npos);
  EXPECT_EQ(error.text.find('\n'), std::string::npos);
}

TEST(DataDirectory, refuses_a_meta_file_that_was_changed) {
  simulation::FileSystem files;
  open(files, 3, 42);
  const std::string path = std::string(kPath) + "/META";
  const auto whole = files.contents(path);
  const std::string text(as_text(whole));
  for (std::uint64_t bit = 0; bit < whole.size() * 8; ++bit) {
    files.flip_bit(path, bit);
    const auto directory = DataDirectory::open(files, kPath, 1, 1);
    // A digit of the format may become that of a newer one.
    const bool format = bit / 8 == text.find("format = ") + 9;
    if (!directory) {
      EXPECT_TRUE(directory.error().code == Errc::corrupt ||
                  (format && directory.error().code == Errc::precondition_failed))
          << "bit " << bit << ": " << directory.error().text;
    } else {
      EXPECT_EQ((*directory)->shards(), 3u) << "bit " << bit;
      EXPECT_EQ((*directory)->incarnation(), 42u) << "bit " << bit;
      EXPECT_GE(bit / 8, text.rfind(' ')) << "bit " << bit;  // the case of the checksum's own digits
    }
    files.flip_bit(path, bit);
  }
  for (const std::string_view other :
       {"", "\n", "format = 1\n", "crc32c = 0\n", "shards = 4\nformat = x\n"}) {
    put_meta(files, other);
    EXPECT_EQ(error_of(files).code, Errc::corrupt) << other;
  }
}

TEST(DataDirectory, refuses_shards_without_a_meta_file) {
  simulation::FileSystem files;
  open(files, 2, 42);
  ASSERT_TRUE(files.remove(std::string(kPath) + "/META"));
  const Error error = error_of(files);
  EXPECT_EQ(error.code, Errc::corrupt);
  EXPECT_NE(error.text.find("shard-0"), std::string::npos);
}

TEST(DataDirectory, a_full_disk_or_a_failure_in_any_step_is_told_and_can_be_tried_again) {
  simulation::FileSystem full({.capacity_bytes = 10});
  EXPECT_EQ(error_of(full).code, Errc::disk_full);
  full.set_capacity(1u << 20);
  EXPECT_TRUE(open(full, 1, 1));

  simulation::FileSystem counted;
  open(counted, 2, 42);
  for (std::uint64_t step = 1; step <= counted.steps(); ++step) {
    simulation::FileSystem files;
    files.fail_at(step);
    const auto failed = DataDirectory::open(files, kPath, 2, 42);
    ASSERT_FALSE(failed) << step;
    EXPECT_EQ(failed.error().code, Errc::io_error) << step;
    EXPECT_TRUE(open(files, 2, 42)) << step;
  }
}

TEST(DataDirectory, a_power_cut_in_any_step_leaves_one_that_opens) {
  simulation::for_each_seed(50, [](std::uint64_t seed) {
    simulation::FileSystem counted;
    open(counted, 3, 1);
    for (std::uint64_t step = 1; step <= counted.steps() + 1; ++step) {
      simulation::FileSystem files({.seed = seed});
      files.crash_at(step);
      const bool completed = DataDirectory::open(files, kPath, 3, 1).has_value();
      Prng luck(seed + step);
      files.crash(luck);
      const auto directory = open(files, 5, 2);
      ASSERT_TRUE(directory) << step;
      const bool kept = directory->incarnation() == 1;
      EXPECT_TRUE(kept || !completed) << step;
      EXPECT_EQ(directory->shards(), kept ? 3u : 5u);
      for (unsigned shard = 0; shard < directory->shards(); ++shard) {
        EXPECT_TRUE(files.exists(directory->shard_path(shard)));
      }
    }
  });
}

TEST(DataDirectory, one_that_cannot_be_read_or_written_is_named_with_the_reason) {
  if (::geteuid() == 0) GTEST_SKIP() << "the superuser may do everything";
  std::string pattern = ::testing::TempDir() + "millrace-data-XXXXXX";
  const std::string parent = ::mkdtemp(pattern.data());
  ::chmod(parent.c_str(), 0500);
  runtime::PosixFileSystem files;
  const auto directory = DataDirectory::open(files, parent + "/data", 1, 1);
  ASSERT_FALSE(directory);
  EXPECT_EQ(directory.error().text, "cannot create directory '" + parent + "/data': Permission denied");
  std::filesystem::remove_all(parent);
}

TEST(DataDirectory, a_file_in_its_place_is_named_with_the_reason) {
  std::string pattern = ::testing::TempDir() + "millrace-data-XXXXXX";
  const std::string parent = ::mkdtemp(pattern.data());
  runtime::PosixFileSystem files;
  ASSERT_TRUE(files.open(parent + "/data", runtime::OpenMode::create_new));
  const auto directory = DataDirectory::open(files, parent + "/data", 1, 1);
  ASSERT_FALSE(directory);
  EXPECT_EQ(directory.error().text, "cannot create directory '" + parent + "/data': Not a directory");
  const auto fine = DataDirectory::open(files, parent + "/other", 2, 1);
  ASSERT_TRUE(fine) << fine.error().text;
  EXPECT_EQ(DataDirectory::open(files, parent + "/other", 2, 1).error().code, Errc::resource_locked);
  std::filesystem::remove_all(parent);
}

}  // namespace
}  // namespace millrace::storage
