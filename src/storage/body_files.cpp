#include "storage/body_files.hpp"

#include <algorithm>
#include <utility>

#include "storage/body_file.hpp"
#include "storage/numbered_name.hpp"
#include "storage/whole_file.hpp"

namespace millrace::storage {
namespace {

constexpr std::string_view kPrefix = "body-";

struct WriteJob {
  BodyFileId id;
  BodyWriter steps;
  Task keep_alive;
  UniqueFunction<void(result<BodyFileId>)> done;
  result<bool> more;

  void complete() {
    keep_alive = nullptr;
    done(more ? result<BodyFileId>(id) : more.error());
  }
};

struct ReadJob {
  BodyReader steps;
  UniqueFunction<void(result<Buffer>)> done;
  result<bool> more;

  void complete() { done(more ? result<Buffer>(steps.take_body()) : more.error()); }
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
      keep_number(BodyFileId(*number));
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
    BodyWriter writer(runtime_.files, directory_, numbered_name(kPrefix, id.value), id, body);
    submit_step(std::make_shared<WriteJob>(
        WriteJob{id, std::move(writer), std::move(keep_alive), std::move(done), false}));
  }

  void read(BodyFileId file, UniqueFunction<void(result<Buffer>)> done) override {
    BodyReader reader(runtime_.files, path_of(file), file);
    submit_step(std::make_shared<ReadJob>(ReadJob{std::move(reader), std::move(done), false}));
  }

  result<Buffer> read_now(BodyFileId file) override {
    BodyReader reader(runtime_.files, path_of(file), file);
    while (true) {
      const auto more = reader.step();
      if (!more) return more.error();
      if (!*more) return reader.take_body();
    }
  }

  result<void> read_now(BodyFileId file, std::span<std::uint8_t> room) override {
    BodyReader reader(runtime_.files, path_of(file), file, room);
    while (true) {
      const auto more = reader.step();
      if (!more) return more.error();
      if (!*more) return {};
    }
  }

  void remove(BodyFileId file) override {
    runtime_.disk.submit([&files = runtime_.files, path = path_of(file)] { (void)files.remove(path); },
                         [] {});
  }

  std::vector<BodyFileId> list() const override { return found_; }

  void keep_number(BodyFileId file) override { next_id_ = std::max(next_id_, file.next()); }

 private:
  std::string path_of(BodyFileId file) const { return directory_ + "/" + numbered_name(kPrefix, file.value); }

  template <class Job>
  void submit_step(std::shared_ptr<Job> job) {
    auto work = [job] { job->more = job->steps.step(); };
    runtime_.disk.submit(std::move(work),
                         [this, job = std::move(job), alive = std::weak_ptr<char>(alive_)]() mutable {
                           if (alive.expired()) return;
                           if (job->more && *job->more) return submit_step(std::move(job));
                           job->complete();
                         });
  }

  runtime::ShardRuntime runtime_;
  const std::string directory_;
  std::vector<BodyFileId> found_;
  BodyFileId next_id_{1};
  std::shared_ptr<char> alive_;  // expires with this object: a completion that comes later is dropped
};

}  // namespace

result<std::unique_ptr<BodyFiles>> BodyFiles::open(runtime::ShardRuntime runtime, std::string directory) {
  auto body_files = std::make_unique<DiskBodyFiles>(runtime, std::move(directory));
  if (auto found = body_files->find_files(); !found) return found.error();
  return std::unique_ptr<BodyFiles>(std::move(body_files));
}

}  // namespace millrace::storage
