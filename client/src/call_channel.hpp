// A channel for calls that have an answer: declarations, bindings, purges, basic.get. Calls travel pipelined;
// one that the broker refuses closes the channel (AMQP 0-9-1 §4.3), which is opened again, and only that call
// fails. After a lost connection the unanswered ones are sent once more: all of them may be done twice
// without harm.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <exception>
#include <string>

#include "base/task.hpp"
#include "client/src/channel.hpp"

namespace millrace::client {

using Clock = std::chrono::steady_clock;

// The method that answers a call, or the error.
struct Answer {
  std::exception_ptr error;
  std::uint32_t id = 0;
  const amqp::Frame* frame = nullptr;
  Content* content = nullptr;  // of basic.get-ok
};

struct Call {
  UniqueFunction<void(Buffer&, std::uint16_t)> write;
  UniqueFunction<void(const Answer&)> done;  // once
  std::string what;                          // for error texts
  Clock::time_point deadline;
  std::uint64_t id = 0;  // to cancel it
};

class CallChannel final : public Channel {
 public:
  using Channel::Channel;

  void start(Call call);
  // Before all that waits: what a new connection needs first.
  void start_first(std::deque<Call> calls);
  void cancel(std::uint64_t id);
  void expire(Clock::time_point now, const std::string& connection_state);
  void fail_all(const std::exception_ptr& why);
  bool idle() const noexcept { return calls_.empty(); }
  // A connection.close that names a method of this channel: the call that did it fails.
  bool blame(const std::exception_ptr& why);

  void settle(const Settlement& settlement) override;

 private:
  void on_open() override;
  void on_method(std::uint32_t id, const amqp::Frame& frame) override;
  void on_content(std::uint32_t id, Content content) override;
  void on_closed(const std::exception_ptr& why, bool link_lost) override;
  void answer_first(const Answer& answer);

  std::deque<Call>
      calls_;  // the oldest first; an empty `done` waits for an answer that nobody wants any more
};

}  // namespace millrace::client
