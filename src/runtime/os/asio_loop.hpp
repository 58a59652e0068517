// A thread for what speaks through Asio: the HTTP server, and clients of other services.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "runtime/executor.hpp"

namespace boost::asio {
class io_context;
}

namespace millrace::runtime {

// Who gives way where there are more threads than processors.
enum class Precedence : std::uint8_t {
  equal,       // as every thread
  background,  // to shards: it neither interrupts one nor keeps one waiting for long, and gets a tenth of a
               // busy processor
};

class AsioLoop final : public Executor, public Timers {
 public:
  // `name`: the thread's, at most 15 characters.
  explicit AsioLoop(std::string name, Precedence precedence = Precedence::equal);
  ~AsioLoop() override;  // joins; what is still queued is destroyed without being run

  // Its handlers run on the loop's thread. Never run or stopped by others.
  boost::asio::io_context& context() noexcept;

  // Until then tasks and timers only gather; timers may be started by the thread that made the loop.
  void start();
  // After the handler that is running. Any thread, any number of times; does not wait.
  void stop();
  // Waits for the thread to end, and destroys the tasks that are queued. Not from the loop's thread.
  void join();

  void post(Task task) override;
  TimerId start(Nanoseconds delay, Task task) override;
  void cancel(TimerId timer) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace millrace::runtime
