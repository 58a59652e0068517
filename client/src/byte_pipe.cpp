#include "client/src/byte_pipe.hpp"

#include <algorithm>
#include <cstring>

namespace millrace::client {

std::optional<std::size_t> BytePipe::write(std::span<const ByteView> parts) {
  const std::lock_guard lock(mutex_);
  if (reader_closed_ || writer_closed_) return std::nullopt;
  std::size_t taken = 0;
  for (const ByteView part : parts) {
    const std::size_t now = std::min(part.size(), kCapacityBytes - bytes_.size());
    bytes_.append(part.first(now));
    taken += now;
    if (now < part.size()) break;
  }
  if (taken != 0) wake_reader();
  return taken;
}

std::optional<std::size_t> BytePipe::read(std::span<std::uint8_t> into) {
  const std::lock_guard lock(mutex_);
  if (reader_closed_ || (writer_closed_ && bytes_.empty())) return std::nullopt;
  const std::size_t taken = std::min(into.size(), bytes_.size());
  if (taken == 0) return 0;
  std::memcpy(into.data(), bytes_.data(), taken);
  bytes_.consume(taken);
  if (kCapacityBytes - bytes_.size() >= kRoomToWakeBytes) wake_writer();
  return taken;
}

void BytePipe::close_writer() {
  const std::lock_guard lock(mutex_);
  writer_closed_ = true;
  wake_reader();
}

void BytePipe::close_reader() {
  const std::lock_guard lock(mutex_);
  reader_closed_ = true;
  bytes_.release();
  wake_writer();
}

void BytePipe::on_readable(Task wake) {
  const std::lock_guard lock(mutex_);
  readable_ = std::move(wake);
  if (reader_closed_ || writer_closed_ || !bytes_.empty()) wake_reader();
}

void BytePipe::on_writable(Task wake) {
  const std::lock_guard lock(mutex_);
  writable_ = std::move(wake);
  if (reader_closed_ || writer_closed_ || kCapacityBytes - bytes_.size() >= kRoomToWakeBytes) wake_writer();
}

bool BytePipe::forget_readable() {
  const std::lock_guard lock(mutex_);
  return static_cast<bool>(std::exchange(readable_, nullptr));
}

bool BytePipe::forget_writable() {
  const std::lock_guard lock(mutex_);
  return static_cast<bool>(std::exchange(writable_, nullptr));
}

void BytePipe::wake_reader() {
  if (Task wake = std::exchange(readable_, nullptr)) wake();
}

void BytePipe::wake_writer() {
  if (Task wake = std::exchange(writable_, nullptr)) wake();
}

std::pair<PipeEnd, PipeEnd> PipeEnd::make_pair() {
  auto there = std::make_shared<BytePipe>();
  auto back = std::make_shared<BytePipe>();
  return {PipeEnd(back, there), PipeEnd(there, back)};
}

void PipeEnd::close() {
  if (!in_) return;
  in_->close_reader();
  out_->close_writer();
}

}  // namespace millrace::client
