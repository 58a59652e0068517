// The bytes of one connection, whatever carries them: TCP, TLS over it, or memory. An AsyncStream of Asio.
//
// Used on the client's I/O thread only.
#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <memory>
#include <optional>
#include <utility>

#include "client/src/byte_pipe.hpp"

namespace millrace::client {

// Asynchronous reading and writing of a pipe's end, with the errors of a socket.
class PipeStream : public std::enable_shared_from_this<PipeStream> {
 public:
  using Handler = UniqueFunction<void(boost::system::error_code, std::size_t)>;

  PipeStream(boost::asio::io_context& context, PipeEnd end) noexcept
      : context_(context), end_(std::move(end)) {}
  ~PipeStream();

  // One read and one write at a time. Handlers are called by the context, never from inside the call.
  void read_some(boost::asio::mutable_buffer room, Handler handler);
  void write_some(boost::asio::const_buffer bytes, Handler handler);
  // What is under way ends with operation_aborted.
  void close();

 private:
  struct Operation {
    void* data = nullptr;
    std::size_t bytes = 0;
    Handler handler;
  };
  void try_read(bool inside_call);
  void try_write(bool inside_call);
  void finish(Operation& operation, boost::system::error_code error, std::size_t bytes, bool inside_call);

  boost::asio::io_context& context_;
  PipeEnd end_;
  Operation reading_;
  Operation writing_;
  bool closed_ = false;
};

class Stream {
 public:
  using Tcp = boost::asio::ip::tcp;
  using Tls = boost::asio::ssl::stream<Tcp::socket&>;
  using executor_type = boost::asio::io_context::executor_type;

  explicit Stream(boost::asio::io_context& context) : context_(context), socket_(context) {}

  executor_type get_executor() noexcept { return context_.get_executor(); }
  Tcp::socket& socket() noexcept { return socket_; }
  // What follows is encrypted; the handshake is the caller's.
  Tls& use_tls(boost::asio::ssl::context context);
  // Instead of the socket.
  void use_pipe(PipeEnd end) { pipe_ = std::make_shared<PipeStream>(context_, std::move(end)); }

  template <class Token>
  auto async_read_some(const boost::asio::mutable_buffer& room, Token&& token) {
    auto start = [](auto handler, Stream* self, boost::asio::mutable_buffer into) {
      if (self->pipe_)
        self->pipe_->read_some(into, std::move(handler));
      else if (self->tls_)
        self->tls_->async_read_some(into, std::move(handler));
      else
        self->socket_.async_read_some(into, std::move(handler));
    };
    return boost::asio::async_initiate<Token, Signature>(start, token, this, room);
  }

  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    auto start = [](auto handler, Stream* self, const Buffers& from) {
      if (self->pipe_)
        self->pipe_->write_some(*boost::asio::buffer_sequence_begin(from), std::move(handler));
      else if (self->tls_)
        self->tls_->async_write_some(from, std::move(handler));
      else
        self->socket_.async_write_some(from, std::move(handler));
    };
    return boost::asio::async_initiate<Token, Signature>(start, token, this, buffers);
  }

  void close();

 private:
  using Signature = void(boost::system::error_code, std::size_t);

  boost::asio::io_context& context_;
  Tcp::socket socket_;
  std::optional<boost::asio::ssl::context> tls_context_;
  std::optional<Tls> tls_;
  std::shared_ptr<PipeStream> pipe_;
};

}  // namespace millrace::client
