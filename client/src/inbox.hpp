// What other threads ask of a client's I/O thread, and when that is woken for it.
//
// Threads that publish or acknowledge without a pause would wake it for each message. When it was awake a
// moment ago it comes back by itself after another one instead, and takes what has gathered. Settlements of
// which many may gather, because the broker has credit enough meanwhile, wait longest: each that leaves by
// itself costs the broker a packet as well.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/task.hpp"
#include "client/src/publisher.hpp"
#include "client/src/settlement.hpp"

namespace millrace::client {

class Inbox {
 public:
  struct Batch {
    std::vector<Task> tasks;
    std::vector<std::unique_ptr<Publish>> publishes;
    std::vector<Settlement> settlements;
  };

  // `drain`: takes what is there; called on the I/O thread, as long as it runs and this lives.
  Inbox(boost::asio::io_context& context, std::function<void()> drain)
      : drain_(std::move(drain)), timer_(context) {}

  // -- any thread. True: whoever put it in has to wake the I/O thread.
  bool put(Task task);
  bool put(std::unique_ptr<Publish> publish);
  bool put(Settlement settlement);

  // -- I/O thread
  // Something is there that is better taken now than when it is due.
  bool is_asked() const;
  // All that is there, in the order in which it came. Until finish().
  Batch& take();
  // The batch is through. `may_hold`: what comes in the next moment may wait for each other, if it is of a
  // kind that can; `under_way`: publishes that are not confirmed.
  void finish(std::size_t under_way, bool may_hold);
  // What is held is taken; nothing is held any more.
  void stop();

 private:
  enum class Asked : std::uint8_t {
    nothing,
    soon,  // by the timer: what can wait that long joins it
    now,   // the I/O thread was woken
  };
  bool has_to_wake(bool can_wait);  // with the mutex
  void drain_at(std::chrono::steady_clock::time_point due);
  bool is_held() const;

  const std::function<void()> drain_;
  mutable std::mutex mutex_;
  Batch waiting_;
  Asked asked_ = Asked::nothing;
  // While it is asked for soon:
  bool holds_publishes_ = false;
  bool holds_long_ = false;  // settlements of which many may wait, no others

  // The I/O thread's.
  Batch taken_;  // kept for its memory
  boost::asio::steady_timer timer_;
  bool timer_runs_ = false;
  bool stopped_ = false;
  std::chrono::steady_clock::time_point last_;
};

}  // namespace millrace::client
