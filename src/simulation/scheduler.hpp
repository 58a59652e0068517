// Time and threads, simulated: one seed decides in which order things happen, and the same seed decides it
// again.
//
// Every shard has three sources of events: its posted tasks (in order), its due timers, and its disk thread
// (in order, one work item at a time, each after a delay drawn from the seed). A step runs one event of a
// source chosen by the seed among those that are ready; when none is, the virtual clock jumps to the next
// moment at which one will be. Nothing waits and nothing reads a real clock.
//
// A run that makes no end of itself within the poll budget throws std::runtime_error naming the seed: a hang
// is a failure like any other.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "base/prng.hpp"
#include "base/task.hpp"
#include "runtime/shard_runtime.hpp"

namespace millrace::simulation {

class Scheduler;

// What one shard is given: its executor, its timers and its disk thread.
class Shard final : public runtime::Executor, public runtime::Timers, public runtime::DiskExecutor {
 public:
  void post(Task task) override;
  runtime::TimerId start(runtime::Nanoseconds delay, Task task) override;
  void cancel(runtime::TimerId timer) override;
  void submit(Task work, Task done) override;

  // The seams of this shard, over the given files.
  runtime::ShardRuntime runtime(runtime::FileSystem& files);

 private:
  friend class Scheduler;
  struct DiskWork {
    Task work;
    Task done;
  };

  Shard(Scheduler& scheduler, Prng luck) : scheduler_(scheduler), luck_(luck) {}
  runtime::Nanoseconds disk_delay();
  void run_disk_work();

  Scheduler& scheduler_;
  Prng luck_;  // of this shard's disk
  std::deque<Task> posted_;
  std::map<std::pair<runtime::Nanoseconds, std::uint64_t>, Task> timers_;  // by due time, then by id
  std::uint64_t next_timer_ = 1;
  std::deque<DiskWork> disk_;
  runtime::Nanoseconds disk_ready_{};  // when the front of disk_ has taken its time
};

class Scheduler final : public runtime::Clock {
 public:
  struct Options {
    std::uint64_t poll_budget = 1'000'000;  // steps that one run_* call may take
    runtime::Nanoseconds disk_delay_min = std::chrono::microseconds(10);
    runtime::Nanoseconds disk_delay_max = std::chrono::milliseconds(2);
    runtime::Milliseconds wall_start{1'700'000'000'000};  // what the wall clock shows at first
  };

  explicit Scheduler(std::uint64_t seed) : Scheduler(seed, Options{}) {}
  Scheduler(std::uint64_t seed, Options options);
  ~Scheduler() override;

  Shard& add_shard();
  std::uint64_t seed() const noexcept { return seed_; }

  runtime::Nanoseconds steady() const override { return now_; }
  runtime::Nanoseconds worked() const override { return now_; }
  runtime::Milliseconds wall() const override;

  // Whether something can happen before the clock moves.
  bool busy();
  // Runs one event. False when there is none now nor later, or when the machine was halted.
  bool step();
  // Until nothing is left to happen.
  void run_until_idle();
  // All that happens within this much virtual time; the clock stands at its end afterwards.
  void run_for(runtime::Nanoseconds duration);
  // Until `condition` holds after some event; false when nothing is left to happen before it does.
  bool run_until(const std::function<bool()>& condition);

  // The machine stops in the middle of what it does: nothing runs any more, and what was queued is destroyed
  // unrun.
  void halt();
  bool halted() const noexcept { return halted_; }

 private:
  friend class Shard;
  struct Source {
    Shard* shard;
    enum class Kind { posted, timer, disk } kind;
  };

  void collect_ready();
  bool advance_clock(runtime::Nanoseconds limit);
  void run(Source source);
  void spend(std::uint64_t& budget) const;
  void drop_everything();

  std::uint64_t seed_;
  Options options_;
  Prng order_;
  runtime::Nanoseconds now_{};
  bool halted_ = false;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<Source> ready_;
};

}  // namespace millrace::simulation
