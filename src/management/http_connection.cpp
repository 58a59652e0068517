#include "management/http_connection.hpp"

#include <netinet/in.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <cstring>

#include "management/page.hpp"

namespace millrace::management {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

namespace {

constexpr std::size_t kBufferBytes = HttpServer::kMaxHeadBytes + 64 * 1024;
// Of a pipelined request, while one is worked on.
constexpr std::size_t kWatchBytes = 1024;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

std::string_view view(beast::string_view text) noexcept {
  return {text.data(), text.size()};
}

asio::ip::address plain(const asio::ip::address& address) {
  if (!address.is_v6() || !address.to_v6().is_v4_mapped()) return address;
  return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
}

void describe(const tcp::endpoint& peer, broker::ConnectionInfo& info) {
  const asio::ip::address address = plain(peer.address());
  const std::string text = address.to_string();
  info.peer = (address.is_v6() ? "[" + text + "]" : text) + ":" + std::to_string(peer.port());
  info.peer_is_loopback = address.is_loopback();
}

broker::ConnectionInfo info_of(const tcp::socket& socket) {
  broker::ConnectionInfo info;
  info.protocol = "HTTP";
  boost::system::error_code gone;
  const tcp::endpoint peer = socket.remote_endpoint(gone);
  if (!gone) describe(peer, info);
  return info;
}

std::uint64_t body_bytes_max(const Route& route) noexcept {
  if (route.door == Door::stranger) return HttpServer::kMaxStrangersBodyBytes;
  return route.large_body ? HttpServer::kMaxBodyBytes : HttpServer::kMaxSmallBodyBytes;
}

tcp::endpoint endpoint_of(const sockaddr_storage& address) {
  tcp::endpoint made;
  const std::size_t size = address.ss_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  made.resize(size);
  std::memcpy(made.data(), &address, size);
  return made;
}

}  // namespace

HttpConnection::HttpConnection(tcp::socket socket, std::shared_ptr<const net::TlsContext> tls, Api& api,
                               std::shared_ptr<HttpUse> use, Offer offer)
    : stream_(std::move(socket), std::move(tls)),
      api_(api),
      use_(std::move(use)),
      buffer_(kBufferBytes),
      offer_(offer) {
  ++use_->connections;
  boost::system::error_code ignored;
  stream_.socket().set_option(tcp::no_delay(true), ignored);
  from_ = info_of(stream_.socket());
}

HttpConnection::~HttpConnection() {
  if (sent_) sent_(false);
  give_back_body();
  use_->answers_bytes -= answer_reserved_;
  --use_->connections;
}

void HttpConnection::give_back_body() noexcept {
  use_->bodies_bytes -= std::exchange(body_reserved_, 0);
}

void HttpConnection::begin(bool proxied) {
  stream_.expires_after(HttpServer::kFirstHeadTimeout);
  if (proxied) return read_proxy_header();
  if (stream_.is_secure()) return shake_hands();
  read_head(HttpServer::kFirstHeadTimeout);
}

void HttpConnection::read_proxy_header() {
  stream_.read_proxy_header(proxy_header_, [self = shared_from_this()](Error error, std::size_t) {
    if (error == asio::error::invalid_argument) {
      return self->use_->log("HTTP connection from " + self->from_.peer +
                             " is closed: it comes from a proxy and does not begin with a PROXY header");
    }
    if (error) return;
    const bool proxy_is_near = self->from_.peer_is_loopback;
    self->from_.peer_is_loopback = false;  // who is not known is not known to be near
    if (self->proxy_header_.has_source()) {
      describe(endpoint_of(self->proxy_header_.source()), self->from_);
      // The loopback of another machine is not ours.
      self->from_.peer_is_loopback = self->from_.peer_is_loopback && proxy_is_near;
    }
    self->begin(false);
  });
}

void HttpConnection::shake_hands() {
  stream_.shake_hands([self = shared_from_this()](Error error, std::size_t) {
    const net::TlsEngine& engine = *self->stream_.peer();
    if (error && !engine.failure().empty()) {
      self->use_->log("HTTPS connection from " + self->from_.peer + " is closed: " + engine.failure());
    }
    if (error) return;
    auto tls = std::make_shared<broker::TlsPeer>();
    tls->version = engine.version();
    tls->cipher = engine.cipher();
    self->from_.tls = std::move(tls);
    self->read_head(HttpServer::kFirstHeadTimeout);
  });
}

void HttpConnection::read_head(runtime::Milliseconds timeout) {
  parser_.emplace();
  parser_->header_limit(HttpServer::kMaxHeadBytes);
  parser_->body_limit(HttpServer::kMaxBodyBytes);
  head_only_ = false;
  from_page_ = false;
  stream_.expires_after(timeout);
  http::async_read_header(stream_, buffer_, *parser_,
                          [self = shared_from_this()](Error error, std::size_t) { self->on_head(error); });
}

// A page of another site must not use what the browser remembers of ours.
bool HttpConnection::comes_from_elsewhere() const {
  const auto& head = parser_->get();
  const std::string_view origin = view(head[http::field::origin]);
  if (origin.empty()) return false;
  const std::size_t scheme_end = origin.find("://");
  return scheme_end == std::string_view::npos ||
         origin.substr(scheme_end + 3) != view(head[http::field::host]);
}

void HttpConnection::on_head(Error error) {
  stream_.expires_never();
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return refuse(refusal(431, "bad_request", "the head of the request is too long"));
  }
  if (error == http::error::body_limit) return refuse_body(HttpServer::kMaxBodyBytes);
  if (error && error.category() == http::make_error_code(http::error::end_of_stream).category() &&
      error != http::error::end_of_stream && error != http::error::partial_message) {
    return refuse(refusal(400, "bad_request", "not HTTP: " + error.message()));
  }
  if (error) return;  // gone, or silent for too long
  const auto& head = parser_->get();
  // RFC 9112 §6.3: where it ends cannot be known, and whoever stands in front may see another end than we do.
  if (!head[http::field::transfer_encoding].empty() && !parser_->chunked()) {
    return refuse(refusal(400, "bad_request", "not HTTP: the body is not chunked at the last"));
  }
  keep_ = parser_->keep_alive();
  head_only_ = head.method() == http::verb::head;
  from_page_ = !head["X-Requested-With"].empty();
  auto target = parse_target(view(head.target()));
  if (!target) return refuse(refusal(400, "bad_request", "the path of the request is malformed"));
  if (comes_from_elsewhere()) {
    return refuse(refusal(403, "forbidden", "requests of other origins are not answered"));
  }
  std::optional<Answer> page;
  if (offer_ == Offer::api) {
    page = page_answer(view(head.method_string()), *target, view(head[http::field::if_none_match]));
  }
  if (page && parser_->is_done()) return answer(std::move(*page));
  if (page) return refuse(std::move(*page));
  auto call = std::make_shared<Call>();
  call->method = view(head.method_string());
  call->target = std::move(*target);
  call->authorization = view(head[http::field::authorization]);
  call->reason = view(head["X-Reason"]);
  call->from = from_;
  call->is_scrape = offer_ == Offer::metrics;
  for (const auto& field : head) {
    call->headers.emplace_back(view(field.name_string()), view(field.value()));
  }
  call->reply = [self = shared_from_this()](Answer&& given) { self->answer(std::move(given)); };
  call->watch = [self = shared_from_this()](Task gone) { self->watch(std::move(gone)); };
  call->begin_stream = [self = shared_from_this()](std::string_view content_type, Task gone) {
    return self->begin_stream(content_type, std::move(gone));
  };
  api_.admit(call, [self = shared_from_this(), call](std::optional<Answer> refused) {
    if (!refused) return self->read_body(call);
    // The next request can be found only behind this one's body.
    if (self->parser_->is_done()) return self->answer(std::move(*refused));
    self->refuse(std::move(*refused));
  });
}

