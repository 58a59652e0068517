// Rate limits over all workers. The broker holds, for each limited task, a durable queue `millrace.rate.TASK`
// that keeps when its next call may begin (kept_state.hpp). A worker that has got calls takes that, and gives
// each call the next time that is free. Calls whose time is yet to come go back to the broker, which holds
// them until then; they begin when they come again.
//
// What dies in between wastes times, and never gives one twice.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "client/tasks/task_message.hpp"
#include "millrace/client.hpp"
#include "millrace/tasks/worker.hpp"

namespace millrace::tasks {

// The next time that is free for a call of the task, which is taken then. `next` is what the broker keeps.
// Generic cell rate algorithm: a task that was not called for a while may begin `rate_burst` calls at once.
WallTime take_time(WallTime& next, WallTime now, const TaskOptions& options);

class Pacer {
 public:
  struct Call {
    const detail::Registration* task = nullptr;
    std::string queue;
    Request request;
    Delivery delivery;  // given back when it goes
  };
  // The call has its time, so long from now; it is told at once, or for times that are near, then. On the
  // pacer's thread.
  using Placed = std::function<void(Call call, Milliseconds pause)>;

  Pacer(Client& client, Placed placed) : client_(client), placed_(std::move(placed)) {}
  ~Pacer() { stop(); }
  Pacer(const Pacer&) = delete;
  Pacer& operator=(const Pacer&) = delete;

  // Blocks; throws a ClientError.
  void declare(const std::string& task);
  void put(Call call);
  // Gives back what waits.
  void stop();

 private:
  void run();
  void place(std::vector<Call> calls);

  Client& client_;
  const Placed placed_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::vector<Call>> waiting_;  // by task
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace millrace::tasks
