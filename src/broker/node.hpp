// The broker as a whole: one Shard for each thread, the definitions they share, and what the server may ask.
//
// The server makes the runtimes, opens the node (recovery happens there, before any loop runs), then runs
// the loops, calling end_turn() after each turn, and hands each connection the gate of its shard.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/task.hpp"
#include "broker/audit.hpp"
#include "broker/connection.hpp"
#include "broker/definitions/change.hpp"
#include "broker/queue/ranked_limits.hpp"
#include "broker/trace.hpp"
#include "runtime/shard_runtime.hpp"
#include "storage/data_directory.hpp"
#include "storage/log.hpp"

namespace millrace::broker {

class Authority;

enum class LogLevel : std::uint8_t { debug, info, warning, error };

struct NodeOptions {
  storage::SyncMode sync_mode = storage::SyncMode::sync;
  runtime::Milliseconds sync_interval{100};
  std::uint64_t max_message_bytes = 16u << 20;
  // Of each shard's log. Small ones only make a test meet log pressure often.
  std::uint64_t log_file_bytes = 32u << 20;
  unsigned log_files = 4;
  // Message bytes kept in memory; beyond, the oldest of the longest queues move to segments.
  std::uint64_t resident_bytes = 64u << 20;
  // Of each queue that serves by rank.
  RankedLimits ranked_limits;
  // Message bytes in memory above which publishers are blocked. Backlogs move to disk long before.
  std::uint64_t memory_limit_bytes = 1u << 30;
  std::uint64_t disk_reserve_bytes = 64u << 20;
  std::uint64_t disk_low_water_bytes = 256u << 20;
  MessageFormats formats;
  // Fills the span with unguessable bytes. Any thread.
  std::function<void(std::span<std::uint8_t>)> random;
  // As storage::LogOptions::on_failure, of every shard's log; empty: the process ends.
  std::function<void(const Error&)> on_log_failure;
  // Who knows users besides the broker, in the order in which they are asked. They outlive the node.
  std::vector<Authority*> authorities;
  // How many of them are asked before the broker's own users; none: passwords of those count for nothing.
  std::optional<std::size_t> authorities_before_own = 0;
  // Who came in, was refused, and changed what; empty: nobody listens.
  Audit audit;
  // Who makes spans of messages; empty: nobody, and nothing is looked at.
  SpanSink spans;
  // One line for the operator. Any thread.
  std::function<void(LogLevel, std::string_view)> log;
  std::string node_name;  // for people: millrace@host
};

// What recovery found.
struct NodeRecovery {
  std::uint64_t queues = 0;
  std::uint64_t messages = 0;       // in them
  std::uint64_t log_records = 0;    // replayed
  std::uint64_t log_bytes_cut = 0;  // of torn tails, never confirmed
};

class Management;

class Node {
 public:
  // `shards`: one runtime for each of the directory's shards, whose loops do not run yet. `helper` is for
  // slow computations and blocking questions; its completions come on shard 0. All outlive the node.
  // Synchronous. Errors: io_error, disk_full, corrupt (the text names the file and what to do). A fresh
  // directory gets the vhost "/" and the user guest with password guest, an administrator with all
  // permissions, who may come from loopback peers only.
  static result<std::unique_ptr<Node>> open(std::span<const runtime::ShardRuntime> shards,
                                            runtime::DiskExecutor& helper, storage::DataDirectory& directory,
                                            NodeOptions options);
  virtual ~Node() = default;

  virtual const NodeRecovery& recovery() const noexcept = 0;

  // For connections that live on the shard; used on its thread only.
  virtual Gate& gate(unsigned shard) noexcept = 0;

  // After each turn of the shard's loop, on its thread: queues are pumped, sessions called back
  // (ConnectionListener::on_turn_end), letters to other shards sent, the log flushed. `idle`: the loop has
  // nothing else ready.
  virtual void end_turn(unsigned shard, bool idle) = 0;

  virtual Management& management() noexcept = 0;

  // Commits the changes in order, as one client would (an import). Any thread; `done` runs on shard 0's.
  virtual void change(std::vector<Change> changes, Done<void> done) = 0;

  // Asks all sessions to close (on_close_requested), waits for them at most `grace`, commits what is in
  // flight and that it stopped, closes the logs; then `done`, on shard 0's thread. Any thread, once. The
  // loops must go on until then.
  virtual void stop(runtime::Milliseconds grace, Task done) = 0;
};

}  // namespace millrace::broker
