#include "storage/log_file.hpp"

#include "base/assert.hpp"
#include "storage/numbered_name.hpp"

namespace millrace::storage {
namespace {

constexpr std::uint8_t kZeros[kMaxZeros] = {};

LogFileHeader new_header(std::uint64_t number) {
  LogFileHeader header;
  header.generation = 1;
  header.number = number;
  return header;
}

result<void> make_durably(runtime::FileSystem& files, const std::string& directory, LogFile& file) {
  if (auto allocated = file.file->allocate(file.bytes); !allocated) return allocated;
  // The size must be there before records are: a group that was synced must not lie behind the file's end. So
  // must a header: once there are records, a file without one is damaged rather than unfinished.
  if (auto written = write_log_file_header_durably(*file.file, new_header(file.header.number)); !written)
    return written;
  return files.sync_directory(directory);
}

}  // namespace

ByteView zeros(std::size_t bytes) noexcept {
  MILLRACE_ASSERT(bytes <= kMaxZeros, "there are only so many zeros");
  return {kZeros, bytes};
}

std::shared_ptr<LogFile> new_log_file(const LogOptions& options, std::uint64_t number) {
  auto file = std::make_shared<LogFile>();
  file->path = options.directory + "/" + numbered_name(kLogFilePrefix, number);
  file->header = new_header(number);
  file->bytes = options.file_bytes;
  file->direct = options.mode == SyncMode::sync;
  return file;
}

result<void> make_log_file(runtime::FileSystem& files, const std::string& directory, LogFile& file) {
  auto opened = files.open(file.path, runtime::OpenMode::create_new);
  if (!opened) return opened.error();
  file.file = std::move(*opened);
  auto made = open_blocks(files, file);
  if (made) made = make_durably(files, directory, file);
  if (!made) {
    file.file.reset();
    file.blocks.reset();
    (void)files.remove(file.path);  // best effort: recovery removes files without a header
  }
  return made;
}

result<void> open_blocks(runtime::FileSystem& files, LogFile& file) {
  if (!file.direct) return {};
  auto opened = files.open(file.path, runtime::OpenMode::write_direct);
  if (!opened) return opened.error();
  file.blocks = std::move(*opened);
  return {};
}

result<void> load_last_block(LogFile& file, std::uint64_t position) {
  const std::size_t used = position % kBlockBytes;
  file.last_block.fill(0);
  const auto got = file.file->read(position - used, {file.last_block.data(), used});
  if (!got) return got.error();
  if (*got != used) return fail(Errc::io_error, "'" + file.path + "' has become shorter");
  return {};
}

result<void> write_log_file_header(runtime::File& file, const LogFileHeader& header) {
  std::uint8_t block[kFileHeaderBlockBytes];
  encode_file_header(header, block);
  return file.write(0, ByteView{block, sizeof block});
}

result<void> write_log_file_header_durably(runtime::File& file, const LogFileHeader& header) {
  if (auto written = write_log_file_header(file, header); !written) return written;
  return file.sync_data();
}

}  // namespace millrace::storage
