// Files in memory, for a broker that keeps nothing: they are gone with this object.
//
// May be used from several threads at once; a File by one thread at a time. Bounded: files, what is reserved
// for them included, are together at most `capacity_bytes` long; beyond, disk_full. Memory is taken as bytes
// other than 0 are written, so what was only reserved or zeroed costs none.
//
// Errors: disk_full, not_found for an absent name, resource_locked for a directory that is locked already,
// io_error for all else. Syncing does nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/file_system.hpp"

namespace millrace::runtime {

class MemoryFileSystem final : public FileSystem {
 public:
  explicit MemoryFileSystem(std::uint64_t capacity_bytes);
  ~MemoryFileSystem() override;

  result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  result<void> rename(const std::string& from, const std::string& to) override;
  result<void> remove(const std::string& path) override;
  result<void> create_directories(const std::string& path) override;
  result<std::vector<std::string>> list(const std::string& path) override;
  bool exists(const std::string& path) override;
  result<void> sync_directory(const std::string& path) override;
  result<std::uint64_t> free_bytes(const std::string& path) override;
  result<std::unique_ptr<DirectoryLock>> lock_directory(const std::string& path) override;

  struct State;  // shared with the open files

 private:
  std::shared_ptr<State> state_;
};

}  // namespace millrace::runtime
