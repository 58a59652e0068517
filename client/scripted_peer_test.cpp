#include "client/scripted_peer_test.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>

#include "codec/amqp091/table_builder.hpp"

namespace millrace::client_test {

namespace {

constexpr int kPatienceMs = 20'000;

}  // namespace

ScriptedPeer::ScriptedPeer() {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener_, 16) != 0)
    fail("cannot listen");
  socklen_t bytes = sizeof address;
  getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &bytes);
  port_ = ntohs(address.sin_port);
}

ScriptedPeer::~ScriptedPeer() {
  hang_up();
  close(listener_);
}

void ScriptedPeer::fail(const std::string& why) {
  throw std::runtime_error("the peer's script: " + why);
}

bool ScriptedPeer::readable_within(int fd, int milliseconds) const {
  pollfd wait{fd, POLLIN, 0};
  return poll(&wait, 1, milliseconds) > 0;
}

bool ScriptedPeer::connects_within(int milliseconds) {
  return readable_within(listener_, milliseconds);
}

void ScriptedPeer::accept() {
  if (!connects_within(kPatienceMs)) fail("nobody connects");
  hang_up();
  fd_ = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (fd_ < 0) fail("cannot accept");
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  in_.clear();
  to_consume_ = 0;
  while (in_.size() < amqp::kGreetingBytes) read_some();
  if (amqp::classify_greeting(in_.view().first(amqp::kGreetingBytes)) != amqp::Greeting::amqp091)
    fail("the client does not greet in AMQP 0-9-1");
  in_.consume(amqp::kGreetingBytes);
}

void ScriptedPeer::send_start(const Greeting& greeting) {
  Buffer table;
  amqp::TableBuilder properties(table);
  properties.put_text("product", "RabbitMQ")
      .put_text("version", "4.1.0")
      .put_text("platform", greeting.platform);
  send(0, amqp::connection::Start{0, 9, properties.view(), greeting.mechanisms, "en_US"});
}

void ScriptedPeer::accept_client(const Greeting& greeting) {
  accept();
  send_start(greeting);
  expect<amqp::connection::StartOk>();
  send(0, amqp::connection::Tune{greeting.channel_max, greeting.frame_max, greeting.heartbeat});
  expect<amqp::connection::TuneOk>();
  expect<amqp::connection::Open>();
  send(0, amqp::connection::OpenOk{});
}

void ScriptedPeer::hang_up() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

void ScriptedPeer::read_some() {
  constexpr std::size_t kBytes = 65536;
  if (!readable_within(fd_, kPatienceMs)) fail("the client says nothing");
  const ssize_t got = recv(fd_, in_.reserve(kBytes), kBytes, 0);
  if (got <= 0) fail("the client is gone");
  in_.commit(static_cast<std::size_t>(got));
}

amqp::Frame ScriptedPeer::any_frame() {
  in_.consume(to_consume_);
  to_consume_ = 0;
  for (;;) {
    const amqp::FrameSplit split = amqp::split_frame(in_.view(), 0);
    if (split.state == amqp::FrameState::complete) {
      to_consume_ = static_cast<std::size_t>(split.bytes);
      return split.frame;
    }
    if (split.state != amqp::FrameState::need_more) fail("the client does not send frames");
    read_some();
  }
}

amqp::Frame ScriptedPeer::next_frame() {
  for (;;) {
    const amqp::Frame frame = any_frame();
    if (frame.type != amqp::FrameType::heartbeat) return frame;
  }
}

void ScriptedPeer::expect_heartbeat() {
  if (any_frame().type != amqp::FrameType::heartbeat) fail("a heartbeat was expected");
}

bool ScriptedPeer::is_silent_for(int milliseconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
  for (;;) {
    in_.consume(to_consume_);
    to_consume_ = 0;
    while (!in_.empty()) {
      const amqp::FrameSplit split = amqp::split_frame(in_.view(), 0);
      if (split.state != amqp::FrameState::complete) break;
      if (split.frame.type != amqp::FrameType::heartbeat) return false;
      in_.consume(static_cast<std::size_t>(split.bytes));
    }
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    if (left.count() <= 0 || !readable_within(fd_, static_cast<int>(left.count()))) return true;
    read_some();
  }
}

