#include "runtime/os/file_system.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <numeric>
#include <thread>

#include "runtime/os/entropy.hpp"
#include "runtime/os/file.hpp"

namespace millrace::runtime {
namespace {

// A system call that the system refuses with errno `number`; with `flags`, if its sixth argument is that.
struct Refusal {
  int call;
  std::uint32_t flags;
  std::uint32_t number;
};
constexpr std::uint32_t kAnyFlags = 0;

// Does `work` on a thread of its own, since a filter of system calls stays for good (seccomp(2)).
void while_refused(const std::vector<Refusal>& refusals, const std::function<void()>& work) {
  std::vector<sock_filter> program;
  for (const Refusal& refusal : refusals) {
    const auto number = static_cast<std::uint32_t>(refusal.call);
    const bool any = refusal.flags == kAnyFlags;
    program.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
    program.push_back(
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, any ? std::uint8_t{1} : std::uint8_t{3}));
    if (!any) {
      program.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[5])));
      program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, refusal.flags, 0, 1));
    }
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | refusal.number));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  std::thread([&] {
    const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
    ASSERT_EQ(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ASSERT_EQ(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0);
    work();
  }).join();
}

class PosixFiles : public ::testing::Test {
 protected:
  PosixFiles() {
    std::string pattern = ::testing::TempDir() + "millrace-files-XXXXXX";
    directory = ::mkdtemp(pattern.data());
  }
  ~PosixFiles() override { std::filesystem::remove_all(directory); }

