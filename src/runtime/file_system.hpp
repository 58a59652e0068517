// Files as the storage layer sees them. runtime/os implements this over POSIX; src/simulation over memory,
// with power cuts. Blocking: called from a disk thread, or from the shard's thread when it has nothing better
// to do.
//
// Durability is POSIX's: written data survives a power cut only after File::sync_data; a created, renamed or
// removed name only after sync_directory on its parent.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace millrace::runtime {

class File {
 public:
  virtual ~File() = default;  // closes

  // Writes all parts one after the other at `offset`. On an error nothing is known of what was written.
  virtual result<void> write(std::uint64_t offset, std::span<const ByteView> parts) = 0;
  result<void> write(std::uint64_t offset, ByteView bytes) { return write(offset, {&bytes, 1}); }
  // Reads up to out.size() bytes; fewer only at the end of the file. Returns how many.
  virtual result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> out) = 0;
  // fdatasync. After an error the state of everything written since the last success is unknown: never
  // retried, the caller ends the process.
  virtual result<void> sync_data() = 0;
  // As write() and sync_data(), for these bytes alone: what was written before them may stay unsynced. An
  // error is like one of sync_data().
  virtual result<void> write_durably(std::uint64_t offset, std::span<const ByteView> parts) {
    if (auto written = write(offset, parts); !written) return written;
    return sync_data();
  }
  virtual result<std::uint64_t> size() = 0;
  virtual result<void> truncate(std::uint64_t size) = 0;
  // Reserves room up to `size` so that later writes below it cannot run out of disk.
  virtual result<void> allocate(std::uint64_t size) = 0;
};

enum class OpenMode : std::uint8_t {
  read,           // must exist
  read_write,     // must exist
  create,         // read and write; created when absent, content kept
  create_new,     // read and write; must not exist
  create_direct,  // as create_new, bypassing the page cache: offsets, sizes and addresses in multiples of
                  // 4096
  read_direct,    // as read, bypassing the page cache, likewise aligned
  write_direct,   // as read_write, bypassing the page cache, likewise aligned
};

inline constexpr std::size_t kDirectAlignment = 4096;

constexpr bool is_direct(OpenMode mode) noexcept {
  return mode == OpenMode::create_direct || mode == OpenMode::read_direct || mode == OpenMode::write_direct;
}

// Held for the life of the process; a second broker on the same directory is refused by it.
class DirectoryLock {
 public:
  virtual ~DirectoryLock() = default;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  virtual result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  virtual result<void> rename(const std::string& from, const std::string& to) = 0;
  virtual result<void> remove(const std::string& path) = 0;
  // Creates the directory and its parents; fine when it exists.
  virtual result<void> create_directories(const std::string& path) = 0;
  // Names (not paths) of what is in the directory, sorted.
  virtual result<std::vector<std::string>> list(const std::string& path) = 0;
  virtual bool exists(const std::string& path) = 0;
  virtual result<void> sync_directory(const std::string& path) = 0;
  // Bytes that an unprivileged process may still write on the file system that holds `path`.
  virtual result<std::uint64_t> free_bytes(const std::string& path) = 0;
  // Fails with resource_locked when another process holds it; the text names the holder's pid where known.
  virtual result<std::unique_ptr<DirectoryLock>> lock_directory(const std::string& path) = 0;
};

}  // namespace millrace::runtime
