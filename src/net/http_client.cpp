#include "net/http_client.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <deque>
#include <optional>
#include <utility>

#include "base/number.hpp"
#include "base/percent.hpp"

namespace millrace::net {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;
using ErrorCode = boost::system::error_code;
using SecureStream = asio::ssl::stream<tcp::socket>;

Error bad_url(std::string_view text, std::string_view why) {
  return fail(Errc::invalid_argument, "'" + std::string(text) + "' " + std::string(why));
}

}  // namespace

bool Url::is_loopback() const noexcept {
  if (host == "localhost") return true;
  ErrorCode not_numeric;
  const auto address = asio::ip::make_address(host, not_numeric);
  return !not_numeric && address.is_loopback();
}

result<Url> Url::parse(std::string_view text) {
  constexpr std::string_view kSecure = "https://";
  constexpr std::string_view kPlain = "http://";
  Url url;
  std::string_view rest = text;
  url.secure = rest.starts_with(kSecure);
  if (!url.secure && !rest.starts_with(kPlain)) return bad_url(text, "is no URL of https or http");
  rest.remove_prefix(url.secure ? kSecure.size() : kPlain.size());
  for (const char c : rest) {
    if (c <= ' ' || c == 0x7f || c == '#') return bad_url(text, "has what a URL of ours cannot have");
  }
  const std::size_t path = std::min(rest.find_first_of("/?"), rest.size());
  std::string_view authority = rest.substr(0, path);
  url.target = rest.substr(path);
  if (!url.target.starts_with('/')) url.target.insert(0, "/");
  if (authority.find('@') != std::string_view::npos) return bad_url(text, "has credentials");
  url.port = url.secure ? "443" : "80";
  std::size_t end = authority.size();
  if (authority.starts_with('[')) {
    end = authority.find(']');
    if (end == std::string_view::npos) return bad_url(text, "is no URL of https or http");
    url.host = authority.substr(1, end - 1);
    ++end;
  } else {
    end = std::min(authority.find(':'), authority.size());
    url.host = authority.substr(0, end);
  }
  authority.remove_prefix(end);
  if (!authority.empty()) {
    const auto port = whole_number<std::uint64_t>(authority.substr(1));
    if (!authority.starts_with(':') || !port || *port == 0 || *port > 65'535)
      return bad_url(text, "has no port that there is");
    url.port = std::to_string(*port);
  }
  if (url.host.empty()) return bad_url(text, "names no host");
  return url;
}

struct HttpClient::State : std::enable_shared_from_this<State> {
  struct Wanted {
    Url url;
    http::request<http::string_body> request;
    std::chrono::milliseconds timeout;
    Done done;
  };
  class Exchange;

  explicit State(asio::io_context& ctx) : context(ctx) {}

  void send(const Url& url, http::request<http::string_body> request, std::chrono::milliseconds timeout,
            Done done);
  void one_ended();

  asio::io_context& context;
  asio::ssl::context tls{asio::ssl::context::tls_client};
  std::size_t under_way = 0;
  std::deque<std::shared_ptr<Exchange>> waiting;
};

// One request and its reply. Lives while its handlers do.
class HttpClient::State::Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  Exchange(std::shared_ptr<State> state, Wanted wanted)
      : state_(std::move(state)),
        wanted_(std::move(wanted)),
        resolver_(state_->context),
        stream_(state_->context, state_->tls),
        timer_(state_->context) {
    parser_.body_limit(kMaxReplyBytes);
  }

  // Its time runs from here, also while it waits for its turn.
  void watch() {
    timer_.expires_after(wanted_.timeout);
    timer_.async_wait([self = shared_from_this()](const ErrorCode& cancelled) {
      if (cancelled || self->is_over()) return;
      self->late_ = true;
      self->resolver_.cancel();
      self->fail_with("no reply", {});  // not even the system's resolver is waited for
    });
  }
  bool is_over() const noexcept { return !wanted_.done; }

  void begin() {
    begun_ = true;
    resolver_.async_resolve(wanted_.url.host, wanted_.url.port,
                            [self = shared_from_this()](const ErrorCode& failed, const auto& found) {
                              if (self->is_over()) return;
                              if (failed) return self->fail_with("cannot find its address", failed);
                              self->connect(found);
                            });
  }

 private:
  void connect(const tcp::resolver::results_type& found) {
    asio::async_connect(stream_.next_layer(), found,
                        [self = shared_from_this()](const ErrorCode& failed, const tcp::endpoint&) {
                          if (failed) return self->fail_with("cannot connect", failed);
                          if (self->wanted_.url.secure) return self->shake_hands();
                          self->write(self->stream_.next_layer());
                        });
  }

  void shake_hands() {
    const std::string& host = wanted_.url.host;
    ErrorCode is_name;
    asio::ip::make_address(host, is_name);
    // RFC 6066 §3: a name, never an address.
    if (is_name) SSL_set_tlsext_host_name(stream_.native_handle(), host.c_str());
    ErrorCode failed;
    stream_.set_verify_mode(asio::ssl::verify_peer, failed);
    if (!failed) stream_.set_verify_callback(asio::ssl::host_name_verification(host), failed);
    if (failed) return fail_with("cannot verify it", failed);
    stream_.async_handshake(SecureStream::client, [self = shared_from_this()](const ErrorCode& error) {
      if (error) return self->fail_with("the TLS handshake failed", error);
      self->write(self->stream_);
    });
  }

  template <class Stream>
  void write(Stream& stream) {
    http::async_write(stream, wanted_.request,
                      [self = shared_from_this(), &stream](const ErrorCode& failed, std::size_t) {
                        if (failed) return self->fail_with("cannot send", failed);
                        self->read(stream);
                      });
  }

  template <class Stream>
  void read(Stream& stream) {
    http::async_read(stream, buffer_, parser_,
                     [self = shared_from_this()](const ErrorCode& failed, std::size_t) {
                       if (failed) return self->fail_with("no reply", failed);
                       const auto& reply = self->parser_.get();
                       self->finish(HttpReply{reply.result_int(), reply.body()});
                     });
  }

  void close() {
    ErrorCode ignored;
    stream_.next_layer().close(ignored);
  }

  void fail_with(std::string_view what, const ErrorCode& why) {
    const Url& url = wanted_.url;
    finish(fail(Errc::io_error, url.host + ":" + url.port + ": " + std::string(what) + ": " +
                                    (late_ ? "it takes too long" : why.message())));
  }

  void finish(result<HttpReply> outcome) {
    if (is_over()) return;
    timer_.cancel();
    close();
    // A password may be in there.
    std::string& body = wanted_.request.body();
    volatile char* at = body.data();
    for (std::size_t i = 0; i < body.size(); ++i) at[i] = '\0';
    Done done = std::move(wanted_.done);
    if (begun_) state_->one_ended();
    done(std::move(outcome));
  }

  std::shared_ptr<State> state_;
  Wanted wanted_;
  tcp::resolver resolver_;
  SecureStream stream_;
  asio::steady_timer timer_;
  boost::beast::flat_buffer buffer_;
  http::response_parser<http::string_body> parser_;
  bool begun_ = false;
  bool late_ = false;
};

