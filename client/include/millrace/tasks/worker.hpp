// Carries out calls.
//
//   millrace::tasks::Worker worker("amqp://guest:guest@localhost");
//   worker.on(add, [](int x, int y) { return x + y; }).retries(3);
//   worker.run();                                     // until SIGTERM or SIGINT, then in order
//
// A call is acknowledged when it is done, its result and what comes after it have been confirmed by the
// broker. Until then it is leased to this worker's connection: heartbeats keep the lease, however long the
// task takes, and when the worker or its machine dies the broker gives the call to another. There is no
// timeout after which a task that runs is taken away. So a call is carried out at least once.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "millrace/message.hpp"
#include "millrace/options.hpp"
#include "millrace/tasks/call.hpp"
#include "millrace/tasks/command.hpp"
#include "millrace/tasks/context.hpp"
#include "millrace/tasks/function.hpp"

namespace millrace::tasks {

// Where a task runs.
enum class Pool : std::uint8_t { threads, coroutines, processes };

// What a child process may use.
struct ProcessLimits {
  std::size_t memory_max = 0;       // bytes of address space (RLIMIT_AS); 0: no limit
  std::chrono::seconds cpu_max{0};  // of one task; 0: no limit
  std::uint64_t tasks_max = 0;      // then the process is replaced; 0: never
  std::size_t resident_max = 0;     // bytes; above it the process is replaced after its task
};

// How a worker treats one task; every function changes it and returns it.
class TaskOptions {
 public:
  // How often it is tried again after an exception, a death of its process or a hard limit: after first, then
  // each time `factor` longer up to `longest`, of which a random part, up to `jitter` of it, is left out. The
  // broker holds it meanwhile.
  TaskOptions& retries(unsigned max, Milliseconds first = std::chrono::seconds(1), double factor = 2,
                       Milliseconds longest = std::chrono::minutes(10), double jitter = 0.5);
  // For calls that bring none. At the soft limit Context::check throws; at the hard one a process is killed.
  // A thread cannot be: the call is reported and settled, a new thread takes its place, and whatever the old
  // one still does is ignored.
  TaskOptions& limits(Milliseconds soft, Milliseconds hard);
  // At most `count` calls begin in each `per`, over all workers of the broker, evenly spread; after a pause
  // `burst` of them may begin at once. Each attempt counts. The broker holds the others until their time, and
  // counts in the order in which workers get them. Workers should agree on it, and their clocks should: one
  // that is early lets its calls begin early by as much. Where a worker dies its calls may begin again
  // without being counted again.
  TaskOptions& rate_limit(unsigned count, Milliseconds per = std::chrono::seconds(1), unsigned burst = 1);
  // In child processes; for plain functions.
  TaskOptions& in_process();
  // Whether calls that are out of retries are kept in the queue NAME.dead (the default).
  TaskOptions& keep_failed(bool keep);
  // Tells the caller when it begins (Celery's track_started).
  TaskOptions& report_start(bool on = true);

  unsigned retries_max = 0;
  Milliseconds retry_first{1000};
  double retry_factor = 2;
  Milliseconds retry_longest{600'000};
  double retry_jitter = 0.5;
  Milliseconds soft_limit{0};
  Milliseconds hard_limit{0};
  unsigned rate_count = 0;  // 0: no limit
  Milliseconds rate_per{1000};
  unsigned rate_burst = 1;
  bool keeps_failed = true;
  bool reports_start = false;
  Pool pool = Pool::threads;
};

// Which thread or process of a worker a call goes to.
enum class Dispatch : std::uint8_t {
  idle_first,   // whichever is free first
  round_robin,  // each in its turn, busy or not: all get the same number of calls
};

class WorkerOptions {
 public:
  WorkerOptions() = default;

  std::vector<std::string> queues{"celery"};
  // Declared durable with these arguments; false: they are there.
  bool declare_queues = true;
  FieldTable queue_arguments;
  std::string name;  // NAME@HOST names the worker to remote control and monitors; empty: "millrace-PID"

  unsigned threads = 0;       // 0: one for each processor
  unsigned processes = 0;     // 0: one for each processor
  unsigned coroutines = 100;  // at once
  // Calls held by this worker, running ones included, of each queue. 0: as many as run at once, so that none
  // waits here while another worker is idle. More of it only pays for tasks of less than a millisecond.
  std::uint16_t prefetch = 0;
  // Going round shares calls out before they begin, so it needs a `prefetch` that lets some wait.
  Dispatch dispatch = Dispatch::idle_first;
  // Tasks that run on threads at once, if less than there are threads: the others wait their turn, which
  // comes when one ends or calls Context::yield after `time_slice`. 0: no such limit.
  unsigned running_max = 0;
  Milliseconds time_slice{100};
  ProcessLimits process_limits;

  // What stop() leaves running tasks before it asks them to end, and then before it gives them back.
  Milliseconds drain_time{30'000};
  Milliseconds stop_time{5'000};

  bool remote_control = true;
  bool events = false;  // of tasks; can be turned on by remote control as well
  Milliseconds heartbeat{2'000};
};

namespace detail {
struct Registration {
  std::string name;
  PlainFunction plain;
  CoroutineFunction coroutine;
  TaskOptions options;
  bool own = false;  // part of the task system, not of the program
};
class WorkerCore;
}  // namespace detail

class Worker {
 public:
  // Nothing is done before start() or run().
  explicit Worker(ClientOptions client = {}, WorkerOptions options = WorkerOptions());
  // stop()
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // The function of a task: takes the task's arguments, or a Context& and these. One that returns an
  // awaitable runs as a coroutine beside the others, on a strand of its own. All are given before start().
  template <class R, class... Args, class F>
  TaskOptions& on(const Task<R(Args...)>& task, F function) {
    using Returned = detail::awaited<detail::call_result_t<F, std::decay_t<Args>...>>;
    static_assert(std::is_void_v<R> || std::is_convertible_v<typename Returned::type, R>,
                  "the function returns something else than the task does");
    detail::Registration entry;
    entry.name = task.name();
    if constexpr (Returned::is_awaitable) {
      entry.options.pool = Pool::coroutines;
      entry.coroutine = detail::coroutine_function<R, Args...>(task.argument_names(), std::move(function));
    } else {
      entry.plain = detail::plain_function<R, Args...>(task.argument_names(), std::move(function));
    }
    return add(std::move(entry));
  }

  // A task that is a program, on a thread that waits for it.
  TaskOptions& on_command(const std::string& task, Command command);

  // Begins to take calls and returns. Throws a ClientError when the broker cannot be used, not_supported when
  // a task has retries or a rate limit and the broker cannot hold its calls.
  //
  // Where a task runs in processes, these are this program, started again with the arguments it was started
  // with: there, start() serves one process' tasks and never returns. So what comes before it in main should
  // be what both need.
  void start();
  // Takes no more calls, gives those that have not begun back to the broker, and waits for those that run.
  // What still runs after drain_time is asked to stop, what runs after stop_time is given back and will be
  // carried out again.
  void stop();
  // start(), unless that was done, then stop() at the first SIGTERM or SIGINT; a second one leaves out the
  // drain_time. Also returns when remote control says `shutdown`. `ready` is called when calls are taken.
  void run(const std::function<void()>& ready = {});

  std::string name() const;         // NAME@HOST
  std::uint64_t processed() const;  // calls that came to an end here

 private:
  TaskOptions& add(detail::Registration entry);
  std::shared_ptr<detail::WorkerCore> core_;
};

}  // namespace millrace::tasks
