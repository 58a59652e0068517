// A POSIX file behind runtime::File.
//
// A file system that takes O_DIRECT and refuses a read or a write for it (some want more than
// kDirectAlignment) is used through the page cache from then on, which is slower but as right.
#pragma once

#include <string>

#include "base/descriptor.hpp"
#include "runtime/file_system.hpp"

namespace millrace::runtime {

class PosixFile final : public File {
 public:
  // `direct`: offsets, sizes and addresses must be multiples of kDirectAlignment, which is asserted.
  PosixFile(Descriptor descriptor, std::string path, bool direct) noexcept;

  using File::write;
  result<void> write(std::uint64_t offset, std::span<const ByteView> parts) override;
  result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> out) override;
  result<void> sync_data() override;
  // By RWF_DSYNC (pwritev2(2)), which spares a system call, and where the disk can force one write through
  // its cache a flush of the whole; by fdatasync where the system does not know it.
  result<void> write_durably(std::uint64_t offset, std::span<const ByteView> parts) override;
  result<std::uint64_t> size() override;
  result<void> truncate(std::uint64_t size) override;
  result<void> allocate(std::uint64_t size) override;

 private:
  // `flags`: RWF_…. Returns an errno, or 0.
  int write_all(std::uint64_t offset, std::span<const ByteView> parts, int flags) noexcept;
  bool leave_direct_io() noexcept;

  Descriptor descriptor_;
  std::string path_;
  bool direct_;
};

}  // namespace millrace::runtime