void HttpConnection::refuse_body(std::uint64_t bytes_max) {
  refuse(refusal(413, "content_too_large",
                 "the body of this request may have at most " + std::to_string(bytes_max) + " bytes"));
}

void HttpConnection::read_body(const CallRef& call) {
  if (parser_->is_done()) return take_body(call);
  const std::uint64_t bytes_max = body_bytes_max(*call->route);
  // Without a length it may be as long as any.
  const auto length = parser_->content_length();
  const std::uint64_t bytes = length ? *length : bytes_max;
  if (bytes > bytes_max) return refuse_body(bytes_max);
  if (use_->bodies_bytes + bytes > HttpServer::kMaxBodiesBytes) {
    return refuse(refusal(503, "service_unavailable", "too many large requests at once; try again"));
  }
  if (!length) parser_->body_limit(bytes_max);
  body_reserved_ = bytes;
  use_->bodies_bytes += bytes;
  if (beast::iequals(parser_->get()[http::field::expect], "100-continue")) return say_continue(call);
  stream_.expires_after(HttpServer::kBodyTimeout);
  http::async_read(stream_, buffer_, *parser_,
                   [self = shared_from_this(), call, bytes_max](Error error, std::size_t) {
                     self->stream_.expires_never();
                     if (error == http::error::body_limit) return self->refuse_body(bytes_max);
                     if (!error) self->take_body(call);
                   });
}

