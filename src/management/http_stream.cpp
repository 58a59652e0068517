#include "management/http_stream.hpp"

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <cstring>

namespace millrace::management {

namespace asio = boost::asio;
using asio::ip::tcp;
using EngineOutcome = net::TlsEngine::Outcome;

namespace {

constexpr std::size_t kReadBytes = 16 * 1024;

}  // namespace

HttpStream::HttpStream(tcp::socket socket, std::shared_ptr<const net::TlsContext> tls)
    : tcp_(std::move(socket)), context_(std::move(tls)) {
  if (context_)
    tls_ = std::make_unique<net::TlsEngine>(context_, static_cast<Source&>(*this),
                                            net::TlsEngine::Speaks::http11);
}

HttpStream::~HttpStream() = default;

void HttpStream::complete_later(Done done, Error error, std::size_t bytes) {
  asio::post(tcp_.get_executor(), [done = std::move(done), error, bytes]() mutable { done(error, bytes); });
}

bool HttpStream::complete_by(EngineOutcome outcome, Done& done, std::size_t bytes) {
  switch (outcome) {
    case EngineOutcome::done:
      complete_later(std::move(done), {}, bytes);
      return true;
    case EngineOutcome::ended:
      complete_later(std::move(done), asio::error::eof, 0);
      return true;
    case EngineOutcome::failed:
      complete_later(std::move(done), asio::error::connection_aborted, 0);
      return true;
    case EngineOutcome::not_now:
      break;
  }
  return false;
}

net::TlsEngine::Source::Received HttpStream::receive(std::span<std::uint8_t> into) {
  if (received_.empty()) return {ended_ ? Source::Outcome::ended : Source::Outcome::not_now, 0};
  const std::size_t bytes = std::min(into.size(), received_.size());
  std::memcpy(into.data(), received_.data(), bytes);
  received_.consume(bytes);
  return {Source::Outcome::moved, bytes};
}

void HttpStream::receive_more(Done done) {
  tcp_.async_read_some(asio::buffer(received_.reserve(kReadBytes), kReadBytes),
                       [this, done = std::move(done)](Error error, std::size_t bytes) mutable {
                         received_.commit(bytes);
                         if (error == asio::error::eof) {
                           ended_ = true;
                           error = {};
                         }
                         done(error, bytes);
                       });
}

void HttpStream::send_output(Done done) {
  sent_next_.push_back(std::move(done));
  if (!is_sending_) send_next();
}

void HttpStream::send_next() {
  is_sending_ = true;
  std::swap(sending_, tls_->output());
  asio::async_write(tcp_, asio::buffer(sending_.data(), sending_.size()),
                    [this, sent = std::exchange(sent_next_, {})](Error error, std::size_t bytes) mutable {
                      sending_.release();
                      is_sending_ = false;
                      if (!sent_next_.empty()) send_next();
                      for (Done& done : sent) done(error, bytes);
                    });
}

void HttpStream::read_proxy_header(net::ProxyHeader& header, Done done) {
  const std::size_t wanted = std::min(header.wants(), kReadBytes);
  tcp_.async_read_some(asio::buffer(received_.reserve(kReadBytes), wanted),
                       [this, &header, done = std::move(done)](Error error, std::size_t bytes) mutable {
                         if (error) return done(error, 0);
                         const auto state = header.feed({received_.reserve(kReadBytes), bytes});
                         if (state == net::ProxyHeader::State::incomplete)
                           return read_proxy_header(header, std::move(done));
                         const bool malformed = state == net::ProxyHeader::State::malformed;
                         done(malformed ? asio::error::invalid_argument : Error(), 0);
                       });
}

void HttpStream::shake_hands(Done done) {
  const EngineOutcome outcome = tls_->handshake();
  if (!tls_->output().empty()) {
    // What fails tells the peer why before it ends.
    return send_output([this, outcome, done = std::move(done)](Error error, std::size_t) mutable {
      if (error || outcome == EngineOutcome::failed)
        return done(error ? error : asio::error::connection_aborted, 0);
      if (outcome == EngineOutcome::done) return done({}, 0);
      shake_hands(std::move(done));
    });
  }
  if (complete_by(outcome, done, 0)) return;
  receive_more([this, done = std::move(done)](Error error, std::size_t) mutable {
    if (error) return done(error, 0);
    shake_hands(std::move(done));
  });
}

void HttpStream::read_secure(asio::mutable_buffer into, Done done) {
  const auto [outcome, bytes] = tls_->read({static_cast<std::uint8_t*>(into.data()), into.size()});
  if (!tls_->output().empty()) {
    // An answer to a change of keys.
    return send_output(
        [this, into, done = std::move(done), got = outcome, bytes = bytes](Error error, std::size_t) mutable {
          if (error) return done(error, 0);
          if (got == EngineOutcome::done) return done({}, bytes);
          read_secure(into, std::move(done));
        });
  }
  if (complete_by(outcome, done, bytes)) return;
  receive_more([this, into, done = std::move(done)](Error error, std::size_t) mutable {
    if (error) return done(error, 0);
    read_secure(into, std::move(done));
  });
}

void HttpStream::shut_down_writing() {
  Error ignored;
  if (tls_) {
    tls_->finish();
    const Buffer& output = tls_->output();
    // A few bytes; a socket that has no room for them has a peer that does not read them either.
    tcp_.socket().non_blocking(true, ignored);
    if (!output.empty()) tcp_.socket().write_some(asio::buffer(output.data(), output.size()), ignored);
    tls_->output().clear();
  }
  tcp_.socket().shutdown(tcp::socket::shutdown_send, ignored);
}

}  // namespace millrace::management
