#include <utility>

#include "storage/data_directory.hpp"

namespace millrace::storage {
namespace {

class ReservingDiskGuard final : public DiskGuard {
 public:
  ReservingDiskGuard(runtime::FileSystem& files, Options options)
      : files_(files), options_(std::move(options)), path_(options_.directory + "/reserve") {}

  // The reserve that an earlier start left is kept when it has the right size.
  result<void> start() {
    const auto size = reserve_size();
    if (!size) return size.error();
    reserved_ = *size == options_.reserve_bytes;
    if (!reserved_ && *size != 0) give_up_reserve();
    if (auto measured = measure(); !measured) return measured;
    if (!reserved_ && free_ >= options_.low_water_bytes + options_.reserve_bytes) {
      if (auto made = make_reserve(); !made && made.error().code != Errc::disk_full) return made;
    }
    if (!reserved_) state_ = State::alarm;
    check();
    return {};
  }

  void set_bounds(std::uint64_t low_water_bytes, std::uint64_t clear_bytes) override {
    options_.low_water_bytes = low_water_bytes;
    options_.clear_bytes = clear_bytes;
  }

  State check() override {
    if (!measure()) return state_;
    if (state_ == State::normal && free_ < options_.low_water_bytes) {
      state_ = State::alarm;
      give_up_reserve();
    } else if (state_ == State::alarm && free_ >= options_.clear_bytes + options_.reserve_bytes) {
      if (make_reserve()) state_ = State::normal;
      (void)measure();
    }
    return state_;
  }

  std::uint64_t free_bytes() const noexcept override { return free_; }

 private:
  result<void> measure() {
    const auto free = files_.free_bytes(options_.directory);
    if (!free) return free.error();
    free_ = *free;
    return {};
  }

  result<std::uint64_t> reserve_size() {
    auto file = files_.open(path_, runtime::OpenMode::read);
    if (!file && file.error().code == Errc::not_found) return std::uint64_t{0};
    if (!file) return file.error();
    return (*file)->size();
  }

  // The size of a file whose allocation failed half-way would not tell, so it does not stay.
  result<void> make_reserve() {
    auto file = files_.open(path_, runtime::OpenMode::create);
    if (!file) return file.error();
    auto made = (*file)->allocate(options_.reserve_bytes);
    file->reset();
    if (made) {
      reserved_ = true;
    } else {
      (void)files_.remove(path_);
    }
    return made;
  }

  // Best effort: there may be none, and with an alarm on there is nothing else to be done about an error.
  void give_up_reserve() {
    reserved_ = false;
    (void)files_.remove(path_);
    (void)measure();
  }

  runtime::FileSystem& files_;
  Options options_;
  const std::string path_;
  State state_ = State::normal;
  bool reserved_ = false;
  std::uint64_t free_ = 0;
};

}  // namespace

result<std::unique_ptr<DiskGuard>> DiskGuard::open(runtime::FileSystem& files, Options options) {
  auto guard = std::make_unique<ReservingDiskGuard>(files, std::move(options));
  if (auto started = guard->start(); !started) return started.error();
  return std::unique_ptr<DiskGuard>(std::move(guard));
}

}  // namespace millrace::storage