void HttpClient::State::send(const Url& url, http::request<http::string_body> request,
                             std::chrono::milliseconds timeout, Done done) {
  Wanted wanted{url, std::move(request), timeout, std::move(done)};
  const bool is_ipv6 = url.host.find(':') != std::string::npos;
  const bool is_usual = url.port == (url.secure ? "443" : "80");
  wanted.request.set(http::field::host, (is_ipv6 ? "[" + url.host + "]" : url.host) +
                                            (is_usual ? std::string() : ":" + url.port));
  wanted.request.set(http::field::user_agent, "Millrace");
  wanted.request.set(http::field::connection, "close");
  if (wanted.request.method() == http::verb::post) wanted.request.prepare_payload();
  if (waiting.size() >= kMaxWaiting) {
    return wanted.done(fail(Errc::io_error, url.host + ":" + url.port + ": too many requests wait for it"));
  }
  auto exchange = std::make_shared<Exchange>(shared_from_this(), std::move(wanted));
  exchange->watch();
  if (under_way == kMaxAtOnce) return waiting.push_back(std::move(exchange));
  ++under_way;
  exchange->begin();
}

void HttpClient::State::one_ended() {
  --under_way;
  while (!waiting.empty()) {
    const std::shared_ptr<Exchange> next = std::move(waiting.front());
    waiting.pop_front();
    if (next->is_over()) continue;
    ++under_way;
    return next->begin();
  }
}

result<std::unique_ptr<HttpClient>> HttpClient::make(asio::io_context& context, const std::string& ca_file) {
  auto state = std::make_shared<State>(context);
  SSL_CTX_set_min_proto_version(state->tls.native_handle(), TLS1_2_VERSION);
  ErrorCode failed;
  if (ca_file.empty()) {
    state->tls.set_default_verify_paths(failed);
  } else {
    state->tls.load_verify_file(ca_file, failed);
  }
  if (failed) return fail(Errc::io_error, "cannot read '" + ca_file + "': " + failed.message());
  return std::unique_ptr<HttpClient>(new HttpClient(std::move(state)));
}

HttpClient::HttpClient(std::shared_ptr<State> state) : state_(std::move(state)) {}
HttpClient::~HttpClient() = default;

void HttpClient::get(const Url& url, std::chrono::milliseconds timeout, Done done) {
  state_->send(url, {http::verb::get, url.target, 11}, timeout, std::move(done));
}

void HttpClient::post(const Url& url, std::string_view media_type, std::string body,
                      std::chrono::milliseconds timeout, Done done) {
  http::request<http::string_body> request{http::verb::post, url.target, 11, std::move(body)};
  request.set(http::field::content_type, media_type);
  state_->send(url, std::move(request), timeout, std::move(done));
}

void add_field(std::string& form, std::string_view name, std::string_view value) {
  if (!form.empty()) form += '&';
  form.append(name).append("=");
  put_percent_encoded(form, value);
}

}  // namespace millrace::net
