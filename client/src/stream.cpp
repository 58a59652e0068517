#include "client/src/stream.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

namespace millrace::client {

namespace asio = boost::asio;
using boost::system::error_code;

PipeStream::~PipeStream() {
  // A wake that is forgotten here would have found nobody; one that was called posted a weak pointer.
  end_.in().forget_readable();
  end_.out().forget_writable();
}

void PipeStream::read_some(asio::mutable_buffer room, Handler handler) {
  reading_ = {room.data(), room.size(), std::move(handler)};
  try_read(true);
}

void PipeStream::write_some(asio::const_buffer bytes, Handler handler) {
  writing_ = {const_cast<void*>(bytes.data()), bytes.size(), std::move(handler)};
  try_write(true);
}

void PipeStream::try_read(bool inside_call) {
  if (!reading_.handler) return;  // closed meanwhile
  if (closed_) return finish(reading_, asio::error::operation_aborted, 0, inside_call);
  const auto got = end_.in().read({static_cast<std::uint8_t*>(reading_.data), reading_.bytes});
  if (!got) return finish(reading_, asio::error::eof, 0, inside_call);
  if (*got != 0 || reading_.bytes == 0) return finish(reading_, {}, *got, inside_call);
  end_.in().on_readable([this, weak = weak_from_this()] {
    asio::post(context_, [weak] {
      if (const auto self = weak.lock()) self->try_read(false);
    });
  });
}

void PipeStream::try_write(bool inside_call) {
  if (!writing_.handler) return;
  if (closed_) return finish(writing_, asio::error::operation_aborted, 0, inside_call);
  const ByteView bytes(static_cast<const std::uint8_t*>(writing_.data), writing_.bytes);
  const auto taken = end_.out().write({&bytes, 1});
  if (!taken) return finish(writing_, asio::error::broken_pipe, 0, inside_call);
  if (*taken != 0 || bytes.empty()) return finish(writing_, {}, *taken, inside_call);
  end_.out().on_writable([this, weak = weak_from_this()] {
    asio::post(context_, [weak] {
      if (const auto self = weak.lock()) self->try_write(false);
    });
  });
}

void PipeStream::finish(Operation& operation, error_code error, std::size_t bytes, bool inside_call) {
  Handler handler = std::exchange(operation.handler, nullptr);
  if (!inside_call) return handler(error, bytes);
  asio::post(context_, [handler = std::move(handler), error, bytes]() mutable { handler(error, bytes); });
}

void PipeStream::close() {
  if (std::exchange(closed_, true)) return;
  end_.in().forget_readable();
  end_.out().forget_writable();
  end_.close();
  if (reading_.handler) finish(reading_, asio::error::operation_aborted, 0, true);
  if (writing_.handler) finish(writing_, asio::error::operation_aborted, 0, true);
}

Stream::Tls& Stream::use_tls(asio::ssl::context context) {
  tls_context_.emplace(std::move(context));
  return tls_.emplace(socket_, *tls_context_);
}

void Stream::close() {
  if (pipe_) return pipe_->close();
  error_code ignored;
  socket_.shutdown(Tcp::socket::shutdown_both, ignored);
  socket_.close(ignored);
}

}  // namespace millrace::client
