#include "runtime/os/file.hpp"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/assert.hpp"
#include "runtime/os/system_error.hpp"

namespace millrace::runtime {
namespace {

bool aligned(std::uint64_t value) noexcept {
  return value % kDirectAlignment == 0;
}
bool aligned(const void* address) noexcept {
  return aligned(reinterpret_cast<std::uintptr_t>(address));
}

// Below IOV_MAX, so that the array fits on the stack comfortably; a gain beyond this is not measurable.
constexpr std::size_t kMaxParts = 256;
static_assert(kMaxParts <= IOV_MAX);

}  // namespace

PosixFile::PosixFile(Descriptor descriptor, std::string path, bool direct) noexcept
    : descriptor_(std::move(descriptor)), path_(std::move(path)), direct_(direct) {}

result<void> PosixFile::write(std::uint64_t offset, std::span<const ByteView> parts) {
  if (const int number = write_all(offset, parts, 0)) return system_error(number, "write", path_);
  return {};
}

result<void> PosixFile::write_durably(std::uint64_t offset, std::span<const ByteView> parts) {
  const int number = write_all(offset, parts, RWF_DSYNC);
  if (number == EOPNOTSUPP) return File::write_durably(offset, parts);
  if (number != 0) return system_error(number, "write", path_);
  return {};
}

int PosixFile::write_all(std::uint64_t offset, std::span<const ByteView> parts, int flags) noexcept {
  std::array<iovec, kMaxParts> vectors;
  std::size_t used = 0;  // vectors filled, all of them still to be written
  while (true) {
    for (; used < kMaxParts && !parts.empty(); parts = parts.subspan(1)) {
      const ByteView part = parts.front();
      if (part.empty()) continue;
      MILLRACE_ASSERT(!direct_ || (aligned(part.data()) && aligned(part.size())),
                      "a part of a direct write is not aligned");
      vectors[used++] = {const_cast<std::uint8_t*>(part.data()), part.size()};
    }
    if (used == 0) return 0;
    MILLRACE_ASSERT(!direct_ || aligned(offset), "the offset of a direct write is not aligned");
    const ssize_t count = ::pwritev2(descriptor_.get(), vectors.data(), static_cast<int>(used),
                                     static_cast<off_t>(offset), flags);
    if (count < 0) {
      if (errno == EINTR || (errno == EINVAL && leave_direct_io())) continue;
      return errno;
    }
    // A write may end early, in the middle of a part: what is left moves to the front.
    auto written = static_cast<std::size_t>(count);
    offset += written;
    std::size_t first = 0;
    while (first < used && written >= vectors[first].iov_len) written -= vectors[first++].iov_len;
    if (first < used) {
      vectors[first].iov_base = static_cast<std::uint8_t*>(vectors[first].iov_base) + written;
      vectors[first].iov_len -= written;
    }
    std::move(vectors.begin() + first, vectors.begin() + used, vectors.begin());
    used -= first;
  }
}

result<std::size_t> PosixFile::read(std::uint64_t offset, std::span<std::uint8_t> out) {
  MILLRACE_ASSERT(!direct_ || (aligned(offset) && aligned(out.data()) && aligned(out.size())),
                  "a direct read is not aligned");
  std::size_t total = 0;
  while (total < out.size()) {
    const ssize_t got = ::pread(descriptor_.get(), out.data() + total, out.size() - total,
                                static_cast<off_t>(offset + total));
    if (got < 0) {
      if (errno == EINTR || (errno == EINVAL && leave_direct_io())) continue;
      return system_error(errno, "read", path_);
    }
    total += static_cast<std::size_t>(got);
    // A direct read that ends off the alignment met the end of the file; the system would refuse to go on
    // from there.
    if (got == 0 || (direct_ && !aligned(total))) break;
  }
  return total;
}

// Whether there was something to leave, so that the call is worth another try.
bool PosixFile::leave_direct_io() noexcept {
  const int flags = ::fcntl(descriptor_.get(), F_GETFL);
  return flags >= 0 && (flags & O_DIRECT) != 0 && ::fcntl(descriptor_.get(), F_SETFL, flags & ~O_DIRECT) == 0;
}

result<void> PosixFile::sync_data() {
  if (::fdatasync(descriptor_.get()) != 0) return system_error(errno, "sync", path_);
  return {};
}

result<std::uint64_t> PosixFile::size() {
  struct stat status {};
  if (::fstat(descriptor_.get(), &status) != 0) return system_error(errno, "get the size of", path_);
  return static_cast<std::uint64_t>(status.st_size);
}

result<void> PosixFile::truncate(std::uint64_t size) {
  int failed = 0;
  do {
    failed = ::ftruncate(descriptor_.get(), static_cast<off_t>(size));
  } while (failed != 0 && errno == EINTR);
  if (failed != 0) return system_error(errno, "set the size of", path_);
  return {};
}

result<void> PosixFile::allocate(std::uint64_t size) {
  if (size == 0) return {};
  int number = 0;  // where the file system cannot reserve, the C library writes to every block instead
  do {
    number = ::posix_fallocate(descriptor_.get(), 0, static_cast<off_t>(size));
  } while (number == EINTR);
  if (number != 0) return system_error(number, "reserve room for", path_);
  return {};
}

}  // namespace millrace::runtime
