#include "baseline/socket.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace millrace::baseline {

namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

void send_at_once(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

}  // namespace

void fail_with_errno(const char* what) {
  throw Failure(std::string(what) + ": " + std::strerror(errno));
}

File::~File() {
  if (fd_ >= 0) ::close(fd_);
}

File listen_on_loopback(std::uint16_t& port) {
  File listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  setsockopt(listener.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address = loopback(port);
  if (bind(listener.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener.fd(), SOMAXCONN) != 0)
    fail_with_errno("listen");
  socklen_t bytes = sizeof address;
  getsockname(listener.fd(), reinterpret_cast<sockaddr*>(&address), &bytes);
  port = ntohs(address.sin_port);
  return listener;
}

File connect_to_loopback(std::uint16_t port) {
  File connection(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = loopback(port);
  if (connect(connection.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    fail_with_errno("connect");
  send_at_once(connection.fd());
  return connection;
}

File accept_from(const File& listener, bool non_blocking) {
  File connection(
      accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC | (non_blocking ? SOCK_NONBLOCK : 0)));
  if (connection.fd() < 0) fail_with_errno("accept");
  send_at_once(connection.fd());
  return connection;
}

void send_all(const File& socket, const void* bytes, std::size_t count) {
  const auto* at = static_cast<const std::uint8_t*>(bytes);
  while (count != 0) {
    const ssize_t sent = send(socket.fd(), at, count, MSG_NOSIGNAL);
    if (sent < 0) fail_with_errno("send");
    at += sent;
    count -= static_cast<std::size_t>(sent);
  }
}

void receive_all(const File& socket, void* bytes, std::size_t count) {
  const ssize_t got = recv(socket.fd(), bytes, count, MSG_WAITALL);
  if (got < 0) fail_with_errno("recv");
  if (static_cast<std::size_t>(got) != count) throw Failure("the peer closed the connection");
}

}  // namespace millrace::baseline
