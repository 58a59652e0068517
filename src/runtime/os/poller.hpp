// Which descriptors of a loop are ready, by epoll.
//
// Level-triggered: what is looked for and stays ready is reported in each turn, so that nothing has to be
// armed again for each message.
//
// Thread: the loop's, or its maker's before it starts; wake() is for any thread.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/descriptor.hpp"
#include "runtime/clock.hpp"

namespace millrace::runtime {

class Poller {
 public:
  static constexpr std::size_t kMaxEvents = 256;

  class Handler {
   public:
    // `events`: EPOLLIN, EPOLLOUT, and, also where not looked for, EPOLLERR and EPOLLHUP.
    virtual void on_ready(std::uint32_t events) = 0;

   protected:
    ~Handler() = default;
  };

  // Throws std::system_error: the process has no descriptor left.
  Poller();

  // False: the system has no room for another descriptor (errno says why).
  bool add(int descriptor, std::uint32_t events, Handler& handler) noexcept;
  // Of one that was added. With no events at all, EPOLLERR and EPOLLHUP are reported once and no more.
  void change(int descriptor, std::uint32_t events, Handler& handler) noexcept;
  // Before the descriptor is closed or given away: the handler is not called any more.
  void remove(int descriptor, Handler& handler) noexcept;

  // Finds what is ready; blocks until there is something, a wake() or the alarm when it may. Returns how much
  // it is, at most kMaxEvents.
  std::size_t wait(bool may_block);
  // Calls the handlers of what the last wait() found.
  void dispatch();

  // Ends a wait() that blocks, or the next that would.
  void wake() noexcept;
  // At that time of the steady clock a wait() that blocks ends. One alarm: the last that was set.
  void set_alarm(Nanoseconds deadline) noexcept;

 private:
  Descriptor epoll_;
  Descriptor bell_;   // an eventfd
  Descriptor clock_;  // a timerfd
  std::array<epoll_event, kMaxEvents> ready_;
  std::size_t next_ = 0;  // in `ready_`
  std::size_t end_ = 0;
};

}  // namespace millrace::runtime
