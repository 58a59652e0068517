#include "server/listener.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "runtime/os/socket_stream.hpp"

namespace millrace::server {
namespace {

Error cannot_listen(const std::string& where, int error_number) {
  std::string text = "cannot listen on " + where + ": " + std::strerror(error_number);
  if (error_number == EADDRINUSE) text += " (is another broker running there? another port is possible)";
  return fail(Errc::io_error, std::move(text));
}

std::string written(const HostPort& where) {
  const bool ipv6 = where.host.find(':') != std::string::npos;
  const std::string host = where.host.empty() ? "*" : ipv6 ? "[" + where.host + "]" : where.host;
  return host + ":" + std::to_string(where.port);
}

result<BoundSocket> bind_socket(const sockaddr* address, socklen_t length, const std::string& where) {
  Descriptor socket(::socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  if (!socket.is_open()) return cannot_listen(where, errno);
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address->sa_family == AF_INET6) {
    // "All interfaces" means IPv4 as well; a given IPv6 address means itself.
    const auto& in6 = reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr;
    const int only = IN6_IS_ADDR_UNSPECIFIED(&in6) ? 0 : 1;
    ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
  }
  if (::bind(socket.get(), address, length) != 0) return cannot_listen(where, errno);
  sockaddr_storage bound{};
  socklen_t bound_length = sizeof bound;
  if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&bound), &bound_length) != 0) {
    return cannot_listen(where, errno);
  }
  return BoundSocket{std::move(socket), to_text(bound), bound.ss_family == AF_INET6};
}

result<std::vector<BoundSocket>> bind_all_interfaces(const HostPort& where) {
  sockaddr_in6 ipv6{};
  ipv6.sin6_family = AF_INET6;
  ipv6.sin6_port = htons(where.port);
  std::vector<BoundSocket> sockets;
  auto bound = bind_socket(reinterpret_cast<const sockaddr*>(&ipv6), sizeof ipv6, written(where));
  if (!bound && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {  // a system without IPv6
    sockaddr_in ipv4{};
    ipv4.sin_family = AF_INET;
    ipv4.sin_port = htons(where.port);
    bound = bind_socket(reinterpret_cast<const sockaddr*>(&ipv4), sizeof ipv4, written(where));
  }
  if (!bound) return bound.error();
  sockets.push_back(std::move(*bound));
  return sockets;
}

}  // namespace

result<std::vector<BoundSocket>> bind_sockets(const HostPort& where) {
  if (where.host.empty()) return bind_all_interfaces(where);
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int failed = ::getaddrinfo(where.host.c_str(), std::to_string(where.port).c_str(), &hints, &found);
  if (failed != 0) {
    return fail(Errc::io_error, "cannot listen on " + written(where) + ": " + ::gai_strerror(failed));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
  std::vector<BoundSocket> sockets;
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    auto bound = bind_socket(address->ai_addr, address->ai_addrlen, written(where));
    // A host's files may name an IPv6 address that the machine does not have.
    if (!bound && (errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT) &&
        (address->ai_next != nullptr || !sockets.empty())) {
      continue;
    }
    if (!bound) return bound.error();
    sockets.push_back(std::move(*bound));
    if (where.port == 0) break;  // one free port, not one for each address
  }
  return sockets;
}

Listener::Listener(BoundSocket bound, std::span<const std::unique_ptr<Pump>> pumps,
                   std::span<const std::unique_ptr<Admissions>> admissions, std::size_t max_connections,
                   std::span<const net::AddressRange> proxies, Log log)
    : address_(std::move(bound.address)),
      socket_(std::move(bound.socket)),
      pumps_(pumps),
      admissions_(admissions),
      max_connections_(max_connections),
      proxies_(proxies),
      log_(std::move(log)) {}

result<void> Listener::listen() {
  if (::listen(socket_.get(), SOMAXCONN) != 0 || !look_out()) return cannot_listen(address_, errno);
  return {};
}

void Listener::use_tls(std::shared_ptr<const net::TlsContext> context, net::LoginFrom login_from) {
  tls_ = std::move(context);
  login_from_ = login_from;
}

void Listener::close() {
  if (!socket_.is_open()) return;
  look_away();
  socket_.close();
}

result<void> Listener::listen_again() {
  if (socket_.is_open()) return {};
  const auto where = parse_host_port(address_);
  if (!where) return where.error();
  auto bound = bind_sockets(*where);
  if (!bound) return bound.error();
  socket_ = std::move(bound->front().socket);
  auto listening = listen();
  if (!listening) close();
  return listening;
}

bool Listener::look_out() {
  if (!looks_out_) looks_out_ = pumps_[0]->loop().poller().add(socket_.get(), EPOLLIN, *this);
  return looks_out_;
}

void Listener::look_away() {
  if (std::exchange(looks_out_, false)) pumps_[0]->loop().poller().remove(socket_.get(), *this);
}

void Listener::on_ready(std::uint32_t) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    sockaddr_storage peer{};
    socklen_t length = sizeof peer;
    Descriptor socket(
        ::accept4(socket_.get(), reinterpret_cast<sockaddr*>(&peer), &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket.is_open()) {
      adopt(std::move(socket), peer);
      continue;
    }
    if (errno == EAGAIN) return;
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) return back_off(errno);
    // Anything else is the end of that one connection, before it began.
  }
}

void Listener::adopt(Descriptor socket, const sockaddr_storage& peer) {
  const int on = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  Threshold threshold;
  threshold.proxied = std::any_of(proxies_.begin(), proxies_.end(),
                                  [&](const net::AddressRange& range) { return range.contains(peer); });
  threshold.tls = tls_;
  threshold.login_from = login_from_;
  Pump* pump = reserve_at_least_busy(pumps_, max_connections_);
  const bool given = pump != nullptr;
  if (given && threshold.is_open()) {
    broker::ConnectionInfo info;
    info.peer = to_text(peer);
    info.peer_is_loopback = is_loopback(peer);
    pump->loop().post(
        [pump, stream = std::make_unique<runtime::SocketStream>(std::move(socket)),
         info = std::move(info)]() mutable { pump->adopt(std::move(stream), std::move(info)); });
  } else if (given) {
    const std::size_t shard = static_cast<std::size_t>(
        std::find_if(pumps_.begin(), pumps_.end(), [&](const auto& one) { return one.get() == pump; }) -
        pumps_.begin());
    pump->loop().post([to = admissions_[shard].get(), socket = std::move(socket), peer,
                       threshold = std::move(threshold)]() mutable {
      to->admit(std::move(socket), peer, std::move(threshold));
    });
  }
  if (!given && !complained_) {
    log_(broker::LogLevel::warning,
         "max-connections (" + std::to_string(max_connections_) + ") is reached: new connections are closed");
  }
  complained_ = !given;
}

void Listener::back_off(int error_number) {
  if (!std::exchange(complained_, true)) {
    log_(broker::LogLevel::warning, "cannot accept connections on " + address_ + ": " +
                                        std::strerror(error_number) + "; they wait until some have closed");
  }
  // Who waits to be accepted would be reported in each turn.
  look_away();
  wait_for_room();
}

void Listener::wait_for_room() {
  pumps_[0]->loop().start(kBackOff, [this] {
    if (socket_.is_open() && !look_out()) wait_for_room();
  });
}

}  // namespace millrace::server
