// Waits for sockets and lets the connections behind them go on.
#pragma once

#include <cstdint>
#include <vector>

#include "load/peer.hpp"

namespace millrace::load {

// Level-triggered epoll. Peers must outlive the loop's last turn.
class EventLoop {
 public:
  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  void add(Peer& peer);
  // Handles what is ready, once; waits for it at most that long (0: not at all).
  void turn(std::uint64_t timeout_ns);

 private:
  void watch_for_room(Peer& peer);

  int epoll_;
  std::vector<Peer*> peers_;
};

}  // namespace millrace::load