void HttpConnection::say_continue(const CallRef& call) {
  parser_->get().erase(http::field::expect);
  stream_.expires_after(HttpServer::kAnswerTimeout);
  asio::async_write(stream_, asio::buffer(kContinue),
                    [self = shared_from_this(), call](Error error, std::size_t) {
                      if (error) return;
                      self->give_back_body();
                      self->read_body(call);
                    });
}

void HttpConnection::take_body(const CallRef& call) {
  call->body = std::move(parser_->get().body());
  api_.handle(call);
}

// While a call waits.

void HttpConnection::watch(Task gone) {
  gone_ = std::move(gone);
  if (watching_ || buffer_.size() + kWatchBytes > buffer_.max_size()) return;
  watching_ = true;
  stream_.expires_never();
  stream_.async_read_some(
      buffer_.prepare(kWatchBytes),
      [self = shared_from_this()](Error error, std::size_t bytes) { self->on_watched(error, bytes); });
}

void HttpConnection::on_watched(Error error, std::size_t bytes) {
  watching_ = false;
  buffer_.commit(bytes);
  if (std::exchange(waits_for_watch_, false)) return go_on();
  // What came instead is the next request, and waits for its turn: whether its sender stays shows later.
  if (error && error != asio::error::operation_aborted) lose_peer();
}

void HttpConnection::lose_peer() {
  lost_ = true;
  streaming_ = false;
  if (gone_) std::exchange(gone_, {})();
}

struct HttpConnection::Stream final : AnswerStream {
  explicit Stream(std::shared_ptr<HttpConnection> of) : connection(std::move(of)) {}
  ~Stream() override { end(); }
  void write(std::string piece, Task written) override {
    if (connection) connection->write_piece(std::move(piece), std::move(written));
  }
  void end() override {
    if (connection) std::exchange(connection, nullptr)->end_stream();
  }
  std::shared_ptr<HttpConnection> connection;
};

// Ends with its connection, so that it needs no framing.
std::shared_ptr<AnswerStream> HttpConnection::begin_stream(std::string_view content_type, Task gone) {
  give_back_body();
  keep_ = false;
  streaming_ = true;
  http::fields fields;
  set_common(fields);
  fields.set(http::field::cache_control, "no-cache, no-store");
  fields.set(http::field::content_type, content_type);
  fields.set(http::field::connection, "close");
  stream_head_ = "HTTP/1.1 200 OK\r\n";
  for (const auto& field : fields) {
    stream_head_.append(view(field.name_string())).append(": ").append(view(field.value())).append("\r\n");
  }
  stream_head_ += "\r\n";
  watch(std::move(gone));
  return std::make_shared<Stream>(shared_from_this());
}

