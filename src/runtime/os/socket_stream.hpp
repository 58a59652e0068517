// A connected, non-blocking stream socket.
#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <optional>

#include "base/descriptor.hpp"
#include "runtime/os/byte_stream.hpp"

namespace millrace::runtime {

class SocketStream final : public ByteStream {
 public:
  explicit SocketStream(Descriptor socket) noexcept : detached_(std::move(socket)) {}

  // While it has no loop: gives the socket away.
  Descriptor release() noexcept { return std::move(detached_); }

  bool attach(ShardLoop& loop, Waiter& waiter) override;
  void detach() override;
  Moved read(std::span<std::uint8_t> into) override;
  Moved write(std::span<const iovec> parts) override;
  void wait_readable() override;
  void wait_writable() override;
  void cancel_waits() override;
  bool shut_down_writing() override;
  void close() override;

 private:
  Descriptor detached_;  // while it has no loop
  std::optional<boost::asio::posix::stream_descriptor> attached_;
  Waiter* waiter_ = nullptr;
};

}  // namespace millrace::runtime
