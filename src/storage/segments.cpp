#include "storage/segments.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include "storage/numbered_name.hpp"
#include "storage/segment_format.hpp"
#include "storage/segment_writer.hpp"
#include "storage/whole_file.hpp"

namespace millrace::storage {
namespace {

constexpr std::string_view kDurablePrefix = "segment-";
constexpr std::string_view kTransientPrefix = "transient-";

// Segment files that a shard keeps open for reading; the one that was not used for longest is closed for
// another.
constexpr std::size_t kMaxOpenFiles = 32;

// Reads what direct I/O needs around the wanted range, straight into the result; its front is then passed
// over.
result<Buffer> read_range(runtime::File& file, std::uint64_t offset, std::size_t bytes) {
  constexpr std::uint64_t kMask = runtime::kDirectAlignment - 1;
  const std::uint64_t begin = offset & ~kMask;
  const auto lead = static_cast<std::size_t>(offset - begin);
  const auto span = static_cast<std::size_t>(((offset + bytes + kMask) & ~kMask) - begin);
  Buffer buffer;
  std::uint8_t* memory = buffer.reserve(span + kMask);
  const auto misfit = static_cast<std::size_t>(-reinterpret_cast<std::uintptr_t>(memory) & kMask);
  const auto got = file.read(begin, {memory + misfit, span});
  if (!got) return got.error();
  const std::size_t there = *got > lead ? std::min(bytes, *got - lead) : 0;
  buffer.commit(misfit + lead + there);
  buffer.consume(misfit + lead);
  return buffer;
}

// Used on the disk thread only.
class OpenFiles {
 public:
  explicit OpenFiles(runtime::FileSystem& files) : files_(files) {}

  // Valid until the next call.
  result<runtime::File*> get(SegmentId id, const std::string& path) {
    const auto found =
        std::find_if(open_.begin(), open_.end(), [id](const Entry& entry) { return entry.id == id; });
    if (found != open_.end()) {
      std::rotate(open_.begin(), found, found + 1);  // the one used last is in front
      return open_.front().file.get();
    }
    auto file = files_.open(path, runtime::OpenMode::read_direct);
    if (!file) return file.error();
    if (open_.size() == kMaxOpenFiles) open_.pop_back();
    open_.insert(open_.begin(), Entry{id, std::move(*file)});
    return open_.front().file.get();
  }

  void close(SegmentId id) {
    std::erase_if(open_, [id](const Entry& entry) { return entry.id == id; });
  }

 private:
  struct Entry {
    SegmentId id;
    std::unique_ptr<runtime::File> file;
  };
  runtime::FileSystem& files_;
  std::vector<Entry> open_;
};

// What the disk thread works with. Shared with the work that is under way, which may outlive the Segments.
struct DiskSide {
  explicit DiskSide(runtime::FileSystem& files) : open_files(files) {}
  OpenFiles open_files;
  DirectBuffer buffer;
};

struct WriteJob {
  WriteJob(SegmentId segment, SegmentKind segment_kind, runtime::FileSystem& files, DiskSide& disk_side,
           const std::string& directory, std::vector<SegmentItem>&& items, Task&& owner,
           Segments::WriteDone&& completion)
      : id(segment),
        kind(segment_kind),
        writer(files, disk_side.buffer, directory, Segments::file_name(kind, id), id, kind, std::move(items)),
        keep_alive(std::move(owner)),
        done(std::move(completion)) {}
  const SegmentId id;
  const SegmentKind kind;
  SegmentWriter writer;
  result<bool> more;
  Task keep_alive;
  Segments::WriteDone done;
};

struct ReadJob {
  result<Buffer> outcome;
  Segments::ReadDone done;
};

class DiskSegments final : public Segments {
 public:
  DiskSegments(runtime::ShardRuntime runtime, std::string directory)
      : runtime_(runtime),
        directory_(std::move(directory)),
        disk_side_(std::make_shared<DiskSide>(runtime.files)),
        alive_(std::make_shared<char>()) {}

  result<void> find_files() {
    const auto names = runtime_.files.list(directory_);
    if (!names) return names.error();
    for (const std::string& name : *names) {
      if (auto met = meet_file(name); !met) return met;
    }
    return {};
  }

  void write(SegmentKind kind, std::vector<SegmentItem> items, Task keep_alive, WriteDone done) override {
    if (items.empty()) {
      runtime_.executor.post([alive = watch(), done = std::move(done)]() mutable {
        if (!alive.expired()) done(std::vector<SegmentRun>());
      });
      return;
    }
    const SegmentId id = std::exchange(next_id_, next_id_.next());
    writes_.push_back(std::make_shared<WriteJob>(id, kind, runtime_.files, *disk_side_, directory_,
                                                 std::move(items), std::move(keep_alive), std::move(done)));
    if (writes_.size() == 1) submit_step();
  }

  void read(SegmentId segment, std::uint64_t offset, std::size_t bytes, ReadDone done) override {
    const auto found = segments_.find(segment);
    if (found == segments_.end()) {
      runtime_.executor.post([alive = watch(), segment, done = std::move(done)]() mutable {
        if (!alive.expired()) done(unknown(segment));
      });
      return;
    }
    auto job = std::make_shared<ReadJob>();
    job->done = std::move(done);
    auto work = [disk_side = disk_side_, job, segment, path = path_of(*found), offset, bytes] {
      auto file = disk_side->open_files.get(segment, path);
      job->outcome = file ? read_range(**file, offset, bytes) : result<Buffer>(file.error());
      if (job->outcome.has_error())
        disk_side->open_files.close(segment);  // to be opened anew when tried again
    };
    runtime_.disk.submit(std::move(work), [job, alive = watch()] {
      if (!alive.expired()) job->done(std::move(job->outcome));
    });
  }