  std::string at(const std::string& name) const { return directory + "/" + name; }
  std::string text_of(File& file, std::uint64_t offset, std::size_t bytes) {
    std::string text(bytes, '\0');
    const auto got = file.read(offset, {reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
    EXPECT_TRUE(got) << got.error().text;
    text.resize(got ? *got : 0);
    return text;
  }

  PosixFileSystem files;
  std::string directory;
};

TEST_F(PosixFiles, reads_back_what_was_written_in_parts) {
  auto file = files.open(at("a"), OpenMode::create_new);
  ASSERT_TRUE(file) << file.error().text;
  const ByteView parts[] = {as_bytes("one "), {}, as_bytes("two "), as_bytes("three")};
  ASSERT_TRUE((*file)->write(3, parts));
  ASSERT_TRUE((*file)->sync_data());
  EXPECT_EQ(*(*file)->size(), 16u);
  EXPECT_EQ(text_of(**file, 3, 100), "one two three");
  EXPECT_EQ(text_of(**file, 0, 4), std::string("\0\0\0o", 4));
  EXPECT_EQ(text_of(**file, 16, 4), "");
  ASSERT_TRUE((*file)->truncate(6));
  EXPECT_EQ(text_of(**file, 3, 100), "one");
}

TEST_F(PosixFiles, writes_more_parts_than_the_system_takes_at_once) {
  std::vector<std::uint8_t> bytes(5000);
  std::iota(bytes.begin(), bytes.end(), std::uint8_t{0});
  std::vector<ByteView> parts;
  for (std::size_t i = 0; i < bytes.size(); ++i) parts.emplace_back(&bytes[i], 1);
  auto file = files.open(at("many"), OpenMode::create_new);
  ASSERT_TRUE(file);
  ASSERT_TRUE((*file)->write(0, parts));
  EXPECT_EQ(text_of(**file, 0, 6000), as_text(bytes));
}

TEST_F(PosixFiles, goes_on_after_a_short_write_and_then_names_the_error) {
  // A limit on the file's size makes the system write part of what is asked, then refuse.
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  const rlimit limit{10, old_limit.rlim_max};
  auto file = files.open(at("short"), OpenMode::create_new);
  ASSERT_TRUE(file);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  const ByteView parts[] = {as_bytes("123456"), as_bytes("7890ab"), as_bytes("cdefgh")};
  const auto written = (*file)->write(0, parts);
  ::setrlimit(RLIMIT_FSIZE, &old_limit);
  std::signal(SIGXFSZ, old_handler);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, Errc::io_error);
  EXPECT_EQ(written.error().text, "cannot write '" + at("short") + "': File too large");
  EXPECT_EQ(text_of(**file, 0, 100), "1234567890");
}

TEST_F(PosixFiles, direct_files_hold_aligned_pieces) {
  auto* memory = static_cast<std::uint8_t*>(std::aligned_alloc(kDirectAlignment, 4 * kDirectAlignment));
  fill_random({memory, 2 * kDirectAlignment});
  {
    auto file = files.open(at("direct"), OpenMode::create_direct);
    ASSERT_TRUE(file) << file.error().text;
    ASSERT_TRUE((*file)->write(0, ByteView{memory, 2 * kDirectAlignment}));
  }
  {
    auto file = files.open(at("direct"), OpenMode::write_direct);
    ASSERT_TRUE(file) << file.error().text;
    fill_random({memory, kDirectAlignment});
    ASSERT_TRUE((*file)->write(0, ByteView{memory, kDirectAlignment}));
  }
  auto file = files.open(at("direct"), OpenMode::read_direct);
  ASSERT_TRUE(file) << file.error().text;
  auto first = (*file)->read(0, {memory + 2 * kDirectAlignment, kDirectAlignment});
  ASSERT_TRUE(first) << first.error().text;
  EXPECT_EQ(std::memcmp(memory, memory + 2 * kDirectAlignment, kDirectAlignment), 0);
  auto got = (*file)->read(kDirectAlignment, {memory + 2 * kDirectAlignment, 2 * kDirectAlignment});
  ASSERT_TRUE(got) << got.error().text;
  EXPECT_EQ(*got, kDirectAlignment);
  EXPECT_EQ(std::memcmp(memory + kDirectAlignment, memory + 2 * kDirectAlignment, kDirectAlignment), 0);
  std::free(memory);
}

TEST_F(PosixFiles, direct_io_that_is_refused_goes_through_the_page_cache) {
  // Nobody keeps to the alignment here, as when the file system wants a larger one than we know of.
  const auto refusing = [&] {
    Descriptor descriptor(::open(at("file").c_str(), O_RDWR | O_CREAT, 0600));
    const int flags = ::fcntl(descriptor.get(), F_GETFL);
    if (::fcntl(descriptor.get(), F_SETFL, flags | O_DIRECT) != 0) std::puts("no direct I/O here");
    return PosixFile(std::move(descriptor), at("file"), false);
  };
  PosixFile writer = refusing();
  ASSERT_TRUE(writer.write(3, as_bytes("kept")));
  PosixFile reader = refusing();
  EXPECT_EQ(text_of(reader, 3, 9), "kept");
}

TEST_F(PosixFiles, writes_durably_in_one_call) {
  auto file = files.open(at("file"), OpenMode::create_new);
  ASSERT_TRUE(file);
  while_refused({{SYS_fdatasync, kAnyFlags, EIO}}, [&] {
    const ByteView parts[] = {as_bytes("one"), as_bytes("two")};
    const auto written = (*file)->write_durably(2, parts);
    EXPECT_TRUE(written) << written.error().text;
  });
  EXPECT_EQ(text_of(**file, 2, 9), "onetwo");
  while_refused({{SYS_pwritev2, RWF_DSYNC, EIO}}, [&] {
    const ByteView part = as_bytes("three");
    const auto written = (*file)->write_durably(0, {&part, 1});
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code, Errc::io_error);
    EXPECT_TRUE((*file)->write(0, as_bytes("four")));
  });
}

TEST_F(PosixFiles, syncs_where_the_system_has_no_durable_writes) {
  auto file = files.open(at("file"), OpenMode::create_new);
  ASSERT_TRUE(file);
  const ByteView part = as_bytes("kept");
  while_refused({{SYS_pwritev2, RWF_DSYNC, EOPNOTSUPP}}, [&] {
    const auto written = (*file)->write_durably(0, {&part, 1});
    EXPECT_TRUE(written) << written.error().text;
  });
  EXPECT_EQ(text_of(**file, 0, 9), "kept");
  while_refused({{SYS_pwritev2, RWF_DSYNC, EOPNOTSUPP}, {SYS_fdatasync, kAnyFlags, EIO}}, [&] {
    const auto written = (*file)->write_durably(0, {&part, 1});
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code, Errc::io_error);
  });
}

