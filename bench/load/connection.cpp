#include "load/connection.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "codec/amqp091/table_builder.hpp"

namespace millrace::load {

namespace {

// One read: large enough to spread the cost of the call, small enough to stay in the processor's cache.
constexpr std::size_t kReadBytes = 128 * 1024;
constexpr int kAnswerTimeoutMs = 60'000;

[[noreturn]] void fail_with_errno(std::string_view what) {
  throw Failure(fmt::format("{}: {}", what, std::strerror(errno)));
}

sockaddr_in ipv4(const std::string& host, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1)
    throw Failure(fmt::format("--host {}: not an IPv4 address", host));
  return address;
}

}  // namespace

Connection::Connection(const Options& options, const std::string& local_address) {
  try {
    connect(options, local_address);
    hand_shake(options);
  } catch (...) {
    ::close(fd_);
    throw;
  }
}

Connection::~Connection() {
  ::close(fd_);
}

void Connection::connect(const Options& options, const std::string& local_address) {
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd_ < 0) fail_with_errno("socket");
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (!local_address.empty()) {
    const sockaddr_in from = ipv4(local_address, 0);
    setsockopt(fd_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(fd_, reinterpret_cast<const sockaddr*>(&from), sizeof from) != 0) fail_with_errno(local_address);
  }
  const sockaddr_in to = ipv4(options.host, options.port);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
    fail_with_errno(fmt::format("{}:{}", options.host, options.port));
  fcntl(fd_, F_SETFL, fcntl(fd_, F_GETFL) | O_NONBLOCK);
}

void Connection::hand_shake(const Options& options) {
  Buffer table;
  amqp::TableBuilder properties(table);
  properties.put_text("product", "millrace_load").begin_table("capabilities");
  properties.put_bool("authentication_failure_close", true)
      .put_bool("consumer_cancel_notify", true)
      .end_table();
  const std::string response = '\0' + options.user + '\0' + options.password;

  out_.append(ByteView{amqp::kProtocolHeader});
  await<amqp::connection::Start>([](const auto&) {});
  amqp::encode(out_, 0, amqp::connection::StartOk{properties.view(), "PLAIN", response, "en_US"});
  await<amqp::connection::Tune>([&](const amqp::connection::Tune& tune) {
    frame_max_ = tune.frame_max != 0 ? tune.frame_max : 131072;
    amqp::encode(out_, 0, amqp::connection::TuneOk{tune.channel_max, frame_max_, 0});
  });
  amqp::encode(out_, 0, amqp::connection::Open{options.vhost, {}, false});
  await<amqp::connection::OpenOk>([](const auto&) {});
  call<amqp::channel::OpenOk>(amqp::channel::Open{});
}

bool Connection::flush() {
  while (!out_.empty()) {
    const std::size_t sent = send(out_.data(), out_.size());
    if (sent == 0) return false;
    out_.consume(sent);
  }
  return true;
}

std::size_t Connection::send(const std::uint8_t* bytes, std::size_t count) {
  const ssize_t sent = ::send(fd_, bytes, count, MSG_NOSIGNAL);
  if (sent >= 0) return static_cast<std::size_t>(sent);
  if (errno == EAGAIN || errno == EINTR) return 0;
  if (errno == EPIPE || errno == ECONNRESET) {
    // What the broker said before it closed is worth more than the error of the send.
    for (amqp::Frame frame; receive();)
      while (next_frame(frame))
        if (method_id(frame) == amqp::connection::Close::id) refuse(frame);
  }
  fail_with_errno("send");
}

bool Connection::receive() {
  in_.consume(to_consume_);
  to_consume_ = 0;
  const ssize_t got = ::recv(fd_, in_.reserve(kReadBytes), kReadBytes, 0);
  if (got > 0) return in_.commit(static_cast<std::size_t>(got)), true;
  if (got == 0) throw Failure("the broker closed the connection");
  if (errno == EAGAIN || errno == EINTR) return false;
  fail_with_errno("recv");
}

bool Connection::next_frame(amqp::Frame& frame) {
  in_.consume(to_consume_);
  to_consume_ = 0;
  const amqp::FrameSplit split = amqp::split_frame(in_.view(), frame_max_);
  if (split.state == amqp::FrameState::complete) [[likely]] {
    to_consume_ = static_cast<std::size_t>(split.bytes);
    frame = split.frame;
    return true;
  }
  if (split.state != amqp::FrameState::need_more)
    throw Failure("what the broker sends is not AMQP 0-9-1 frames");
  return false;
}

void Connection::wait_readable() {
  const bool all_sent = flush();
  pollfd wait{fd_, static_cast<short>(all_sent ? POLLIN : POLLIN | POLLOUT), 0};
  if (poll(&wait, 1, kAnswerTimeoutMs) == 0) throw Failure("no answer from the broker in 60 s");
}

void Connection::close() {
  amqp::encode(out_, 0, amqp::connection::Close{200, "done", 0, 0});
  await<amqp::connection::CloseOk>([](const auto&) {});
}

bool Connection::harmless(const amqp::Frame& frame) noexcept {
  const std::uint32_t id = method_id(frame);
  return frame.type == amqp::FrameType::heartbeat || id == amqp::connection::Blocked::id ||
         id == amqp::connection::Unblocked::id;
}

void Connection::refuse(const amqp::Frame& frame) const {
  const std::uint32_t id = method_id(frame);
  if (id == amqp::connection::Close::id) {
    const auto close = parse_method<amqp::connection::Close>(frame);
    throw Failure(fmt::format("the broker closed the connection: {} {}", close.reply_code, close.reply_text));
  }
  if (id == amqp::channel::Close::id) {
    const auto close = parse_method<amqp::channel::Close>(frame);
    throw Failure(fmt::format("the broker closed the channel: {} {}", close.reply_code, close.reply_text));
  }
  if (id == amqp::basic::Deliver::id) throw Failure("a message was delivered after all had been received");
  if (id == amqp::basic::Return::id) throw Failure("the broker returned a message");
  throw Failure(
      fmt::format("unexpected frame of type {} {}", static_cast<int>(frame.type), amqp::method_name(id)));
}

}  // namespace millrace::load