void ScriptedPeer::check_method(const amqp::Frame& frame, std::uint32_t id) const {
  if (frame.type != amqp::FrameType::method)
    fail("a method was expected: " + std::string(amqp::method_name(id)));
  const auto got = load_be<std::uint32_t>(frame.payload.data());
  if (got == id) return;
  std::string why =
      std::string(amqp::method_name(id)) + " was expected, not " + std::string(amqp::method_name(got));
  if (got == amqp::connection::Close::id || got == amqp::channel::Close::id) {
    Reader in(frame.payload.subspan(4));
    amqp::channel::Close close;
    amqp::channel::Close::parse(in, close);
    why += " (" + std::string(close.reply_text) + ")";
  }
  fail(why);
}

Published ScriptedPeer::expect_publish() {
  Published published;
  const auto method = expect<amqp::basic::Publish>(&published.channel);
  published.exchange = method.exchange;
  published.routing_key = method.routing_key;
  published.mandatory = method.mandatory;
  const amqp::Frame frame = next_frame();
  amqp::ContentHeader header;
  if (amqp::parse_content_header(frame.payload, header) != amqp::HeaderParsed::ok)
    fail("a bad content header");
  published.properties = as_text(header.raw);
  published.message_id = header.properties.message_id.value_or("");
  published.reply_to = header.properties.reply_to.value_or("");
  published.correlation_id = header.properties.correlation_id.value_or("");
  while (published.body.size() < header.body_bytes) published.body += as_text(next_frame().payload);
  return published;
}

void ScriptedPeer::write(ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) fail("the client is gone");
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
}

void ScriptedPeer::deliver(std::uint16_t channel, std::string_view consumer_tag, std::uint64_t tag,
                           std::string_view body, const amqp::Properties& properties, bool redelivered) {
  Buffer raw;
  amqp::write_properties(raw, properties);
  Buffer out;
  amqp::write_deliver(out, channel, consumer_tag, tag, redelivered, "", "queue", raw.view(), as_bytes(body),
                      4096);
  write(out.view());
}

void ScriptedPeer::return_message(const Published& published, std::uint16_t code, std::string_view text) {
  Buffer out;
  amqp::write_message(out, published.channel,
                      amqp::basic::Return{code, text, published.exchange, published.routing_key},
                      as_bytes(published.properties), as_bytes(published.body), 4096);
  write(out.view());
}

std::uint16_t ScriptedPeer::expect_publisher() {
  std::uint16_t channel = 0;
  expect<amqp::channel::Open>(&channel);
  expect<amqp::confirm::Select>();
  send(channel, amqp::channel::OpenOk{});
  send(channel, amqp::confirm::SelectOk{});
  return channel;
}

std::uint16_t ScriptedPeer::expect_consumer(std::string* tag, std::uint16_t* prefetch) {
  std::uint16_t channel = 0;
  expect<amqp::channel::Open>(&channel);
  const auto qos = expect<amqp::basic::Qos>();
  if (prefetch) *prefetch = qos.prefetch_count;
  const auto consume = expect<amqp::basic::Consume>();
  const std::string consumer_tag(consume.consumer_tag);
  send(channel, amqp::channel::OpenOk{});
  send(channel, amqp::basic::QosOk{});
  send(channel, amqp::basic::ConsumeOk{consumer_tag});
  if (tag) *tag = consumer_tag;
  return channel;
}

void ScriptedPeer::expect_channel() {
  std::uint16_t channel = 0;
  expect<amqp::channel::Open>(&channel);
  send(channel, amqp::channel::OpenOk{});
}

void ScriptedPeer::answer_declare(const std::string& queue) {
  std::uint16_t channel = 0;
  const auto declare = expect<amqp::queue::Declare>(&channel);
  if (declare.queue != queue)
    fail("queue '" + queue + "' was to be declared, not '" + std::string(declare.queue) + "'");
  send(channel, amqp::queue::DeclareOk{declare.queue, 0, 0});
}

}  // namespace millrace::client_test
