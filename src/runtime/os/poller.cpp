#include "runtime/os/poller.hpp"

#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "base/assert.hpp"

namespace millrace::runtime {
namespace {

Descriptor made(int descriptor, const char* what) {
  if (descriptor < 0) throw std::system_error(errno, std::generic_category(), what);
  return Descriptor(descriptor);
}

bool control(const Descriptor& epoll, int operation, int descriptor, std::uint32_t events,
             Poller::Handler* handler) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.ptr = handler;
  return ::epoll_ctl(epoll.get(), operation, descriptor, &event) == 0;
}

}  // namespace

Poller::Poller()
    : epoll_(made(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      bell_(made(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")),
      clock_(made(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), "timerfd_create")) {
  // By edges: each ring and each expiry is one event, and nobody has to read them away.
  for (const Descriptor* own : {&bell_, &clock_}) {
    if (!control(epoll_, EPOLL_CTL_ADD, own->get(), EPOLLIN | EPOLLET, nullptr))
      throw std::system_error(errno, std::generic_category(), "epoll_ctl");
  }
}

bool Poller::add(int descriptor, std::uint32_t events, Handler& handler) noexcept {
  return control(epoll_, EPOLL_CTL_ADD, descriptor, events, &handler);
}

void Poller::change(int descriptor, std::uint32_t events, Handler& handler) noexcept {
  // An error cannot be left out of what is looked for, but by edges it comes once.
  const std::uint32_t wanted = events == 0 ? static_cast<std::uint32_t>(EPOLLET) : events;
  const bool changed = control(epoll_, EPOLL_CTL_MOD, descriptor, wanted, &handler);
  MILLRACE_ASSERT(changed, "what was added can be changed");
}

void Poller::remove(int descriptor, Handler& handler) noexcept {
  control(epoll_, EPOLL_CTL_DEL, descriptor, 0, nullptr);
  for (std::size_t i = next_; i < end_; ++i) {
    if (ready_[i].data.ptr == &handler) ready_[i].data.ptr = nullptr;
  }
}

std::size_t Poller::wait(bool may_block) {
  const int found = ::epoll_wait(epoll_.get(), ready_.data(), kMaxEvents, may_block ? -1 : 0);
  MILLRACE_ASSERT(found >= 0 || errno == EINTR, "epoll_wait takes what it is given");
  next_ = 0;
  end_ = found < 0 ? 0 : static_cast<std::size_t>(found);
  return end_;
}

void Poller::dispatch() {
  while (next_ < end_) {
    const epoll_event& event = ready_[next_++];
    if (event.data.ptr != nullptr) static_cast<Handler*>(event.data.ptr)->on_ready(event.events);
  }
}

void Poller::wake() noexcept {
  const std::uint64_t one = 1;
  // It fails when it has been rung 2^64 - 2 times.
  static_cast<void>(::eventfd_write(bell_.get(), one));
}

void Poller::set_alarm(Nanoseconds deadline) noexcept {
  // A time of zero would set it to never.
  const auto time = std::max(deadline, Nanoseconds(1));
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time);
  itimerspec when{};
  when.it_value = {seconds.count(), (time - seconds).count()};
  const int failed = ::timerfd_settime(clock_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
  MILLRACE_ASSERT(failed == 0, "a time that is not negative can be set");
}

}  // namespace millrace::runtime
