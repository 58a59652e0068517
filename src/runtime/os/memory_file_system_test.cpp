#include "runtime/os/memory_file_system.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <string>

#include "runtime/os/memory_file.hpp"

namespace millrace::runtime {
namespace {

constexpr std::uint64_t kCapacity = 1u << 20;
constexpr std::size_t kChunk = MemoryFileContent::kChunkBytes;

class MemoryFiles : public ::testing::Test {
 protected:
  MemoryFiles() { EXPECT_TRUE(files.create_directories("/data/deep")); }

  std::unique_ptr<File> made(const std::string& path) {
    auto file = files.open(path, OpenMode::create_new);
    EXPECT_TRUE(file);
    return std::move(*file);
  }
  static std::string text_of(File& file, std::uint64_t offset, std::size_t bytes) {
    std::string text(bytes, '?');
    const auto got = file.read(offset, {reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
    text.resize(got ? *got : 0);
    return text;
  }
  std::uint64_t free() { return *files.free_bytes("/data"); }

  MemoryFileSystem files{kCapacity};
};

TEST_F(MemoryFiles, reads_back_what_was_written_across_chunks) {
  auto file = made("/data/a");
  std::string written(3 * kChunk, '\0');
  std::iota(written.begin(), written.end(), '\1');
  const ByteView parts[] = {as_bytes("head"), {}, as_bytes(written)};
  ASSERT_TRUE(file->write(kChunk - 2, parts));
  ASSERT_TRUE(file->sync_data());
  EXPECT_EQ(*file->size(), kChunk + 2 + written.size());
  EXPECT_EQ(text_of(*file, kChunk - 4, 6), std::string("\0\0head", 6));
  EXPECT_EQ(text_of(*file, kChunk + 2, written.size() + 100), written);
  EXPECT_EQ(text_of(*file, *file->size(), 1), "");
}

TEST_F(MemoryFiles, shows_zeros_where_a_file_was_cut_and_grew_again) {
  auto file = made("/data/a");
  ASSERT_TRUE(file->write(0, as_bytes(std::string(kChunk + 10, 'x'))));
  ASSERT_TRUE(file->truncate(5));
  ASSERT_TRUE(file->truncate(8));
  EXPECT_EQ(text_of(*file, 0, 100), std::string("xxxxx\0\0\0", 8));
  ASSERT_TRUE(file->write(kChunk, as_bytes("y")));
  EXPECT_EQ(text_of(*file, kChunk - 1, 2), std::string("\0y", 2));
}

TEST_F(MemoryFiles, is_full_at_its_bound_and_has_room_again_when_files_go) {
  auto file = made("/data/a");
  ASSERT_TRUE(file->allocate(kCapacity - 100));
  EXPECT_EQ(*file->size(), kCapacity - 100);
  EXPECT_EQ(free(), 100u);
  ASSERT_TRUE(file->write(0, as_bytes("within what was reserved")));
  EXPECT_EQ(free(), 100u);
  auto other = made("/data/b");
  const auto refused = other->write(0, as_bytes(std::string(101, 'x')));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::disk_full);
  EXPECT_EQ(*other->size(), 0u);
  ASSERT_TRUE(other->write(0, as_bytes(std::string(100, 'x'))));
  EXPECT_EQ(free(), 0u);
  ASSERT_TRUE(other->truncate(40));
  EXPECT_EQ(free(), 60u);
  ASSERT_TRUE(files.remove("/data/a"));
  EXPECT_EQ(free(), 60u) << "still open";
  file.reset();
  EXPECT_EQ(free(), kCapacity - 40);
}

TEST_F(MemoryFiles, names_files_as_a_disk_does) {
  EXPECT_EQ(files.open("/data/none", OpenMode::read).error().code, Errc::not_found);
  EXPECT_EQ(files.open("/nowhere/a", OpenMode::create).error().code, Errc::not_found);
  made("/data/old")->write(0, as_bytes("content")).value();
  made("/data/new");
  EXPECT_EQ(files.open("/data/old", OpenMode::create_new).error().code, Errc::io_error);
  ASSERT_TRUE(files.rename("/data/old", "/data/new"));
  EXPECT_FALSE(files.exists("/data/old"));
  EXPECT_EQ(*files.list("/data/"), (std::vector<std::string>{"deep", "new"}));
  EXPECT_EQ(text_of(**files.open("/data/new", OpenMode::read), 0, 100), "content");
  EXPECT_EQ(files.remove("/data/old").error().code, Errc::not_found);
  EXPECT_EQ(files.create_directories("/data/new/sub").error().code, Errc::io_error);
}

TEST_F(MemoryFiles, locks_a_directory_until_the_lock_goes) {
  auto lock = files.lock_directory("/data");
  ASSERT_TRUE(lock);
  EXPECT_EQ(files.lock_directory("/data/").error().code, Errc::resource_locked);
  lock->reset();
  EXPECT_TRUE(files.lock_directory("/data"));
}

}  // namespace
}  // namespace millrace::runtime
