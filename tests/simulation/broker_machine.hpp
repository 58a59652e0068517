// A machine that runs one node over simulated disks: the part of a broker's life between power on and the
// end.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/prng.hpp"
#include "broker/node.hpp"
#include "simulation/file_system.hpp"
#include "simulation/scheduler.hpp"

namespace millrace::broker {

// One node on one disk, until either is gone.
class Machine {
 public:
  // `wall_ms`: what the clock shows when it is switched on.
  Machine(simulation::FileSystem& files, std::uint64_t seed, const NodeOptions& options, unsigned shards,
          std::int64_t wall_ms);
  ~Machine();

  // False when the power went, or after an error, which `error` tells.
  bool start();
  // One event, and the ends of turns that follow. False when the machine stands still.
  bool step();
  // Steps until the condition holds; false when the power goes first, or nothing more comes of it.
  bool run_until(const std::function<bool()>& condition);
  bool run_for(runtime::Milliseconds time);
  bool stop();
  bool off() const { return files_.powered_off() || failed_; }

  // Runs the task on the shard's thread.
  void post(unsigned shard, Task task) { executors_[shard]->post(std::move(task)); }
  Node& node() { return *node_; }
  unsigned shards() const { return shards_; }
  std::int64_t wall_ms() const { return scheduler_->wall().count(); }
  std::string error;

 private:
  struct Ended {};  // thrown where a process would end: nothing of the broker runs on

  simulation::FileSystem& files_;
  Prng luck_;
  NodeOptions options_;
  unsigned shards_;
  bool failed_ = false;
  std::unique_ptr<simulation::Scheduler> scheduler_;
  std::vector<simulation::Shard*> executors_;
  std::unique_ptr<storage::DataDirectory> directory_;
  std::unique_ptr<Node> node_;
};

inline constexpr const char* kDataDirectory = "data";

}  // namespace millrace::broker
