#include "storage/body_files.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/crc32c.hpp"
#include "base/reader.hpp"
#include "storage/numbered_name.hpp"
#include "storage/whole_file.hpp"

namespace millrace::storage {
namespace {

constexpr std::string_view kPrefix = "body-";
constexpr std::uint64_t kMagic = 0x59444f424352524dull;  // "MRRCBODY"
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kHeaderBytes =
    32;  // magic u64, version u32, crc32c of the body u32, length u64, id u64
constexpr std::size_t kStepBytes = 1u << 20;

// Writes one body file, one piece for each step. The header comes last: a file whose name became final has
// one.
class BodyWriter {
 public:
  BodyWriter(runtime::FileSystem& files, const std::string& directory, BodyFileId id, ByteView body)
      : files_(files),
        directory_(directory),
        path_(directory + "/" + numbered_name(kPrefix, id.value)),
        unfinished_path_(path_ + std::string(kUnfinishedSuffix)),
        id_(id),
        body_(body) {}

  // True: there is more to do. After an error the file is gone and step() must not be called again.
  result<bool> step() {
    auto more = advance();
    if (!more && file_) {
      file_.reset();
      (void)files_.remove(unfinished_path_);  // best effort: the next start removes it otherwise
    }
    return more;
  }

 private:
  result<bool> advance() {
    if (!file_) {
      auto file = files_.open(unfinished_path_, runtime::OpenMode::create_new);
      if (!file) return file.error();
      file_ = std::move(*file);
      if (auto done = file_->allocate(kHeaderBytes + body_.size()); !done) return done.error();
    }
    const ByteView piece = body_.subspan(written_, std::min(kStepBytes, body_.size() - written_));
    if (auto done = file_->write(kHeaderBytes + written_, piece); !done) return done.error();
    crc_ = crc32c(crc_, piece);
    written_ += piece.size();
    if (written_ == body_.size()) {
      if (auto done = write_header(); !done) return done.error();
    }
    // Synced piece by piece: one sync of all would keep the log waiting for as long as it takes.
    if (auto done = file_->sync_data(); !done) return done.error();
    if (written_ < body_.size()) return true;
    if (auto done = files_.rename(unfinished_path_, path_); !done) return done.error();
    if (auto done = files_.sync_directory(directory_); !done) {
      // The name may or may not survive; the caller is told that nothing was added, so it goes.
      (void)files_.remove(path_);
      return done.error();
    }
    return false;
  }

  result<void> write_header() {
    std::array<std::uint8_t, kHeaderBytes> header;
    store_le(&header[0], kMagic);
    store_le(&header[8], kVersion);
    store_le(&header[12], crc_);
    store_le(&header[16], std::uint64_t{body_.size()});
    store_le(&header[24], id_.value);
    return file_->write(0, ByteView(header));
  }

  runtime::FileSystem& files_;
  const std::string directory_;
  const std::string path_;
  const std::string unfinished_path_;
  const BodyFileId id_;
  const ByteView body_;
  std::unique_ptr<runtime::File> file_;
  std::size_t written_ = 0;
  std::uint32_t crc_ = 0;
};

struct WriteJob {
  BodyFileId id;
  BodyWriter writer;
  Task keep_alive;
  UniqueFunction<void(result<BodyFileId>)> done;
  result<bool> more;
};

class DiskBodyFiles final : public BodyFiles {
 public:
  DiskBodyFiles(runtime::ShardRuntime runtime, std::string directory)
      : runtime_(runtime), directory_(std::move(directory)), alive_(std::make_shared<char>()) {}

  result<void> find_files() {
    const auto names = runtime_.files.list(directory_);
    if (!names) return names.error();
    for (const std::string& name : *names) {
      std::string_view stem = name;
      const bool unfinished = stem.ends_with(kUnfinishedSuffix);
      if (unfinished) stem.remove_suffix(kUnfinishedSuffix.size());
      const auto number = number_of(stem, kPrefix);
      if (!number) continue;
      next_id_ = std::max(next_id_, BodyFileId(*number).next());
      if (!unfinished) {
        found_.emplace_back(*number);
      } else if (auto removed = runtime_.files.remove(directory_ + "/" + name); !removed) {
        return removed;
      }
    }
    return {};
  }

  void write(ByteView body, Task keep_alive, UniqueFunction<void(result<BodyFileId>)> done) override {
    const BodyFileId id = std::exchange(next_id_, next_id_.next());
    submit_step(std::make_shared<WriteJob>(WriteJob{id, BodyWriter(runtime_.files, directory_, id, body),
                                                    std::move(keep_alive), std::move(done), false}));
  }

  result<Buffer> read_now(BodyFileId file) override {
    const std::string path = path_of(file);
    auto bytes = read_whole_file(runtime_.files, path);
    if (!bytes) return bytes;
    Reader reader(bytes->view());
    const auto magic = reader.le<std::uint64_t>();
    const auto version = reader.le<std::uint32_t>();
    const auto crc = reader.le<std::uint32_t>();
    const auto length = reader.le<std::uint64_t>();
    const auto id = reader.le<std::uint64_t>();
    if (magic == kMagic && version > kVersion) {
      return fail(Errc::precondition_failed, "the body file '" + path +
                                                 "' was written by a newer version of Millrace (format " +
                                                 std::to_string(version) + "): start that one");
    }
    if (reader.failed() || magic != kMagic || id != file.value || length != reader.remaining() ||
        crc != crc32c(0, reader.rest())) {
      return fail(Errc::corrupt, "the body file '" + path + "' is damaged: run millrace repair");
    }
    bytes->consume(kHeaderBytes);
    return bytes;
  }

  void remove(BodyFileId file) override {
    runtime_.disk.submit([&files = runtime_.files, path = path_of(file)] { (void)files.remove(path); },
                         [] {});
  }

  std::vector<BodyFileId> list() const override { return found_; }

 private:
  std::string path_of(BodyFileId file) const { return directory_ + "/" + numbered_name(kPrefix, file.value); }

  void submit_step(std::shared_ptr<WriteJob> job) {
    auto work = [job] { job->more = job->writer.step(); };
    runtime_.disk.submit(std::move(work),
                         [this, job = std::move(job), alive = std::weak_ptr<char>(alive_)]() mutable {
                           if (!alive.expired()) on_step(std::move(job));
                         });
  }

  void on_step(std::shared_ptr<WriteJob> job) {
    if (job->more && *job->more) return submit_step(std::move(job));
    job->keep_alive = nullptr;
    if (job->more) {
      job->done(job->id);
    } else {
      job->done(job->more.error());
    }
  }

  runtime::ShardRuntime runtime_;
  const std::string directory_;
  std::vector<BodyFileId> found_;
  BodyFileId next_id_{1};
  std::shared_ptr<char>
      alive_;  // expires with this object, so that a completion which comes later is dropped
};

}  // namespace

result<std::unique_ptr<BodyFiles>> BodyFiles::open(runtime::ShardRuntime runtime, std::string directory) {
  auto body_files = std::make_unique<DiskBodyFiles>(runtime, std::move(directory));
  if (auto found = body_files->find_files(); !found) return found.error();
  return std::unique_ptr<BodyFiles>(std::move(body_files));
}

}  // namespace millrace::storage
