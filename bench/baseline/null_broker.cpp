#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "baseline/baselines.hpp"
#include "baseline/socket.hpp"
#include "codec/amqp091/content.hpp"
#include "codec/amqp091/frame.hpp"
#include "codec/amqp091/table_builder.hpp"

namespace millrace::baseline {

namespace {

namespace amqp = millrace::amqp091;

constexpr std::uint32_t kFrameMax = 131072;
constexpr std::size_t kPublisherReadBytes = 256 * 1024;
constexpr int kEvents = 64;
constexpr std::uint64_t kFaultEvery = 10'000;  // messages of a producer

std::atomic<bool> stop_asked{false};

struct Connection {
  explicit Connection(File accepted) : socket(std::move(accepted)) {}

  File socket;
  bool greeted = false;
  bool closing = false;
  bool watched_for_room = false;
  bool touched = false;  // something was written into `out` in this turn
  Buffer in;
  Buffer out;

  // The message that is being published.
  Connection* consumer = nullptr;
  std::string exchange, routing_key;
  Buffer properties;
  Buffer parts;  // of a body in several frames
  Buffer held;   // a body that is delivered too late
  std::uint64_t body_bytes = 0;
  bool confirms = false;
  std::uint64_t published = 0;
  std::uint64_t confirmed = 0;

  std::uint64_t delivered = 0;
};

class NullBroker {
 public:
  NullBroker(std::uint16_t port, Fault fault);
  void run();

 private:
  void on_readable(Connection& connection);
  void on_frame(Connection& connection, const amqp::Frame& frame);
  void on_publish(Connection& connection, ByteView arguments);
  void on_header(Connection& connection, ByteView payload);
  void on_body(Connection& connection, ByteView part);
  void deliver(Connection& connection, ByteView body);
  void deliver_wrongly(Connection& connection, ByteView body);
  void write_delivery(Connection& connection, ByteView body);
  template <class Method>
  void answer(Connection& connection, std::uint16_t channel, const Method& method) {
    amqp::encode(connection.out, channel, method);
    touch(connection);
  }
  void on_request(Connection& connection, std::uint16_t channel, std::uint32_t id, Reader& in);
  void touch(Connection& connection) {
    if (connection.touched) return;
    connection.touched = true;
    touched_.push_back(&connection);
  }
  void flush(Connection& connection);
  void watch(Connection& connection, int operation, std::uint32_t events);
  void drop(Connection& connection);

