// A connected, non-blocking stream socket.
#pragma once

#include <cstdint>

#include "base/descriptor.hpp"
#include "runtime/os/byte_stream.hpp"
#include "runtime/os/poller.hpp"

namespace millrace::runtime {

class SocketStream final : public ByteStream, private Poller::Handler {
 public:
  explicit SocketStream(Descriptor socket) noexcept : socket_(std::move(socket)) {}
  ~SocketStream() override;

  // While it has no loop: gives the socket away.
  Descriptor release() noexcept { return std::move(socket_); }

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
  enum class Wait : std::uint8_t {
    none,
    armed,
    cancelled,  // the call that ends it is on its way
  };

  void on_ready(std::uint32_t events) override;
  std::uint32_t wanted() const noexcept;
  void look_for(std::uint32_t events);
  void leave_poller() noexcept;
  void end_cancelled();

  Descriptor socket_;
  ShardLoop* loop_ = nullptr;  // while it is attached
  Waiter* waiter_ = nullptr;
  // What the poller looks for. It may be more than is wanted: then the first event that nobody wants ends it,
  // so that a wait which is armed again at once costs nothing.
  std::uint32_t looked_for_ = 0;
  Wait reading_ = Wait::none;
  Wait writing_ = Wait::none;
};

}  // namespace millrace::runtime
