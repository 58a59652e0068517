#include "storage/log_spares.hpp"

#include <algorithm>
#include <utility>

namespace millrace::storage {
namespace {

// About a third of a millisecond on an ordinary disk, which a commit may have to wait.
constexpr std::uint64_t kZeroedAtATime = 256u << 10;

}  // namespace

// The disk thread's while a step is on its way.
struct LogSpares::Making {
  std::shared_ptr<LogFile> file;
  std::uint64_t zeroed = kFileHeaderBlockBytes;
  bool finished = false;
  result<void> outcome;

  result<void> step(runtime::FileSystem& files, const std::string& directory) {
    if (file->file == nullptr) return make_log_file(files, directory, *file);
    const std::uint64_t end = std::min(zeroed + kZeroedAtATime, file->bytes);
    while (zeroed < end) {
      const std::uint64_t bytes = std::min<std::uint64_t>(kMaxZeros, end - zeroed);
      if (auto written = file->file->write(zeroed, zeros(bytes)); !written) return written;
      zeroed += bytes;
    }
    finished = zeroed == file->bytes;
    return file->file->sync_data();
  }
};

LogSpares::LogSpares(runtime::ShardRuntime runtime, const LogOptions& options, std::uint64_t next_number,
                     std::deque<std::shared_ptr<LogFile>> ready)
    : runtime_(runtime), options_(options), next_number_(next_number), ready_(std::move(ready)) {}

std::shared_ptr<LogFile> LogSpares::take() {
  std::shared_ptr<LogFile> file;
  if (!ready_.empty()) {
    file = std::move(ready_.front());
    ready_.pop_front();
  } else if (making_ != nullptr) {
    file = std::exchange(making_, nullptr)->file;
  } else {
    file = new_log_file(options_, next_number_++);
  }
  return file;
}

void LogSpares::give_back(std::shared_ptr<LogFile> file, std::size_t wanted) {
  const bool useful = ready_.size() + (making_ != nullptr) < wanted && file->bytes == options_.file_bytes;
  if (useful) {
    ready_.push_back(std::move(file));
  } else {
    remove(std::move(file));
  }
}

void LogSpares::keep(std::size_t wanted) {
  wanted_ = wanted;
  if (making_ != nullptr || ready_.size() >= wanted_) return;
  making_ = std::make_shared<Making>();
  making_->file = new_log_file(options_, next_number_++);
  submit_step();
}

void LogSpares::submit_step() {
  ++jobs_;
  Task work = [making = making_, &files = runtime_.files, directory = options_.directory] {
    making->outcome = making->step(files, directory);
  };
  Task done = [this, making = making_, life = std::weak_ptr<char>(life_)] {
    if (!life.expired()) on_step(making);
  };
  runtime_.disk.submit(std::move(work), std::move(done));
}

void LogSpares::on_step(const std::shared_ptr<Making>& making) {
  --jobs_;
  if (making_ != making) return;  // taken meanwhile
  if (making->outcome && !making->finished) return submit_step();
  making_ = nullptr;
  if (making->outcome) {
    ready_.push_back(making->file);
    keep(wanted_);
  } else if (making->file->file != nullptr) {
    remove(making->file);
  }
}

void LogSpares::remove(std::shared_ptr<LogFile> file) {
  ++jobs_;
  // That the name is gone need not survive a power cut: what recovery finds then is a spare.
  Task work = [file = std::move(file), &files = runtime_.files] {
    file->file.reset();
    file->blocks.reset();
    (void)files.remove(file->path);
  };
  Task done = [this, life = std::weak_ptr<char>(life_)] {
    if (!life.expired()) --jobs_;
  };
  runtime_.disk.submit(std::move(work), std::move(done));
}

}  // namespace millrace::storage
