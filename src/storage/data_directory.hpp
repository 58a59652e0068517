// The data directory: its lock, its format version, the number of shard logs fixed when it was made, and the
// reserve file that keeps room for acknowledgements when the disk is full. docs/format/data-directory.md
// tells an operator what every file is.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "runtime/file_system.hpp"

namespace millrace::storage {

class DataDirectory {
 public:
  static constexpr std::uint32_t kFormatVersion = 1;

  static constexpr unsigned kMaxShards = 1024;

  // Locks the directory and reads, or on first use writes, its META file. `shards` (1 to kMaxShards) and
  // `incarnation` (random; the caller has the entropy) are what to create a new directory with; an existing
  // one keeps its own. Errors: resource_locked (another broker has it), io_error (cannot be created, read or
  // written; the text says why), disk_full, precondition_failed (made by a newer version), corrupt.
  static result<std::unique_ptr<DataDirectory>> open(runtime::FileSystem& files, std::string path,
                                                     unsigned shards, std::uint64_t incarnation);
  virtual ~DataDirectory() = default;

  virtual unsigned shards() const noexcept = 0;
  virtual std::uint64_t incarnation() const noexcept = 0;  // random, made with the directory
  virtual const std::string& path() const noexcept = 0;
  // DIR/shard-N; created by open().
  virtual std::string shard_path(unsigned shard) const = 0;
};

// Watches the free space. Blocking: call check() from a disk thread or a slow timer; it costs one system call
// while nothing changes. When the free space cannot be told, the state stays what it was.
class DiskGuard {
 public:
  struct Options {
    std::string directory;
    std::uint64_t reserve_bytes = 64u
                                  << 20;  // the reserve file; given up at the alarm so that acks have room
    std::uint64_t low_water_bytes = 256u << 20;  // alarm below this
    std::uint64_t clear_bytes =
        384u << 20;  // alarm ends when this much is free besides the reserve made again
  };
  enum class State : std::uint8_t { normal, alarm };

  static result<std::unique_ptr<DiskGuard>> open(runtime::FileSystem& files, Options options);
  virtual ~DiskGuard() = default;
  // As Options::low_water_bytes and clear_bytes, from the next check on. Not while one is made.
  virtual void set_bounds(std::uint64_t low_water_bytes, std::uint64_t clear_bytes) = 0;
  virtual State check() = 0;
  virtual std::uint64_t free_bytes() const noexcept = 0;  // as of the last check
};

}  // namespace millrace::storage
