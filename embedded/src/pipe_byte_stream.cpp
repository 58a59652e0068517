#include "embedded/src/pipe_byte_stream.hpp"

#include <algorithm>
#include <array>

namespace millrace::in_process {

// The loop has ended when this is destroyed with a wait armed: nothing may be posted to it any more.
PipeByteStream::~PipeByteStream() {
  end_.in().forget_readable();
  end_.out().forget_writable();
}

bool PipeByteStream::attach(runtime::ShardLoop& loop, Waiter& waiter) {
  loop_ = &loop;
  waiter_ = &waiter;
  return true;
}

runtime::ByteStream::Moved PipeByteStream::read(std::span<std::uint8_t> into) {
  const auto got = end_.in().read(into);
  if (!got) return {Outcome::ended};
  return {*got == 0 ? Outcome::not_now : Outcome::moved, *got};
}

runtime::ByteStream::Moved PipeByteStream::write(std::span<const iovec> parts) {
  std::array<ByteView, 64> views;
  const std::size_t count = std::min(parts.size(), views.size());
  for (std::size_t i = 0; i < count; ++i)
    views[i] = {static_cast<const std::uint8_t*>(parts[i].iov_base), parts[i].iov_len};
  const auto taken = end_.out().write({views.data(), count});
  if (!taken) return {Outcome::ended};
  return {*taken == 0 ? Outcome::not_now : Outcome::moved, *taken};
}

// This outlives what is posted: whoever armed a wait stays until it is called.
void PipeByteStream::post_readable() {
  loop_->post([this] { waiter_->on_readable(); });
}

void PipeByteStream::post_writable() {
  loop_->post([this] { waiter_->on_writable(); });
}

void PipeByteStream::wait_readable() {
  end_.in().on_readable([this] { post_readable(); });
}

void PipeByteStream::wait_writable() {
  end_.out().on_writable([this] { post_writable(); });
}

void PipeByteStream::cancel_waits() {
  if (end_.in().forget_readable()) post_readable();
  if (end_.out().forget_writable()) post_writable();
}

bool PipeByteStream::shut_down_writing() {
  end_.out().close_writer();
  return true;
}

void PipeByteStream::close() {
  cancel_waits();
  end_.close();
}

}  // namespace millrace::in_process
