// Files by POSIX. May be used from several threads at once; a File by one thread at a time.
//
// Errors: disk_full for a full disk or quota, not_found for an absent name, resource_locked for a directory
// that another process holds, io_error for all else; the text reads "cannot open '/path': Permission denied".
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/file_system.hpp"

namespace millrace::runtime {

class PosixFileSystem final : public FileSystem {
 public:
  // What a directory's lock file is called. It stays when the lock is given up: the lock is on the open file,
  // so a file left by a killed process locks nobody out.
  static constexpr const char* kLockFileName = "lock";

  // Where the file system refuses direct I/O, the direct modes work through the page cache. Their alignment
  // is asserted either way.
  result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  result<void> rename(const std::string& from, const std::string& to) override;
  result<void> remove(const std::string& path) override;
  result<void> create_directories(const std::string& path) override;
  result<std::vector<std::string>> list(const std::string& path) override;
  bool exists(const std::string& path) override;
  result<void> sync_directory(const std::string& path) override;
  result<std::uint64_t> free_bytes(const std::string& path) override;
  result<std::unique_ptr<DirectoryLock>> lock_directory(const std::string& path) override;
};

}  // namespace millrace::runtime
