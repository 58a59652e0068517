// Threads that run what they are given: callbacks, timers, coroutines, listeners. Clients that are made
// without one have their own.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

namespace millrace {

enum class TimerId : std::uint64_t {};

// Usable from any thread, from its own as well. Its destruction stops it: what runs is waited for, what waits
// is dropped. An exception that leaves a function given to it ends the process, like one that leaves a
// thread.
class EventLoop {
 public:
  // With no threads, run() lends it the calling one.
  explicit EventLoop(unsigned threads = 1);
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // For co_spawn, bind_executor and whatever else takes an Asio executor.
  boost::asio::any_io_executor executor() const;

  void post(std::function<void()> work);
  TimerId after(std::chrono::milliseconds delay, std::function<void()> work);
  // First after one interval; late ones are not made up for.
  TimerId every(std::chrono::milliseconds interval, std::function<void()> work);
  // False when it was cancelled before, or has run and was to run once.
  bool cancel(TimerId timer);

  // Runs what is there on this thread as well, until stop().
  void run();
  void stop();
  // Waits until all that was posted before has begun, then stops.
  void finish();

  bool is_this_thread() const noexcept;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace millrace