  // Not through the open files, which are the disk thread's.
  result<Buffer> read_now(SegmentId segment, std::uint64_t offset, std::size_t bytes) override {
    auto file = open_now(segment, runtime::OpenMode::read_direct);
    if (!file) return file.error();
    return read_range(**file, offset, bytes);
  }

  result<std::vector<SegmentRun>> runs(SegmentId segment) override {
    auto file = open_now(segment, runtime::OpenMode::read);
    if (!file) return file.error();
    return read_segment_runs(**file, path_of(*segments_.find(segment)), segment);
  }

  std::vector<SegmentId> list() const override {
    std::vector<SegmentId> ids;
    for (const auto& [id, segment] : segments_) {
      if (segment.kind == SegmentKind::durable) ids.push_back(id);
    }
    return ids;
  }

  void remove(SegmentId segment) override {
    const auto found = segments_.find(segment);
    if (found == segments_.end()) return;
    const std::uint64_t bytes = found->second.bytes;
    auto work = [disk_side = disk_side_, &files = runtime_.files, segment, path = path_of(*found)] {
      disk_side->open_files.close(segment);
      (void)files.remove(path);  // a file that stays is found at the next start, and removed by who asks then
    };
    runtime_.disk.submit(std::move(work), [this, alive = watch(), bytes] {
      if (!alive.expired()) bytes_on_disk_ -= bytes;
    });
    segments_.erase(found);
  }

  std::uint64_t bytes_on_disk() const noexcept override { return bytes_on_disk_; }

 private:
  struct Known {
    SegmentKind kind{};
    std::uint64_t bytes = 0;
  };

  // Expires with this object, so that a completion which comes later is dropped.
  std::weak_ptr<char> watch() const { return alive_; }

  std::string path_of(const std::pair<const SegmentId, Known>& segment) const {
    return directory_ + "/" + file_name(segment.second.kind, segment.first);
  }

  static Error unknown(SegmentId id) {
    return fail(Errc::not_found, "there is no segment " + std::to_string(id.value));
  }

  result<std::unique_ptr<runtime::File>> open_now(SegmentId id, runtime::OpenMode mode) {
    const auto found = segments_.find(id);
    if (found == segments_.end()) return unknown(id);
    return runtime_.files.open(path_of(*found), mode);
  }

  // A durable segment gets its name when it is whole and synced, so that name alone says that it counts. Its
  // footer is not looked at here: were it damaged, the file would have to stay all the same.
  result<void> meet_file(const std::string& name) {
    std::string_view stem = name;
    const bool unfinished = stem.ends_with(kUnfinishedSuffix);
    if (unfinished) stem.remove_suffix(kUnfinishedSuffix.size());
    const auto durable = number_of(stem, kDurablePrefix);
    const auto transient = number_of(stem, kTransientPrefix);
    if (!durable && !transient) return {};
    const SegmentId id(durable ? *durable : *transient);
    next_id_ = std::max(next_id_, id.next());
    const std::string path = directory_ + "/" + name;
    if (transient || unfinished) return runtime_.files.remove(path);
    auto file = runtime_.files.open(path, runtime::OpenMode::read);
    if (!file) return file.error();
    const auto size = (*file)->size();
    if (!size) return size.error();
    segments_.emplace(id, Known{SegmentKind::durable, *size});
    bytes_on_disk_ += *size;
    return {};
  }

  void submit_step() {
    const std::shared_ptr<WriteJob>& job = writes_.front();
    runtime_.disk.submit([job, disk_side = disk_side_] { job->more = job->writer.step(); },
                         [this, job, alive = watch()] {
                           if (!alive.expired()) on_step(*job);
                         });
  }

  void on_step(WriteJob& job) {
    if (job.more && *job.more) return submit_step();
    const std::shared_ptr<WriteJob> finished = std::move(writes_.front());
    writes_.pop_front();
    if (!writes_.empty()) submit_step();
    job.keep_alive = nullptr;
    if (!job.more) return job.done(job.more.error());
    segments_.emplace(job.id, Known{job.kind, job.writer.file_bytes()});
    bytes_on_disk_ += job.writer.file_bytes();
    job.done(job.writer.take_runs());
  }

  runtime::ShardRuntime runtime_;
  const std::string directory_;
  const std::shared_ptr<DiskSide> disk_side_;
  std::map<SegmentId, Known> segments_;
  std::deque<std::shared_ptr<WriteJob>> writes_;  // the first one is being written
  SegmentId next_id_{1};
  std::uint64_t bytes_on_disk_ = 0;
  std::shared_ptr<char> alive_;
};

}  // namespace

std::string Segments::file_name(SegmentKind kind, SegmentId segment) {
  return numbered_name(kind == SegmentKind::durable ? kDurablePrefix : kTransientPrefix, segment.value);
}

result<std::unique_ptr<Segments>> Segments::open(runtime::ShardRuntime runtime, std::string directory) {
  auto segments = std::make_unique<DiskSegments>(runtime, std::move(directory));
  if (auto found = segments->find_files(); !found) return found.error();
  return std::unique_ptr<Segments>(std::move(segments));
}

}  // namespace millrace::storage
