#include "broker_machine.hpp"

#include <gtest/gtest.h>

namespace millrace::broker {
namespace {

constexpr std::uint64_t kMaxSteps = 200'000;

simulation::Scheduler::Options switched_on_at(std::int64_t wall_ms) {
  simulation::Scheduler::Options options;
  options.wall_start = runtime::Milliseconds(wall_ms);
  return options;
}

}  // namespace

Machine::Machine(simulation::FileSystem& files, std::uint64_t seed, const NodeOptions& options,
                 unsigned shards, std::int64_t wall_ms)
    : files_(files), luck_(seed), options_(options), shards_(shards) {
  scheduler_ = std::make_unique<simulation::Scheduler>(luck_.next(), switched_on_at(wall_ms));
  options_.random = [this](std::span<std::uint8_t> out) {
    for (std::uint8_t& byte : out) byte = static_cast<std::uint8_t>(luck_.next());
  };
  options_.on_log_failure = [this](const Error& why) {
    failed_ = true;
    error = why.text;
    scheduler_->halt();
    throw Ended();
  };
}

Machine::~Machine() {
  scheduler_->halt();
  node_.reset();
  scheduler_.reset();
}

bool Machine::start() {
  auto directory = storage::DataDirectory::open(files_, kDataDirectory, shards_, luck_.next());
  if (!directory) return error = directory.error().text, false;
  directory_ = std::move(*directory);
  std::vector<runtime::ShardRuntime> runtimes;
  simulation::Shard* first = nullptr;
  for (unsigned i = 0; i < shards_; ++i) {
    simulation::Shard& shard = scheduler_->add_shard();
    if (!first) first = &shard;
    executors_.push_back(&shard);
    runtimes.push_back(shard.runtime(files_));
  }
  auto node = Node::open(runtimes, *first, *directory_, options_);
  if (!node) return error = node.error().text, false;
  node_ = std::move(*node);
  return !off();
}

bool Machine::step() try {
  if (off()) return false;
  const bool moved = scheduler_->step();
  // More than one event may fall into a turn, but none lasts while time goes on.
  const bool goes_on = moved && scheduler_->busy();
  for (unsigned shard = 0; shard < shards_ && !off(); ++shard) {
    if (!goes_on || !luck_.one_in(3)) node_->end_turn(shard, luck_.one_in(2));
  }
  return !off();
} catch (const Ended&) {
  return false;
}

bool Machine::run_until(const std::function<bool()>& condition) {
  for (std::uint64_t steps = 0; !condition(); ++steps) {
    if (!step()) return false;
    if (steps > kMaxSteps) {
      ADD_FAILURE() << "what was asked for is never answered";
      return false;
    }
  }
  return true;
}

bool Machine::run_for(runtime::Milliseconds time) {
  const std::int64_t end = wall_ms() + time.count();
  return run_until([&] { return wall_ms() >= end; });
}

bool Machine::stop() {
  bool stopped = false;
  node_->stop(runtime::Milliseconds(1000), [&] { stopped = true; });
  return run_until([&] { return stopped; });
}

}  // namespace millrace::broker
