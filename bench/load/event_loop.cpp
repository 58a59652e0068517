#include "load/event_loop.hpp"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "load/clock.hpp"
#include "load/failure.hpp"

namespace millrace::load {

namespace {

constexpr int kEventsPerTurn = 64;

}  // namespace

EventLoop::EventLoop() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  if (epoll_ < 0) throw Failure(fmt::format("epoll_create1: {}", std::strerror(errno)));
  // Timers of a process may otherwise be 50 µs late, which a fixed-rate schedule would measure.
  prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
}

EventLoop::~EventLoop() {
  ::close(epoll_);
}

void EventLoop::add(Peer& peer) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = &peer;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, peer.connection().fd(), &event) != 0)
    throw Failure(fmt::format("epoll_ctl: {}", std::strerror(errno)));
  peers_.push_back(&peer);
}

void EventLoop::watch_for_room(Peer& peer) {
  if (peer.waits_for_socket() == peer.watched_for_room) return;
  peer.watched_for_room = peer.waits_for_socket();
  epoll_event event{};
  event.events = peer.watched_for_room ? EPOLLIN | EPOLLOUT : EPOLLIN;
  event.data.ptr = &peer;
  epoll_ctl(epoll_, EPOLL_CTL_MOD, peer.connection().fd(), &event);
}

void EventLoop::turn(std::uint64_t timeout_ns) {
  for (Peer* peer : peers_) watch_for_room(*peer);
  epoll_event events[kEventsPerTurn];
  const timespec timeout{static_cast<time_t>(timeout_ns / kSecond), static_cast<long>(timeout_ns % kSecond)};
  const int ready = epoll_pwait2(epoll_, events, kEventsPerTurn, &timeout, nullptr);
  if (ready < 0 && errno != EINTR) throw Failure(fmt::format("epoll_pwait2: {}", std::strerror(errno)));
  for (int i = 0; i < ready; ++i) {
    Peer& peer = *static_cast<Peer*>(events[i].data.ptr);
    if ((events[i].events & EPOLLOUT) != 0) peer.on_writable();
    if ((events[i].events & ~std::uint32_t{EPOLLOUT}) != 0) peer.on_readable();
  }
}

}  // namespace millrace::load