  Fault fault_;
  File listener_;
  File epoll_;
  std::map<int, std::unique_ptr<Connection>> connections_;
  std::map<std::string, Connection*, std::less<>> consumers_;  // by queue
  std::vector<Connection*> touched_;
};

NullBroker::NullBroker(std::uint16_t port, Fault fault)
    : fault_(fault), listener_(listen_on_loopback(port)), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  epoll_event event{};
  event.events = EPOLLIN;
  epoll_ctl(epoll_.fd(), EPOLL_CTL_ADD, listener_.fd(), &event);
  fmt::print("ready amqp=127.0.0.1:{}\n", port);
  std::fflush(stdout);
}

void NullBroker::watch(Connection& connection, int operation, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &connection;
  epoll_ctl(epoll_.fd(), operation, connection.socket.fd(), &event);
}

void NullBroker::run() {
  while (!stop_asked.load(std::memory_order_relaxed)) {
    epoll_event events[kEvents];
    const int ready = epoll_wait(epoll_.fd(), events, kEvents, 100);
    for (int i = 0; i < ready; ++i) {
      if (events[i].data.ptr == nullptr) {
        auto connection = std::make_unique<Connection>(accept_from(listener_, true));
        watch(*connection, EPOLL_CTL_ADD, EPOLLIN);
        const int fd = connection->socket.fd();
        connections_.emplace(fd, std::move(connection));
        continue;
      }
      auto& connection = *static_cast<Connection*>(events[i].data.ptr);
      if ((events[i].events & EPOLLOUT) != 0) touch(connection);
      if ((events[i].events & ~std::uint32_t{EPOLLOUT}) != 0) on_readable(connection);
    }
    for (Connection* connection : std::exchange(touched_, {})) flush(*connection);
  }
}

void NullBroker::flush(Connection& connection) {
  connection.touched = false;
  while (!connection.out.empty()) {
    const ssize_t sent =
        send(connection.socket.fd(), connection.out.data(), connection.out.size(), MSG_NOSIGNAL);
    if (sent < 0) break;
    connection.out.consume(static_cast<std::size_t>(sent));
  }
  if (connection.closing) return drop(connection);
  if (connection.out.empty() == connection.watched_for_room) {
    connection.watched_for_room = !connection.out.empty();
    watch(connection, EPOLL_CTL_MOD, connection.watched_for_room ? EPOLLIN | EPOLLOUT : EPOLLIN);
  }
}

void NullBroker::drop(Connection& connection) {
  std::erase_if(consumers_, [&](const auto& entry) { return entry.second == &connection; });
  for (auto& [fd, other] : connections_)
    if (other->consumer == &connection) other->consumer = nullptr;
  connections_.erase(connection.socket.fd());
}

void NullBroker::on_readable(Connection& connection) {
  const ssize_t got =
      recv(connection.socket.fd(), connection.in.reserve(kPublisherReadBytes), kPublisherReadBytes, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    connection.closing = true;
    connection.out.clear();
    return touch(connection);
  }
  connection.in.commit(static_cast<std::size_t>(got));
  if (!connection.greeted) {
    if (connection.in.size() < amqp::kGreetingBytes) return;
    connection.in.consume(amqp::kGreetingBytes);
    connection.greeted = true;
    amqp::connection::Start start;
    start.version_minor = 9;
    start.mechanisms = "PLAIN";
    start.locales = "en_US";
    answer(connection, 0, start);
  }
  for (;;) {
    const amqp::FrameSplit split = amqp::split_frame(connection.in.view(), kFrameMax);
    if (split.state == amqp::FrameState::need_more) break;
    if (split.state != amqp::FrameState::complete) throw Failure("the client sends no AMQP 0-9-1 frames");
    on_frame(connection, split.frame);
    connection.in.consume(static_cast<std::size_t>(split.bytes));
  }
  if (connection.confirms && connection.confirmed != connection.published) {
    connection.confirmed = connection.published;
    answer(connection, 1, amqp::basic::Ack{connection.confirmed, true});
    if (fault_ == Fault::confirm_twice && connection.confirmed >= kFaultEvery)
      answer(connection, 1, amqp::basic::Ack{connection.confirmed, false});
  }
}

void NullBroker::on_frame(Connection& connection, const amqp::Frame& frame) {
  if (frame.type == amqp::FrameType::header) return on_header(connection, frame.payload);
  if (frame.type == amqp::FrameType::body) return on_body(connection, frame.payload);
  if (frame.type == amqp::FrameType::heartbeat) return;
  Reader in(frame.payload);
  const std::uint32_t id = in.be<std::uint32_t>();
  if (id == amqp::basic::Publish::id) return on_publish(connection, in.rest());
  if (id != amqp::basic::Ack::id) on_request(connection, frame.channel, id, in);
}

void NullBroker::on_publish(Connection& connection, ByteView arguments) {
  Reader in(arguments);
  amqp::basic::Publish publish;
  if (!amqp::basic::Publish::parse(in, publish)) throw Failure("a malformed publish");
  if (connection.consumer == nullptr || connection.routing_key != publish.routing_key) {
    const auto found = consumers_.find(publish.routing_key);
    connection.consumer = found == consumers_.end() ? nullptr : found->second;
    connection.routing_key = publish.routing_key;
  }
  connection.exchange.assign(publish.exchange);
}

void NullBroker::on_header(Connection& connection, ByteView payload) {
  Reader in(payload);
  in.bytes(4);
  connection.body_bytes = in.be<std::uint64_t>();
  connection.properties.clear();
  connection.properties.append(in.rest());
  connection.parts.clear();
  if (connection.body_bytes == 0) deliver(connection, {});
}

void NullBroker::on_body(Connection& connection, ByteView part) {
  if (part.size() == connection.body_bytes) return deliver(connection, part);
  connection.parts.append(part);
  if (connection.parts.size() == connection.body_bytes) deliver(connection, connection.parts.view());
}

void NullBroker::deliver(Connection& connection, ByteView body) {
  ++connection.published;
  if (connection.consumer == nullptr) return;
  if (fault_ != Fault::none && (connection.published % kFaultEvery == 0 || !connection.held.empty()))
    return deliver_wrongly(connection, body);
  write_delivery(connection, body);
}

void NullBroker::write_delivery(Connection& connection, ByteView body) {
  Connection& consumer = *connection.consumer;
  amqp::write_deliver(consumer.out, 1, "c", ++consumer.delivered, false, connection.exchange,
                      connection.routing_key, connection.properties.view(), body, kFrameMax);
  touch(consumer);
}

void NullBroker::deliver_wrongly(Connection& connection, ByteView body) {
  switch (fault_) {
    case Fault::lose:
      return;
    case Fault::repeat:
      write_delivery(connection, body);
      return write_delivery(connection, body);
    case Fault::reorder:
      if (connection.held.empty()) return connection.held.append(body);
      write_delivery(connection, body);
      write_delivery(connection, connection.held.view());
      return connection.held.clear();
    case Fault::change: {
      std::vector<std::uint8_t> changed(body.begin(), body.end());
      changed.back() ^= 1;
      return write_delivery(connection, changed);
    }
    case Fault::none:
    case Fault::confirm_twice:
      return write_delivery(connection, body);
  }
}

void NullBroker::on_request(Connection& connection, std::uint16_t channel, std::uint32_t id, Reader& in) {
  switch (id) {
    case amqp::connection::StartOk::id:
      return answer(connection, 0, amqp::connection::Tune{2047, kFrameMax, 0});
    case amqp::connection::TuneOk::id:
      return;
    case amqp::connection::Open::id:
      return answer(connection, 0, amqp::connection::OpenOk{});
    case amqp::connection::Close::id:
      connection.closing = true;
      return answer(connection, 0, amqp::connection::CloseOk{});
    case amqp::channel::Open::id:
      return answer(connection, channel, amqp::channel::OpenOk{});
    case amqp::queue::Declare::id:
      return answer(connection, channel, amqp::queue::DeclareOk{});
    case amqp::queue::Delete::id:
      return answer(connection, channel, amqp::queue::DeleteOk{});
    case amqp::basic::Qos::id:
      return answer(connection, channel, amqp::basic::QosOk{});
    case amqp::confirm::Select::id:
      connection.confirms = true;
      return answer(connection, channel, amqp::confirm::SelectOk{});
    case amqp::basic::Consume::id: {
      amqp::basic::Consume consume;
      if (!amqp::basic::Consume::parse(in, consume)) throw Failure("a malformed consume");
      consumers_.insert_or_assign(std::string(consume.queue), &connection);
      return answer(connection, channel, amqp::basic::ConsumeOk{"c"});
    }
    default:
      throw Failure(fmt::format("the null broker does not know {}", amqp::method_name(id)));
  }
}

}  // namespace

void run_null_broker(std::uint16_t port, Fault fault) {
  const auto ask_to_stop = [](int) { stop_asked.store(true, std::memory_order_relaxed); };
  std::signal(SIGTERM, ask_to_stop);
  std::signal(SIGINT, ask_to_stop);
  NullBroker(port, fault).run();
}

}  // namespace millrace::baseline
