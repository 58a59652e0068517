// A socket whose bytes travel encrypted.
//
// Each turn's output becomes as few and as full records as it fills, sent by one call of the system. What is
// encrypted and not sent yet counts as not written: the caller keeps it, and finds it written later.
//
// Bounds: kFlightBytes encrypted ahead of the socket.
#pragma once

#include <memory>
#include <string>

#include "net/tls_engine.hpp"
#include "runtime/os/socket_stream.hpp"

namespace millrace::server {

class TlsStream final : public runtime::ByteStream, private net::TlsEngine::Source {
 public:
  using Outcome = runtime::ByteStream::Outcome;

  static constexpr std::size_t kFlightBytes = 128 * 1024;
  // A buffer of at most this size stays with an idle connection.
  static constexpr std::size_t kIdleBufferBytes = 4096;

  TlsStream(Descriptor socket, std::shared_ptr<const net::TlsContext> context)
      : socket_(std::move(socket)), engine_(std::move(context), *this, net::TlsEngine::Speaks::anything) {}

  // Until it is done: once at the beginning, then each time that the stream is readable. Nothing else of
  // below is called before.
  net::TlsEngine::Outcome handshake();
  // Part of the handshake waits for room in the socket: to be waited for rather than for bytes.
  bool has_unsent() noexcept { return !engine_.output().empty(); }
  const net::TlsEngine& engine() const noexcept { return engine_; }

  bool attach(runtime::ShardLoop& loop, Waiter& waiter) override;
  void detach() override { socket_.detach(); }
  Moved read(std::span<std::uint8_t> into) override;
  Moved write(std::span<const iovec> parts) override;
  void wait_readable() override;
  void wait_writable() override { socket_.wait_writable(); }
  void cancel_waits() override { socket_.cancel_waits(); }
  bool shut_down_writing() override;
  void close() override { socket_.close(); }

 private:
  Received receive(std::span<std::uint8_t> into) override;
  bool send_output();

  runtime::SocketStream socket_;
  net::TlsEngine engine_;
  runtime::ShardLoop* loop_ = nullptr;
  Waiter* waiter_ = nullptr;
  std::size_t ahead_ = 0;  // the caller's bytes that are encrypted, and not all sent
  bool may_hold_ = false;  // the last read was ended by its room
};

}  // namespace millrace::server
