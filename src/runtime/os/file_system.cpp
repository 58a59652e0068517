#include "runtime/os/file_system.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <system_error>
#include <utility>

#include "base/assert.hpp"
#include "runtime/os/file.hpp"
#include "runtime/os/system_error.hpp"

namespace millrace::runtime {

Error system_error(int number, std::string_view verb, std::string_view path) {
  Errc code = Errc::io_error;
  if (number == ENOSPC || number == EDQUOT) code = Errc::disk_full;
  if (number == ENOENT) code = Errc::not_found;
  std::string text = "cannot ";
  text.append(verb).append(" '").append(path).append("': ");
  return fail(code, text + std::generic_category().message(number));
}

namespace {

constexpr mode_t kFileMode = 0640;  // messages are nobody else's business
constexpr mode_t kDirectoryMode = 0750;

int flags_of(OpenMode mode) {
  switch (mode) {
    case OpenMode::read:
    case OpenMode::read_direct:
      return O_RDONLY;
    case OpenMode::read_write:
    case OpenMode::write_direct:
      return O_RDWR;
    case OpenMode::create:
      return O_RDWR | O_CREAT;
    case OpenMode::create_new:
    case OpenMode::create_direct:
      return O_RDWR | O_CREAT | O_EXCL;
  }
  MILLRACE_ASSERT(false, "an unknown open mode");
}

result<Descriptor> open_descriptor(const std::string& path, int flags) {
  int fd = -1;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, kFileMode);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return system_error(errno, (flags & O_EXCL) != 0 ? "create" : "open", path);
  return Descriptor(fd);
}

class PosixDirectoryLock final : public DirectoryLock {
 public:
  explicit PosixDirectoryLock(Descriptor descriptor) noexcept : descriptor_(std::move(descriptor)) {}

 private:
  Descriptor descriptor_;  // closing it gives the lock up
};

// The process id in a lock file, or 0.
int holder_of(const Descriptor& lock_file) {
  char text[16];
  const ssize_t count = ::pread(lock_file.get(), text, sizeof text, 0);
  int pid = 0;
  if (count > 0) std::from_chars(text, text + count, pid);
  return pid;
}

// For people who wonder who holds the directory: the lock is good without it, so errors are not looked at.
void write_holder(const Descriptor& lock_file) {
  const std::string text = std::to_string(::getpid()) + "\n";
  if (::ftruncate(lock_file.get(), 0) != 0) return;
  [[maybe_unused]] const ssize_t count = ::pwrite(lock_file.get(), text.data(), text.size(), 0);
}

}  // namespace

result<std::unique_ptr<File>> PosixFileSystem::open(const std::string& path, OpenMode mode) {
  auto descriptor = open_descriptor(path, flags_of(mode));
  if (!descriptor) return descriptor.error();
  const bool direct = is_direct(mode);
  if (direct) {
    // Asked for after opening, because open(2) with O_DIRECT may leave a new file behind when it refuses. A
    // refusal (some file systems have no direct I/O) means the page cache, which is slower but as right.
    const int flags = ::fcntl(descriptor->get(), F_GETFL);
    if (flags >= 0) ::fcntl(descriptor->get(), F_SETFL, flags | O_DIRECT);
  }
  return std::unique_ptr<File>(std::make_unique<PosixFile>(std::move(*descriptor), path, direct));
}

result<void> PosixFileSystem::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return system_error(errno, "rename", from);
  return {};
}

result<void> PosixFileSystem::remove(const std::string& path) {
  if (::unlink(path.c_str()) != 0) return system_error(errno, "remove", path);
  return {};
}

result<void> PosixFileSystem::create_directories(const std::string& path) {
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string parent = path.substr(0, end);
    if (::mkdir(parent.c_str(), kDirectoryMode) != 0) {
      const int number = errno;
      struct stat status {};
      const bool there = ::stat(parent.c_str(), &status) == 0;
      if (!there) return system_error(number, "create directory", parent);
      if (!S_ISDIR(status.st_mode)) return system_error(ENOTDIR, "create directory", parent);
    }
    if (end == std::string::npos) return {};
  }
}

result<std::vector<std::string>> PosixFileSystem::list(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), ::closedir);
  if (!directory) return system_error(errno, "list", path);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
    errno = 0;
  }
  if (errno != 0) return system_error(errno, "list", path);
  std::sort(names.begin(), names.end());
  return names;
}

bool PosixFileSystem::exists(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

result<void> PosixFileSystem::sync_directory(const std::string& path) {
  auto descriptor = open_descriptor(path, O_RDONLY | O_DIRECTORY);
  if (!descriptor) return descriptor.error();
  if (::fsync(descriptor->get()) != 0) return system_error(errno, "sync directory", path);
  return {};
}

result<std::uint64_t> PosixFileSystem::free_bytes(const std::string& path) {
  struct statvfs status {};
  if (::statvfs(path.c_str(), &status) != 0) return system_error(errno, "get the free space of", path);
  return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
}

result<std::unique_ptr<DirectoryLock>> PosixFileSystem::lock_directory(const std::string& path) {
  auto lock_file = open_descriptor(path + "/" + kLockFileName, O_RDWR | O_CREAT);
  if (!lock_file) return lock_file.error();
  if (::flock(lock_file->get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return system_error(errno, "lock", path);
    const int pid = holder_of(*lock_file);
    const std::string holder = pid == ::getpid() ? "another broker of this process" : "another process";
    return fail(Errc::resource_locked, "'" + path + "' is in use by " + holder +
                                           (pid > 0 ? " (pid " + std::to_string(pid) + ")" : std::string()) +
                                           ": stop that one, or choose another directory");
  }
  write_holder(*lock_file);
  return std::unique_ptr<DirectoryLock>(std::make_unique<PosixDirectoryLock>(std::move(*lock_file)));
}

}  // namespace millrace::runtime
