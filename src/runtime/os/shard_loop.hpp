// A shard's thread: handlers of sockets, posted tasks and timers, in turns.
//
// A turn blocks for the first thing to do, does what is ready then, up to a bound, and calls the turn's end,
// where what was gathered is flushed. While more is known to be ready the next turn follows without blocking;
// a loop with nothing to do sleeps in the kernel.
#pragma once

#include <memory>
#include <string>

#include "runtime/executor.hpp"

namespace millrace::runtime {

class Poller;

class ShardLoop final : public Executor, public Timers {
 public:
  // `idle`: nothing else is ready.
  using TurnEnd = UniqueFunction<void(bool idle)>;

  // `name`: the thread's, at most 15 characters, for people who look at it with top or gdb. Throws
  // std::system_error: the process has no descriptor left.
  explicit ShardLoop(std::string name);
  ~ShardLoop() override;  // joins; what is still queued is destroyed without being run

  // Before start().
  void on_turn_end(TurnEnd turn_end);
  // Until then tasks and timers only gather; timers may be started by the thread that made the loop.
  void start();
  // After the turn that is running. Any thread, any number of times; does not wait.
  void stop();
  // Waits for the thread to end, and destroys what is queued. Not from the loop's thread.
  void join();

  // A batch of posts from other threads costs one wake-up.
  void post(Task task) override;
  unsigned busy_permille() const noexcept override;

  TimerId start(Nanoseconds delay, Task task) override;
  void cancel(TimerId timer) override;

  // Its handlers are called in turns.
  Poller& poller() noexcept;

 private:
  struct State;
  void run();

  std::unique_ptr<State> state_;
};

}  // namespace millrace::runtime
