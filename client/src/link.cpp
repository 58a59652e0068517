#include "client/src/link.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "client/src/in_process.hpp"
#include "client/src/reply_error.hpp"
#include "client/src/tls.hpp"
#include "codec/amqp091/table_builder.hpp"
#include "millrace/error.hpp"

namespace millrace::client {

namespace asio = boost::asio;
using asio::redirect_error;
using asio::use_awaitable;
using boost::system::error_code;

namespace {

// One read: large enough to spread the cost of the call, small enough to stay in the processor's cache.
constexpr std::size_t kReadBytes = 128 * 1024;
constexpr std::uint32_t kFrameMax = 131072;
// Before login a peer is anybody.
constexpr std::uint32_t kHandshakeFrameMax = 65536;

bool contains_word(std::string_view words, std::string_view word) {
  while (!words.empty()) {
    const auto end = words.find(' ');
    if (words.substr(0, end) == word) return true;
    if (end == std::string_view::npos) return false;
    words.remove_prefix(end + 1);
  }
  return false;
}

std::string text_of(amqp::TableView table, std::string_view key) {
  const auto value = amqp::find(table, key);
  return value ? std::string(value->as_text().value_or("")) : std::string();
}

template <class T>
T lower_limit(T ours, T theirs) {
  if (ours == 0 || theirs == 0) return std::max(ours, theirs);
  return std::min(ours, theirs);
}

}  // namespace

void throw_malformed(std::string_view method) {
  throw ClientError(ErrorKind::protocol, "the broker sent a malformed " + std::string(method));
}

Link::Link(asio::io_context& context, Owner& owner, const ClientOptions& options)
    : context_(context), owner_(owner), options_(options), stream_(context), timer_(context) {}

void Link::throw_connect_error(const std::string& what) const {
  if (timed_out_)
    throw ClientError(ErrorKind::not_connected, url_.host_and_port() + ": no answer within " +
                                                    std::to_string(options_.connect_timeout.count()) +
                                                    " ms (" + what + ")");
  throw ClientError(ErrorKind::not_connected, url_.host_and_port() + ": " + what);
}

asio::awaitable<void> Link::open(ServerUrl url) {
  const auto self = shared_from_this();
  url_ = std::move(url);
  timer_.expires_after(options_.connect_timeout);
  timer_.async_wait([self](error_code error) {
    if (error || self->started_ || self->closed_) return;
    self->timed_out_ = true;
    self->stream_.close();
  });
  co_await connect();
  if (url_.tls) co_await start_tls();
  co_await log_in();
  if (timed_out_) throw_connect_error("timeout");
  timer_.cancel();
}

void Link::connect_in_process() {
  Dialled dialled = dial_in_process(url_.host);
  if (!dialled.found)
    throw_connect_error(
        "there is no embedded broker of this name in this process; was it started, or ended?");
  if (!dialled.end) throw_connect_error("the embedded broker takes no more connections");
  stream_.use_pipe(std::move(*dialled.end));
}

asio::awaitable<void> Link::connect() {
  if (url_.in_process) {
    connect_in_process();
    co_return;
  }
  Tcp::resolver resolver(context_);
  error_code error;
  const auto endpoints =
      co_await resolver.async_resolve(url_.host, url_.port, redirect_error(use_awaitable, error));
  if (error) throw_connect_error("the name cannot be resolved: " + error.message());
  co_await asio::async_connect(stream_.socket(), endpoints, redirect_error(use_awaitable, error));
  if (error == asio::error::connection_refused)
    throw_connect_error("connection refused; is the broker running there?");
  if (error) throw_connect_error(error.message());
  stream_.socket().set_option(Tcp::no_delay(true), error);
}

asio::awaitable<void> Link::start_tls() {
  Stream::Tls& tls = stream_.use_tls(make_tls_context(options_.tls));
  set_up_tls(tls, options_.tls, url_.host);
  error_code error;
  co_await tls.async_handshake(asio::ssl::stream_base::client, redirect_error(use_awaitable, error));
  if (timed_out_) throw_connect_error("in the TLS handshake");
  if (error) throw ClientError(ErrorKind::tls, url_.host_and_port() + ": " + tls_problem(tls, error));
}

asio::awaitable<void> Link::write_out() {
  error_code error;
  const auto bytes = asio::buffer(out_.data(), out_.size());
  co_await asio::async_write(stream_, bytes, redirect_error(use_awaitable, error));
  if (error) throw_connect_error(error.message());
  out_.clear();
}

asio::awaitable<amqp::Frame> Link::next_frame() {
  in_.consume(to_consume_);
  to_consume_ = 0;
  for (;;) {
    if (in_.size() >= amqp::kGreetingBytes && as_text(in_.view()).starts_with("AMQP"))
      throw ClientError(ErrorKind::protocol,
                        url_.host_and_port() + " speaks another version of AMQP than 0-9-1");
    const amqp::FrameSplit split = amqp::split_frame(in_.view(), kHandshakeFrameMax);
    if (split.state == amqp::FrameState::complete) {
      to_consume_ = static_cast<std::size_t>(split.bytes);
      co_return split.frame;
    }
    if (split.state != amqp::FrameState::need_more && !as_text(in_.view()).starts_with("AMQP"))
      throw ClientError(ErrorKind::protocol,
                        url_.host_and_port() +
                            " does not speak AMQP 0-9-1 (or wants TLS: amqps://); is it the right port?");
    error_code error;
    const auto room = asio::buffer(in_.reserve(kReadBytes), kReadBytes);
    const std::size_t bytes = co_await stream_.async_read_some(room, redirect_error(use_awaitable, error));
    if (error == asio::error::eof) throw_connect_error("the broker closed the connection");
    if (error) throw_connect_error(error.message());
    in_.commit(bytes);
  }
}

template <class Method>
asio::awaitable<amqp::Frame> Link::expect() {
  const amqp::Frame frame = co_await next_frame();
  const std::uint32_t id = method_id(frame);
  if (id == amqp::connection::Close::id) {
    const auto close = parse_method<amqp::connection::Close>(frame);
    const bool login = close.reply_code == 403 || close.reply_code == 530 || close.reply_code == 402;
    std::string text = url_.host_and_port() + ": " + std::string(close.reply_text);
    if (login) text += "; check user, password and virtual host in the server's address";
    throw ClientError(login ? ErrorKind::refused_login : ErrorKind::broker, text, close.reply_code);
  }
  if (id != Method::id)
    throw ClientError(ErrorKind::protocol, url_.host_and_port() + ": " + std::string(Method::name) +
                                               " was expected, not " + std::string(amqp::method_name(id)));
  co_return frame;
}

void Link::take_start(const amqp::connection::Start& start) {
  if (!amqp::valid(start.server_properties)) throw_malformed(amqp::connection::Start::name);
  server_.product = text_of(start.server_properties, "product");
  server_.version = text_of(start.server_properties, "version");
  server_.platform = text_of(start.server_properties, "platform");
  const std::string information = text_of(start.server_properties, "information");
  for (const std::string& text : {server_.product, server_.platform, information})
    if (text.find("Millrace") != std::string::npos) server_.millrace = true;
}

void Link::send_start_ok(const amqp::connection::Start& start) {
  const bool with_certificate = !options_.tls.certificate_file.empty() && url_.tls;
  std::string mechanism = options_.mechanism;
  // A connection can vouch for its user: by a certificate, or by coming from the broker's own process.
  const bool vouched = with_certificate || (url_.in_process && url_.user.empty());
  if (mechanism.empty())
    mechanism = vouched && contains_word(start.mechanisms, "EXTERNAL") ? "EXTERNAL" : "PLAIN";
  if (!contains_word(start.mechanisms, mechanism))
    throw ClientError(ErrorKind::refused_login, url_.host_and_port() + " does not offer " + mechanism +
                                                    " to log in, only " + std::string(start.mechanisms));
  if (mechanism != "PLAIN" && mechanism != "EXTERNAL")
    throw ClientError(ErrorKind::invalid_argument,
                      "to log in by " + mechanism + " is not supported; use PLAIN or EXTERNAL");
  const std::string response = mechanism == "PLAIN" ? '\0' + url_.user + '\0' + url_.password : std::string();

  Buffer table;
  amqp::TableBuilder properties(table);
  properties.put_text("product", "libmillrace").put_text("platform", "C++");
  if (!options_.name.empty()) properties.put_text("connection_name", options_.name);
  properties.begin_table("capabilities");
  for (const char* capability :
       {"publisher_confirms", "consumer_cancel_notify", "basic.nack", "connection.blocked",
        "authentication_failure_close", "exchange_exchange_bindings"})
    properties.put_bool(capability, true);
  properties.end_table();
  amqp::encode(out_, 0, amqp::connection::StartOk{properties.view(), mechanism, response, "en_US"});
}

void Link::send_tune_ok(const amqp::connection::Tune& tune) {
  frame_max_ = lower_limit(kFrameMax, tune.frame_max);
  if (frame_max_ < amqp::kMinFrameMax)
    throw ClientError(ErrorKind::protocol,
                      url_.host_and_port() + " asks for frames too small to carry anything");
  channel_max_ = lower_limit(std::uint16_t{65535}, tune.channel_max);
  const auto ours = static_cast<std::uint16_t>(std::min<std::int64_t>(options_.heartbeat.count(), 65535));
  const std::uint16_t heartbeat = lower_limit(ours, tune.heartbeat);
  heartbeat_ = std::chrono::seconds(heartbeat);
  amqp::encode(out_, 0, amqp::connection::TuneOk{channel_max_, frame_max_, heartbeat});
}

asio::awaitable<void> Link::log_in() {
  out_.append(ByteView{amqp::kProtocolHeader});
  co_await write_out();
  amqp::Frame frame = co_await expect<amqp::connection::Start>();
  const auto start = parse_method<amqp::connection::Start>(frame);
  take_start(start);
  send_start_ok(start);
  co_await write_out();
  std::exception_ptr refused;
  try {
    frame = co_await expect<amqp::connection::Tune>();
  } catch (const ClientError& error) {
    // A broker that cannot say why closes the socket: nothing else is asked of it at this point.
    if (error.kind() != ErrorKind::not_connected || timed_out_) throw;
    refused = make_failure(
        ErrorKind::refused_login,
        url_.host_and_port() + ": the broker closed the connection in the login; check user and password");
  }
  if (refused) std::rethrow_exception(refused);
  send_tune_ok(parse_method<amqp::connection::Tune>(frame));
  amqp::connection::Open open;
  open.virtual_host = url_.vhost;
  amqp::encode(out_, 0, open);
  co_await write_out();
  co_await expect<amqp::connection::OpenOk>();
}

void Link::start() {
  started_ = true;
  in_.consume(to_consume_);
  to_consume_ = 0;
  tick();
  on_read(0);
}

void Link::read() {
  const auto self = shared_from_this();
  auto then = [self](error_code error, std::size_t bytes) {
    if (self->closed_) return;
    if (error == asio::error::eof)
      return self->lose(
          make_failure(ErrorKind::connection_lost,
                       "the connection to " + self->url_.host_and_port() + " was closed by the broker"));
    if (error)
      return self->lose(
          make_failure(ErrorKind::connection_lost,
                       "the connection to " + self->url_.host_and_port() + " broke: " + error.message()));
    self->on_read(bytes);
  };
  const auto room = asio::buffer(in_.reserve(kReadBytes), kReadBytes);
  stream_.async_read_some(room, std::move(then));
}

void Link::on_read(std::size_t bytes) {
  in_.commit(bytes);
  if (bytes != 0) silent_ticks_ = 0;
  try {
    while (!closed_) {
      const amqp::FrameSplit split = amqp::split_frame(in_.view(), frame_max_);
      if (split.state == amqp::FrameState::need_more) break;
      if (split.state != amqp::FrameState::complete)
        throw ClientError(ErrorKind::protocol,
                          "what " + url_.host_and_port() + " sends is not AMQP 0-9-1 frames");
      if (split.frame.type != amqp::FrameType::heartbeat) owner_.on_frame(split.frame);
      in_.consume(static_cast<std::size_t>(split.bytes));
    }
  } catch (const ClientError&) {
    if (!closed_) return lose(std::current_exception());
  }
  if (closed_) return;
  owner_.on_batch_read();
  if (closed_) return;
  flush();
  read();
}

void Link::flush() {
  if (writing_ || out_.empty() || closed_) return;
  writing_ = true;
  sent_since_tick_ = true;
  sending_.swap(out_);
  const auto self = shared_from_this();
  auto then = [self](error_code error, std::size_t) {
    self->writing_ = false;
    self->sending_.clear();
    if (self->closed_) return;
    // What the broker said before it closed is still to be read: reading finds the end as well.
    if (error) return;
    self->owner_.on_written();
    self->flush();
  };
  const auto bytes = asio::buffer(sending_.data(), sending_.size());
  asio::async_write(stream_, bytes, std::move(then));
}

// Each half heartbeat (AMQP 0-9-1 §4.2.7): something is sent when nothing else was, and a peer that was
// silent for two whole ones is dead.
void Link::tick() {
  if (heartbeat_.count() == 0 || closed_) return;
  if (++silent_ticks_ > 4)
    return lose(make_failure(ErrorKind::connection_lost, "no sign of life from " + url_.host_and_port() +
                                                             " for " +
                                                             std::to_string(2 * heartbeat_.count()) + " s"));
  if (!sent_since_tick_ && out_.empty()) {
    std::uint8_t* at =
        amqp::wire::put_frame_header(out_.extend(amqp::kFrameOverhead), amqp::FrameType::heartbeat, 0, 0);
    *at = amqp::kFrameEnd;
    flush();
  }
  sent_since_tick_ = false;
  const auto self = shared_from_this();
  timer_.expires_after(std::chrono::milliseconds(heartbeat_) / 2);
  timer_.async_wait([self](error_code error) {
    if (!error) self->tick();
  });
}

void Link::lose(std::exception_ptr why) {
  if (closed_) return;
  close();
  owner_.on_link_lost(std::move(why));
}

void Link::close() {
  if (closed_) return;
  closed_ = true;
  timer_.cancel();
  stream_.close();
}

}  // namespace millrace::client
