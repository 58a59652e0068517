// One file of the write-ahead log, while it is open.
//
// A file keeps its name for life: wal-<number>. It is made (a name, its room, zeros), waits as a spare, is
// taken into use by a new header that is written together with its first records, and is a spare again when
// the log was released past it; then the next header, with another salt, makes its old records worthless.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "runtime/file_system.hpp"
#include "storage/log.hpp"
#include "storage/log_format.hpp"

namespace millrace::storage {

inline constexpr const char* kLogFilePrefix = "wal-";

// Records are written in whole blocks. Where each write is synced they go past the page cache, whose copy and
// bookkeeping cost a twentieth of a commit's time and a third of its system time (decision 0002).
inline constexpr std::size_t kBlockBytes = runtime::kDirectAlignment;

struct LogFile {
  std::string path;
  LogFileHeader header;
  std::uint64_t bytes = 0;                // its size; records end at or below it
  bool direct = false;                    // records go past the page cache
  std::unique_ptr<runtime::File> file;    // empty until make_log_file has been called
  std::unique_ptr<runtime::File> blocks;  // as `file`, with direct I/O; only if `direct`
  // The block that the last record ends in, zeros behind it: what is written next begins in it.
  alignas(kBlockBytes) std::array<std::uint8_t, kBlockBytes> last_block{};
};

// The file of that number, not made yet.
std::shared_ptr<LogFile> new_log_file(const LogOptions& options, std::uint64_t number);

// Makes the file with room for all its bytes and the header of a spare, all of which survives a power cut.
// Blocking. On an error it is gone again and may be made once more. Errors: disk_full, io_error. Of
// file.header only the number is read, which never changes.
result<void> make_log_file(runtime::FileSystem& files, const std::string& directory, LogFile& file);

// Opens `blocks` if that is wanted.
result<void> open_blocks(runtime::FileSystem& files, LogFile& file);

// Sets `last_block` for a file whose records end at `position`. Blocking.
result<void> load_last_block(LogFile& file, std::uint64_t position);

// Writes the header block, without a sync. Blocking.
result<void> write_log_file_header(runtime::File& file, const LogFileHeader& header);
// With one.
result<void> write_log_file_header_durably(runtime::File& file, const LogFileHeader& header);

// Zeros, for as much as one write takes.
ByteView zeros(std::size_t bytes) noexcept;
inline constexpr std::size_t kMaxZeros = 64u << 10;

}  // namespace millrace::storage