void HttpConnection::write_piece(std::string piece, Task written) {
  if (!streaming_) return;
  use_->answers_bytes += piece.size();
  answer_reserved_ += piece.size();
  if (use_->answers_bytes > HttpServer::kMaxAnswersBytes) {
    asio::post(stream_.get_executor(), [self = shared_from_this()] { self->lose_peer(); });
    return;
  }
  piece_ = stream_head_.empty() ? std::move(piece) : std::exchange(stream_head_, {}) + piece;
  stream_.expires_after(HttpServer::kAnswerTimeout);
  asio::async_write(
      stream_, asio::buffer(piece_),
      [self = shared_from_this(), written = std::move(written)](Error error, std::size_t) mutable {
        self->use_->answers_bytes -= std::exchange(self->answer_reserved_, 0);
        self->piece_ = {};
        if (error) return self->lose_peer();
        if (self->streaming_ && written) written();
      });
}

void HttpConnection::end_stream() {
  gone_ = {};
  streaming_ = false;
  stream_.close();
}

void HttpConnection::set_common(http::fields& fields) {
  fields.set("X-Content-Type-Options", "nosniff");
  fields.set("Referrer-Policy", "no-referrer");
  fields.set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
}

void HttpConnection::answer(Answer&& given) {
  give_back_body();
  gone_ = {};
  if (lost_) {
    if (given.sent) given.sent(false);
    return;
  }
  if (use_->answers_bytes + given.body.size() > HttpServer::kMaxAnswersBytes) {
    if (given.sent) given.sent(false);
    given = refusal(503, "service_unavailable",
                    "the answer is too large while others wait to be read; ask for a page of it");
    keep_ = false;
  }
  answer_reserved_ = given.body.size();
  use_->answers_bytes += answer_reserved_;
  sent_ = std::move(given.sent);
  response_.emplace(static_cast<http::status>(given.status), 11);
  Response& response = *response_;
  response.keep_alive(keep_);
  set_common(response);
  if (given.file != nullptr) {
    // Kept, but asked about before each use: the page and the broker that it asks are of one version.
    response.set(http::field::cache_control, "no-cache");
    response.set(http::field::etag, given.file->etag);
    response.set("Content-Security-Policy", kPagePolicy);
  } else {
    response.set(http::field::cache_control, "no-cache, no-store");
  }
  // A browser would ask for the password in a window of its own; the page has a form.
  if (given.ask_for_login && !from_page_) {
    response.set(http::field::www_authenticate, "Basic realm=\"Millrace Management\"");
  }
  if (!given.location.empty()) response.set(http::field::location, given.location);
  if (!given.allow.empty()) response.set(http::field::allow, given.allow);
  if (!given.body.empty()) response.set(http::field::content_type, given.content_type);
  for (const auto& [header, value] : given.headers) response.set(header, value);
  const bool has_body = given.status != 204 && given.status != 304;
  if (has_body) response.content_length(given.body.size());
  if (!head_only_ && has_body) response.body() = std::move(given.body);
  stream_.expires_after(HttpServer::kAnswerTimeout);
  http::async_write(stream_, response,
                    [self = shared_from_this()](Error error, std::size_t) { self->on_answered(error); });
}

void HttpConnection::on_answered(Error error) {
  use_->answers_bytes -= std::exchange(answer_reserved_, 0);
  response_.reset();
  if (sent_) std::exchange(sent_, {})(!error);
  if (error) return stream_.close();
  go_on();
}

void HttpConnection::go_on() {
  if (watching_) {
    waits_for_watch_ = true;
    stream_.cancel();
    return;
  }
  if (keep_) return read_head(HttpServer::kHeadTimeout);
  // Closing with unread bytes would reset the connection, and the peer might not see the answer.
  stream_.shut_down_writing();
  parser_.reset();
  stream_.expires_after(HttpServer::kLinger);
  unread_.resize(16 * 1024);
  linger(HttpServer::kLingerBytes);
}

void HttpConnection::linger(std::size_t left) {
  if (left == 0) return;
  stream_.async_read_some(asio::buffer(unread_),
                          [self = shared_from_this(), left](Error error, std::size_t bytes) {
                            if (!error) self->linger(left - std::min(left, bytes));
                          });
}

}  // namespace millrace::management
