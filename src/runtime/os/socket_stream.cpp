#include "runtime/os/socket_stream.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "base/assert.hpp"

namespace millrace::runtime {

SocketStream::~SocketStream() {
  leave_poller();
}

bool SocketStream::attach(ShardLoop& loop, Waiter& waiter) {
  waiter_ = &waiter;
  if (!loop.poller().add(socket_.get(), EPOLLIN, *this)) {
    socket_.close();
    return false;
  }
  looked_for_ = EPOLLIN;
  loop_ = &loop;
  return true;
}

void SocketStream::detach() {
  MILLRACE_ASSERT(reading_ == Wait::none && writing_ == Wait::none, "a stream that waits keeps its loop");
  leave_poller();
}

void SocketStream::leave_poller() noexcept {
  if (loop_ == nullptr || !socket_.is_open()) return;
  loop_->poller().remove(socket_.get(), *this);
  loop_ = nullptr;
}

ByteStream::Moved SocketStream::read(std::span<std::uint8_t> into) {
  const ssize_t got = ::recv(socket_.get(), into.data(), into.size(), MSG_DONTWAIT);
  if (got > 0) return {Outcome::moved, static_cast<std::size_t>(got)};
  return {got < 0 && (errno == EAGAIN || errno == EINTR) ? Outcome::not_now : Outcome::ended};
}

ByteStream::Moved SocketStream::write(std::span<const iovec> parts) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());
  message.msg_iovlen = parts.size();
  while (true) {
    const ssize_t sent = ::sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) return {Outcome::moved, static_cast<std::size_t>(sent)};
    if (sent < 0 && errno == EINTR) continue;
    return {sent == 0 || errno == EAGAIN ? Outcome::not_now : Outcome::ended};
  }
}

std::uint32_t SocketStream::wanted() const noexcept {
  return (reading_ == Wait::armed ? std::uint32_t{EPOLLIN} : 0) |
         (writing_ == Wait::armed ? std::uint32_t{EPOLLOUT} : 0);
}

void SocketStream::look_for(std::uint32_t events) {
  looked_for_ = events;
  loop_->poller().change(socket_.get(), events, *this);
}

void SocketStream::wait_readable() {
  reading_ = Wait::armed;
  if ((looked_for_ & EPOLLIN) == 0) look_for(wanted());
}

void SocketStream::wait_writable() {
  writing_ = Wait::armed;
  if ((looked_for_ & EPOLLOUT) == 0) look_for(wanted());
}

void SocketStream::on_ready(std::uint32_t events) {
  const bool broken = (events & (EPOLLERR | EPOLLHUP)) != 0;
  if (reading_ == Wait::armed && (broken || (events & EPOLLIN) != 0)) {
    reading_ = Wait::none;
    waiter_->on_readable();  // the stream may be gone; what else is ready is told in the next turn
  } else if (writing_ == Wait::armed && (broken || (events & EPOLLOUT) != 0)) {
    writing_ = Wait::none;
    waiter_->on_writable();
  } else if (looked_for_ != wanted()) {
    look_for(wanted());  // with nothing to look for an end is told once more, and then no more
  }
}

void SocketStream::cancel_waits() {
  if (wanted() == 0) return;
  const bool on_its_way = reading_ == Wait::cancelled || writing_ == Wait::cancelled;
  if (reading_ == Wait::armed) reading_ = Wait::cancelled;
  if (writing_ == Wait::armed) writing_ = Wait::cancelled;
  if (!on_its_way) loop_->post([this] { end_cancelled(); });
}

void SocketStream::end_cancelled() {
  const bool writable = writing_ == Wait::cancelled;
  if (reading_ == Wait::cancelled) {
    reading_ = Wait::none;
    waiter_->on_readable();
    if (!writable) return;  // without another wait the stream may be gone
  }
  writing_ = Wait::none;
  waiter_->on_writable();
}

bool SocketStream::shut_down_writing() {
  return ::shutdown(socket_.get(), SHUT_WR) == 0;
}

void SocketStream::close() {
  if (loop_ != nullptr) {
    cancel_waits();
    leave_poller();
  }
  socket_.close();
}

}  // namespace millrace::runtime
