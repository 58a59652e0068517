// For tests of what more than one part of the broker makes: a node of one shard over simulated disks, whose
// clock goes on when nothing else is left to do.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <utility>

#include "broker/exchange/test_message.hpp"
#include "broker/node.hpp"
#include "simulation/file_system.hpp"
#include "simulation/scheduler.hpp"

namespace millrace::broker {

// An answer without its value.
template <class T>
result<void> outcome_of(const result<T>& answer) {
  if (answer.has_error()) return answer.error();
  return {};
}

class SimulatedNode {
 public:
  // `prepare` puts into the directory what the node is to find there.
  using Prepare = std::function<void(runtime::ShardRuntime runtime, const storage::DataDirectory& directory)>;
  explicit SimulatedNode(simulation::FileSystem& files, const Prepare& prepare = {}) : files_(files) {
    auto directory = storage::DataDirectory::open(files_, "data", 1, 1);
    if (directory.has_error()) throw std::runtime_error(directory.error().text);
    directory_ = std::move(*directory);
    const runtime::ShardRuntime runtime = shard_.runtime(files_);
    if (prepare) {
      prepare(runtime, *directory_);
      scheduler_.run_until_idle();
    }
    NodeOptions options;
    options.random = [this](std::span<std::uint8_t> out) {
      for (std::uint8_t& byte : out) byte = static_cast<std::uint8_t>(luck_.next());
    };
    options.formats = test::formats();
    options.log = [](LogLevel, std::string_view) {};
    options.log_file_bytes = 64 << 10;  // the first checkpoint comes soon
    auto node = Node::open({&runtime, 1}, shard_, *directory_, std::move(options));
    if (node.has_error()) throw std::runtime_error(node.error().text);
    node_ = std::move(*node);
  }
  // As if the process were killed.
  ~SimulatedNode() { scheduler_.halt(); }
  SimulatedNode(const SimulatedNode&) = delete;
  SimulatedNode& operator=(const SimulatedNode&) = delete;

  Node& operator*() { return *node_; }
  Node* operator->() { return node_.get(); }
  simulation::Shard& shard() { return shard_; }
  runtime::Nanoseconds now() const { return scheduler_.steady(); }

  void run_until(const std::function<bool()>& condition) {
    for (int steps = 0; !condition(); ++steps) {
      ASSERT_LT(steps, 100'000) << "what was asked for does not come";
      ASSERT_TRUE(scheduler_.step());
      node_->end_turn(0, true);
    }
  }
  void run_for(runtime::Nanoseconds time) {
    run_until([this, end = now() + time] { return now() >= end; });
  }
  // In order.
  void stop() {
    bool stopped = false;
    node_->stop(runtime::Milliseconds(1000), [&] { stopped = true; });
    run_until([&] { return stopped; });
  }

 private:
  simulation::FileSystem& files_;
  simulation::Scheduler scheduler_{1};
  simulation::Shard& shard_ = scheduler_.add_shard();
  Prng luck_{1};
  std::unique_ptr<storage::DataDirectory> directory_;
  std::unique_ptr<Node> node_;
};

}  // namespace millrace::broker
