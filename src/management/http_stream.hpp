// The bytes of an HTTP connection: a socket, in clear or over TLS, with a PROXY header ahead of it or
// without. An AsyncReadStream and AsyncWriteStream as Asio and Beast want them.
//
// One read and one write at a time: that of an answer, and that which shows whether the peer stays. Every
// wait ends by expires_after(), with the error beast::error::timeout. Thread: the context's.
#pragma once

#include <algorithm>
#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <memory>
#include <string>
#include <vector>

#include "base/buffer.hpp"
#include "base/task.hpp"
#include "net/proxy_header.hpp"
#include "net/tls_engine.hpp"
#include "runtime/clock.hpp"

namespace millrace::management {

// Not final: Asio derives from it to find out what it is.
class HttpStream : private net::TlsEngine::Source {
 public:
  using Error = boost::system::error_code;
  using executor_type = boost::beast::tcp_stream::executor_type;
  using Done = UniqueFunction<void(Error, std::size_t)>;

  // Encrypted at once.
  static constexpr std::size_t kPieceBytes = 64 * 1024;

  // `tls`: none: in clear.
  HttpStream(boost::asio::ip::tcp::socket socket, std::shared_ptr<const net::TlsContext> tls);
  virtual ~HttpStream();

  executor_type get_executor() noexcept { return tcp_.get_executor(); }
  boost::asio::ip::tcp::socket& socket() noexcept { return tcp_.socket(); }
  void expires_after(runtime::Milliseconds time) { tcp_.expires_after(time); }
  void expires_never() { tcp_.expires_never(); }

  // Reads the proxy's header; not in the same time as anything else.
  void read_proxy_header(net::ProxyHeader& header, Done done);
  // TLS: before anything below. Afterwards peer() says who it is; failure() why it failed.
  void shake_hands(Done done);
  bool is_secure() const noexcept { return tls_ != nullptr; }
  const net::TlsEngine* peer() const noexcept { return tls_.get(); }

  template <class Buffers, class Handler>
  auto async_read_some(const Buffers& buffers, Handler&& handler) {
    return boost::asio::async_initiate<Handler, void(Error, std::size_t)>(
        [this](auto its_handler, const Buffers& its_buffers) {
          if (!is_secure()) return tcp_.async_read_some(its_buffers, std::move(its_handler));
          read_secure(first_of<boost::asio::mutable_buffer>(its_buffers), std::move(its_handler));
        },
        handler, buffers);
  }

  template <class Buffers, class Handler>
  auto async_write_some(const Buffers& buffers, Handler&& handler) {
    return boost::asio::async_initiate<Handler, void(Error, std::size_t)>(
        [this](auto its_handler, const Buffers& its_buffers) {
          if (!is_secure()) return tcp_.async_write_some(its_buffers, std::move(its_handler));
          const std::size_t bytes = encrypt(its_buffers);
          send_output([done = Done(std::move(its_handler)), bytes](Error error, std::size_t) mutable {
            done(error, error ? 0 : bytes);
          });
        },
        handler, buffers);
  }

  // What is under way ends with operation_aborted.
  void cancel() { tcp_.cancel(); }
  void close() { tcp_.close(); }
  // The peer reads the end behind what was written.
  void shut_down_writing();

 private:
  template <class Buffer, class Buffers>
  static Buffer first_of(const Buffers& buffers) {
    for (auto it = boost::asio::buffer_sequence_begin(buffers);
         it != boost::asio::buffer_sequence_end(buffers); ++it) {
      const Buffer buffer(*it);
      if (buffer.size() != 0) return buffer;
    }
    return {};
  }
  template <class Buffers>
  std::size_t encrypt(const Buffers& buffers) {
    std::size_t bytes = 0;
    for (auto it = boost::asio::buffer_sequence_begin(buffers);
         it != boost::asio::buffer_sequence_end(buffers); ++it) {
      const boost::asio::const_buffer part(*it);
      const std::size_t taken = std::min(part.size(), kPieceBytes - bytes);
      if (!tls_->write({static_cast<const std::uint8_t*>(part.data()), taken})) break;
      bytes += taken;
    }
    return bytes;
  }

  void read_secure(boost::asio::mutable_buffer into, Done done);
  void receive_more(Done done);
  // `done` when all that the engine has to send by now is sent. A read may have something to send while a
  // write is under way.
  void send_output(Done done);
  void send_next();
  // False: the engine wants more, and `done` is still the caller's.
  bool complete_by(net::TlsEngine::Outcome outcome, Done& done, std::size_t bytes);
  void complete_later(Done done, Error error, std::size_t bytes);
  Received receive(std::span<std::uint8_t> into) override;

  boost::beast::tcp_stream tcp_;
  std::shared_ptr<const net::TlsContext> context_;
  Buffer received_;  // not decrypted yet
  bool ended_ = false;
  Buffer sending_;
  bool is_sending_ = false;
  std::vector<Done> sent_next_;  // told when what is behind sending_ is sent
  std::unique_ptr<net::TlsEngine> tls_;
};

}  // namespace millrace::management
