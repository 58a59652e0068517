// A file system in memory whose power can be cut.
//
// The fault model
//   Data      A write goes to a cache. Until File::sync_data has returned, each sector that was written since
//             the last success may be on the disk or not, whatever its neighbours are and whatever was
//             written before or after it; of a sector written several times any version may be there. A
//             sector itself is never torn: it is old or new. Sectors are 512 or 4096 bytes. The size of a
//             file behaves like one more sector.
//   Names     A created, renamed or removed name is kept or undone by a power cut, each on its own, unless
//             sync_directory on its parent came in between. A rename is kept or undone as a whole. A
//             directory that was not kept takes its files along.
//   Failures  Any step may fail instead of being done. A sync that failed has made nothing durable for sure,
//             and may have marked sectors clean that never reached the disk: later syncs then pass them over
//             until they are written again, while reads show them (Linux does so). A full disk refuses writes
//             that need room, with disk_full.
//   Rot       A bit flips when a test asks for it, on the disk and in the cache.
//
// Luck is bound to the file: what happens to one does not depend on how often another was written. The
// process may also die alone: then nothing is lost, so a test just goes on with the same object.
//
// Thread: one. Handles opened before a power cut fail with io_error afterwards.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/prng.hpp"
#include "runtime/file_system.hpp"

namespace millrace::simulation {

class FileSystem final : public runtime::FileSystem {
 public:
  struct Options {
    std::uint64_t seed = 0;
    std::size_t sector_bytes = 512;
    std::uint64_t capacity_bytes = std::uint64_t{1} << 40;
  };
  struct State;  // shared with the open files

  FileSystem() : FileSystem(Options{}) {}
  explicit FileSystem(Options options);
  ~FileSystem() override;

  result<std::unique_ptr<runtime::File>> open(const std::string& path, runtime::OpenMode mode) override;
  result<void> rename(const std::string& from, const std::string& to) override;
  result<void> remove(const std::string& path) override;
  result<void> create_directories(const std::string& path) override;
  result<std::vector<std::string>> list(const std::string& path) override;
  bool exists(const std::string& path) override;
  result<void> sync_directory(const std::string& path) override;
  result<std::uint64_t> free_bytes(const std::string& path) override;
  result<std::unique_ptr<runtime::DirectoryLock>> lock_directory(const std::string& path) override;

  // Every call above and every call on a File except size() is one I/O step, write_durably two; the first is
  // number 1.
  std::uint64_t steps() const noexcept;
  std::uint64_t syncs() const noexcept;          // of File::sync_data and write_durably that succeeded
  std::uint64_t bytes_written() const noexcept;  // by File::write
  std::uint64_t bytes_read() const noexcept;
  // That step is not done and fails with `code`.
  void fail_at(std::uint64_t step, Errc code = Errc::io_error);
  // So does the first write, allocation or sync of a file in that step or later.
  void fail_write_from(std::uint64_t step, Errc code = Errc::io_error);
  // So does each `every`th read of a file opened with read_direct from now on; 0: none any more.
  void fail_reads(std::uint64_t every);
  std::uint64_t failures() const noexcept;  // that were asked for and have come
  // The power goes off in that step: a write has reached the cache, a sync nothing. It and all later ones
  // fail until crash(). `off` is called then; it is the place to halt the scheduler.
  void crash_at(std::uint64_t step, std::function<void()> off = {});
  // The power goes off so many steps after the `count`th rename to that name, in whatever directory.
  void crash_after_rename(std::string name, std::uint64_t count, std::uint64_t steps);
  bool powered_off() const noexcept;
  // Faults that were asked for and have not come yet do not come.
  void forget_faults();
  void set_capacity(std::uint64_t bytes);
  void flip_bit(const std::string& path, std::uint64_t bit);

  // The power goes off and comes back: what is on the disk now is decided by `luck`. Faults that were asked
  // for and directory locks are gone, steps() starts anew.
  void crash(Prng& luck);
  // What crash() would leave, as a file system of its own; this one goes on.
  std::unique_ptr<FileSystem> crash_clone(Prng& luck) const;
  // The same files with everything in the cache kept: what a copy of the disk holds after a clean stop.
  std::unique_ptr<FileSystem> clone() const;

  // A file as tests see it, past all faults and without a step. put() is durable, name and all.
  std::vector<std::uint8_t> contents(const std::string& path) const;
  void put(const std::string& path, ByteView content);
  // All paths of files, sorted.
  std::vector<std::string> paths() const;

 private:
  explicit FileSystem(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace millrace::simulation
