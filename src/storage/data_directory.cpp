#include "storage/data_directory.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "base/assert.hpp"
#include "base/crc32c.hpp"
#include "base/hex.hpp"
#include "storage/durable_directory.hpp"
#include "storage/whole_file.hpp"

namespace millrace::storage {
namespace {

constexpr const char* kMetaName = "META";
constexpr std::string_view kShardPrefix = "shard-";
constexpr std::string_view kCrcKey = "crc32c = ";

struct Meta {
  unsigned shards = 0;
  std::uint64_t incarnation = 0;
};

std::string meta_text(const Meta& meta) {
  std::string text =
      "# Millrace data directory. Written once, when the directory was made; not to be edited.\n";
  text += "format = " + std::to_string(DataDirectory::kFormatVersion) + "\n";
  text += "shards = " + std::to_string(meta.shards) + "\n";
  text += "incarnation = " + to_hex(meta.incarnation, 16) + "\n";
  const std::uint32_t crc = crc32c(0, as_bytes(text));
  text.append(kCrcKey).append(to_hex(crc, 8)).append("\n");
  return text;
}

// The value of a "key = value" line.
std::optional<std::uint64_t> value_of(std::string_view text, std::string_view key, int base) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.starts_with(key) || !line.substr(key.size()).starts_with(" = ")) continue;
    const std::string_view digits = line.substr(key.size() + 3);
    std::uint64_t value = 0;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size()) return std::nullopt;
    return value;
  }
  return std::nullopt;
}

Error meta_error(const std::string& path, const std::string& how) {
  return fail(Errc::corrupt, "'" + path + "/" + kMetaName + "' " + how);
}

result<Meta> parse_meta(const std::string& path, std::string_view text) {
  // The version first: a newer one may check its file in another way.
  const auto format = value_of(text, "format", 10);
  if (format && *format > DataDirectory::kFormatVersion) {
    return fail(Errc::precondition_failed, "the data directory '" + path +
                                               "' was made by a newer version of Millrace (format " +
                                               std::to_string(*format) + ", this one knows up to " +
                                               std::to_string(DataDirectory::kFormatVersion) +
                                               "): start that version, or choose another directory");
  }
  const std::size_t covered = text.rfind(kCrcKey);
  if (covered == std::string_view::npos) return meta_error(path, "is damaged: its checksum is missing");
  const auto crc = value_of(text.substr(covered), "crc32c", 16);
  if (!crc || *crc != crc32c(0, as_bytes(text.substr(0, covered)))) {
    return meta_error(path, "was edited or is damaged: its checksum does not fit");
  }
  const auto shards = value_of(text, "shards", 10);
  const auto incarnation = value_of(text, "incarnation", 16);
  if (!format || !shards || !incarnation || *shards == 0 || *shards > DataDirectory::kMaxShards) {
    return meta_error(path, "lacks a valid format, shards or incarnation");
  }
  return Meta{static_cast<unsigned>(*shards), *incarnation};
}

result<Meta> create_meta(runtime::FileSystem& files, const std::string& path, Meta meta) {
  const auto names = files.list(path);
  if (!names) return names.error();
  for (const std::string& name : *names) {
    // Shards are made after META is durable, so this is no creation that a power cut ended.
    if (name.starts_with(kShardPrefix)) {
      return meta_error(path, "is missing although '" + name + "' is there: restore it from a backup");
    }
  }
  const std::string text = meta_text(meta);
  const ByteView bytes = as_bytes(text);
  if (auto written = replace_file(files, path, kMetaName, {&bytes, 1}); !written) return written.error();
  return meta;
}

result<Meta> read_or_create_meta(runtime::FileSystem& files, const std::string& path, Meta fresh) {
  const auto bytes = read_whole_file(files, path + "/" + kMetaName);
  if (bytes) return parse_meta(path, as_text(bytes->view()));
  if (bytes.error().code == Errc::not_found) return create_meta(files, path, fresh);
  return bytes.error();
}

class LockedDataDirectory final : public DataDirectory {
 public:
  LockedDataDirectory(std::string path, Meta meta, std::unique_ptr<runtime::DirectoryLock> lock)
      : path_(std::move(path)), meta_(meta), lock_(std::move(lock)) {}

  unsigned shards() const noexcept override { return meta_.shards; }
  std::uint64_t incarnation() const noexcept override { return meta_.incarnation; }
  const std::string& path() const noexcept override { return path_; }
  std::string shard_path(unsigned shard) const override {
    MILLRACE_ASSERT(shard < meta_.shards, "there is no such shard");
    return path_ + "/" + std::string(kShardPrefix) + std::to_string(shard);
  }

 private:
  std::string path_;
  Meta meta_;
  std::unique_ptr<runtime::DirectoryLock> lock_;
};

}  // namespace

result<std::unique_ptr<DataDirectory>> DataDirectory::open(runtime::FileSystem& files, std::string path,
                                                           unsigned shards, std::uint64_t incarnation) {
  MILLRACE_ASSERT(shards >= 1 && shards <= kMaxShards, "a data directory has 1 to kMaxShards shards");
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  if (auto made = create_directory_durably(files, path); !made) return made.error();
  auto lock = files.lock_directory(path);
  if (!lock) return lock.error();
  const auto meta = read_or_create_meta(files, path, Meta{shards, incarnation});
  if (!meta) return meta.error();
  auto directory = std::make_unique<LockedDataDirectory>(path, *meta, std::move(*lock));
  bool created = false;
  for (unsigned shard = 0; shard < meta->shards; ++shard) {
    const std::string shard_path = directory->shard_path(shard);
    if (files.exists(shard_path)) continue;
    if (auto made = files.create_directories(shard_path); !made) return made.error();
    created = true;
  }
  if (created) {
    if (auto synced = files.sync_directory(path); !synced) return synced.error();
  }
  return std::unique_ptr<DataDirectory>(std::move(directory));
}

}  // namespace millrace::storage
