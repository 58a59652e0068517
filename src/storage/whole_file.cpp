#include "storage/whole_file.hpp"

namespace millrace::storage {
namespace {

result<void> write_new_file(runtime::FileSystem& files, const std::string& path,
                            std::span<const ByteView> parts) {
  auto file = files.open(path, runtime::OpenMode::create_new);
  if (!file) return file.error();
  if (auto written = (*file)->write(0, parts); !written) return written;
  return (*file)->sync_data();
}

}  // namespace

result<Buffer> read_whole_file(runtime::FileSystem& files, const std::string& path) {
  auto file = files.open(path, runtime::OpenMode::read);
  if (!file) return file.error();
  const auto size = (*file)->size();
  if (!size) return size.error();
  Buffer bytes;
  const auto wanted = static_cast<std::size_t>(*size);
  const auto got = (*file)->read(0, {bytes.reserve(wanted), wanted});
  if (!got) return got.error();
  bytes.commit(*got);
  return bytes;
}

result<void> replace_file(runtime::FileSystem& files, const std::string& directory, const std::string& name,
                          std::span<const ByteView> parts) {
  const std::string path = directory + "/" + name;
  const std::string unfinished = path + std::string(kUnfinishedSuffix);
  if (files.exists(unfinished)) {  // a power cut or an error left it
    if (auto removed = files.remove(unfinished); !removed) return removed;
  }
  auto done = write_new_file(files, unfinished, parts);
  if (done) done = files.rename(unfinished, path);
  if (!done) {
    (void)files.remove(unfinished);  // best effort: the next replacement or start removes it otherwise
    return done;
  }
  return files.sync_directory(directory);
}

}  // namespace millrace::storage
