#include "runtime/os/socket_stream.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "runtime/os/shard_loop_asio.hpp"

namespace millrace::runtime {

using boost::asio::posix::stream_descriptor;
using boost::system::error_code;

bool SocketStream::attach(ShardLoop& loop, Waiter& waiter) {
  waiter_ = &waiter;
  attached_.emplace(io_context_of(loop));
  error_code error;  // no memory for another descriptor in the kernel's poll set
  attached_->assign(detached_.get(), error);
  if (error) {
    detached_.close();
    return false;
  }
  detached_.release();
  return true;
}

void SocketStream::detach() {
  detached_ = Descriptor(attached_->release());
  attached_.reset();
}

ByteStream::Moved SocketStream::read(std::span<std::uint8_t> into) {
  const ssize_t got = ::recv(attached_->native_handle(), into.data(), into.size(), MSG_DONTWAIT);
  if (got > 0) return {Outcome::moved, static_cast<std::size_t>(got)};
  return {got < 0 && (errno == EAGAIN || errno == EINTR) ? Outcome::not_now : Outcome::ended};
}

ByteStream::Moved SocketStream::write(std::span<const iovec> parts) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());
  message.msg_iovlen = parts.size();
  while (true) {
    const ssize_t sent = ::sendmsg(attached_->native_handle(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) return {Outcome::moved, static_cast<std::size_t>(sent)};
    if (sent < 0 && errno == EINTR) continue;
    return {sent == 0 || errno == EAGAIN ? Outcome::not_now : Outcome::ended};
  }
}

void SocketStream::wait_readable() {
  attached_->async_wait(stream_descriptor::wait_read, [this](const error_code&) { waiter_->on_readable(); });
}

void SocketStream::wait_writable() {
  attached_->async_wait(stream_descriptor::wait_write, [this](const error_code&) { waiter_->on_writable(); });
}

void SocketStream::cancel_waits() {
  error_code ignored;
  attached_->cancel(ignored);
}

bool SocketStream::shut_down_writing() {
  return ::shutdown(attached_->native_handle(), SHUT_WR) == 0;
}

void SocketStream::close() {
  error_code ignored;
  if (attached_) attached_->close(ignored);
  detached_.close();
}

}  // namespace millrace::runtime
