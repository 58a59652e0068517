// A connection in the event loop.
#pragma once

#include <cstdint>

#include "load/connection.hpp"

namespace millrace::load {

class Peer {
 public:
  explicit Peer(const Options& options) : connection_(options) {}
  virtual ~Peer() = default;

  virtual void on_readable() = 0;
  // Goes on sending; also called when the socket takes bytes again.
  virtual void on_writable() = 0;
  // Whether on_writable has something to do as soon as the socket takes it.
  bool waits_for_socket() const noexcept { return socket_full_; }

  Connection& connection() noexcept { return connection_; }

  // Kept by the event loop: whether it watches for room in the socket.
  bool watched_for_room = false;

 protected:
  Connection connection_;
  bool socket_full_ = false;
};

}  // namespace millrace::load
