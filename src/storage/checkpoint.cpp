#include "storage/checkpoint.hpp"

#include <array>
#include <memory>
#include <utility>

#include "base/crc32c.hpp"
#include "base/reader.hpp"
#include "storage/damaged.hpp"
#include "storage/whole_file.hpp"

namespace millrace::storage {
namespace {

constexpr const char* kFileName = "checkpoint";
constexpr std::uint64_t kCheckpointMagic = 0x54504b4343524c4dull;  // "MLRCCKPT"
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kHeaderBytes = 32;  // magic u64, version u32, crc32c u32, lsn u64, blob length u64
constexpr std::size_t kCrcOffset = 12;
constexpr std::size_t kCoveredOffset = 16;  // the crc covers the version and all from here on

std::uint32_t checksum(std::uint32_t version, ByteView fields, ByteView blob) noexcept {
  std::array<std::uint8_t, 4> version_bytes;
  store_le(version_bytes.data(), version);
  return crc32c(crc32c(crc32c(0, version_bytes), fields), blob);
}

}  // namespace

result<std::optional<Checkpoint>> load_checkpoint(runtime::FileSystem& files, const std::string& directory) {
  const std::string path = directory + "/" + kFileName;
  auto bytes = read_whole_file(files, path);
  if (!bytes) {
    if (bytes.error().code == Errc::not_found) return std::optional<Checkpoint>();
    return bytes.error();
  }
  Reader reader(bytes->view());
  const auto magic = reader.le<std::uint64_t>();
  const auto version = reader.le<std::uint32_t>();
  const auto crc = reader.le<std::uint32_t>();
  const auto lsn = reader.le<std::uint64_t>();
  const auto length = reader.le<std::uint64_t>();
  if (reader.failed()) return damaged("checkpoint", path, "shorter than its header");
  if (magic != kCheckpointMagic) return damaged("checkpoint", path, "it does not begin like one");
  if (version > kVersion) {
    return fail(Errc::precondition_failed, "the checkpoint '" + path +
                                               "' was written by a newer version of Millrace (format " +
                                               std::to_string(version) + "): start that one");
  }
  if (length != reader.remaining())
    return damaged("checkpoint", path, "its length is not what its header says");
  const ByteView fields = bytes->view().subspan(kCoveredOffset, kHeaderBytes - kCoveredOffset);
  if (crc != checksum(version, fields, reader.rest()))
    return damaged("checkpoint", path, "its checksum does not fit");
  bytes->consume(kHeaderBytes);
  return std::optional<Checkpoint>(Checkpoint{Lsn(lsn), std::move(*bytes)});
}

void write_checkpoint(runtime::ShardRuntime runtime, const std::string& directory, Checkpoint checkpoint,
                      UniqueFunction<void(result<void>)> done) {
  struct Job {
    Checkpoint checkpoint;
    result<void> outcome;
  };
  auto job = std::make_shared<Job>(Job{std::move(checkpoint), {}});
  auto work = [&files = runtime.files, directory, job] {
    const ByteView blob = job->checkpoint.blob.view();
    std::array<std::uint8_t, kHeaderBytes> header;
    store_le(&header[0], kCheckpointMagic);
    store_le(&header[8], kVersion);
    store_le(&header[16], job->checkpoint.lsn.value);
    store_le(&header[24], static_cast<std::uint64_t>(blob.size()));
    store_le(&header[kCrcOffset], checksum(kVersion, ByteView(header).subspan(kCoveredOffset), blob));
    const ByteView parts[] = {header, blob};
    job->outcome = replace_file(files, directory, kFileName, parts);
  };
  runtime.disk.submit(std::move(work),
                      [job, done = std::move(done)]() mutable { done(std::move(job->outcome)); });
}

}  // namespace millrace::storage