TEST_F(PosixFiles, open_modes_hold_what_they_say) {
  EXPECT_EQ(files.open(at("a"), OpenMode::read).error().code, Errc::not_found);
  EXPECT_EQ(files.open(at("a"), OpenMode::read_write).error().code, Errc::not_found);
  EXPECT_EQ(files.open(at("a"), OpenMode::read_direct).error().code, Errc::not_found);
  EXPECT_EQ(files.open(at("a"), OpenMode::write_direct).error().code, Errc::not_found);
  ASSERT_TRUE((*files.open(at("a"), OpenMode::create_new))->write(0, as_bytes("kept")));
  const auto again = files.open(at("a"), OpenMode::create_new);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Errc::io_error);
  EXPECT_EQ(again.error().text, "cannot create '" + at("a") + "': File exists");
  EXPECT_FALSE(files.open(at("a"), OpenMode::create_direct));
  EXPECT_EQ(text_of(**files.open(at("a"), OpenMode::create), 0, 9), "kept");
  EXPECT_FALSE((*files.open(at("a"), OpenMode::read))->write(0, as_bytes("no")));
}

TEST_F(PosixFiles, renames_removes_and_lists_in_order) {
  for (const char* name : {"b", "c", "a"}) ASSERT_TRUE(files.open(at(name), OpenMode::create_new));
  ASSERT_TRUE(files.rename(at("c"), at("0")));
  ASSERT_TRUE(files.remove(at("b")));
  EXPECT_EQ(files.remove(at("b")).error().code, Errc::not_found);
  EXPECT_EQ(*files.list(directory), (std::vector<std::string>{"0", "a"}));
  EXPECT_TRUE(files.exists(at("a")));
  EXPECT_FALSE(files.exists(at("b")));
  EXPECT_TRUE(files.sync_directory(directory));
  EXPECT_EQ(files.list(at("none")).error().code, Errc::not_found);
  EXPECT_EQ(files.sync_directory(at("none")).error().code, Errc::not_found);
}

TEST_F(PosixFiles, makes_a_directory_with_its_parents) {
  ASSERT_TRUE(files.create_directories(at("x/y/z")));
  ASSERT_TRUE(files.create_directories(at("x/y/z")));
  EXPECT_TRUE(files.exists(at("x/y/z")));
  ASSERT_TRUE(files.open(at("f"), OpenMode::create_new));
  const auto under_a_file = files.create_directories(at("f/g"));
  ASSERT_FALSE(under_a_file);
  EXPECT_EQ(under_a_file.error().text, "cannot create directory '" + at("f") + "': Not a directory");
}

TEST_F(PosixFiles, allocation_makes_room) {
  auto file = files.open(at("big"), OpenMode::create_new);
  ASSERT_TRUE((*file)->allocate(1u << 20));
  EXPECT_EQ(*(*file)->size(), 1u << 20);
  const auto free = files.free_bytes(directory);
  ASSERT_TRUE(free);
  EXPECT_GT(*free, 0u);
}

TEST_F(PosixFiles, a_full_disk_has_an_error_of_its_own) {
  auto file = files.open("/dev/full", OpenMode::read_write);
  ASSERT_TRUE(file);
  const auto written = (*file)->write(0, as_bytes("no room"));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, Errc::disk_full);
  EXPECT_EQ(written.error().text, "cannot write '/dev/full': No space left on device");
}

TEST_F(PosixFiles, a_directory_is_locked_once_and_the_refusal_names_the_holder) {
  auto lock = files.lock_directory(directory);
  ASSERT_TRUE(lock) << lock.error().text;
  const auto second = files.lock_directory(directory);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::resource_locked);
  EXPECT_NE(second.error().text.find("pid " + std::to_string(::getpid())), std::string::npos)
      << second.error().text;
  lock->reset();
  EXPECT_TRUE(files.lock_directory(directory));
}

}  // namespace
}  // namespace millrace::runtime
