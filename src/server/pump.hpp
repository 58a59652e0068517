// The connections of one shard: reads from them, hands bytes to sessions, writes at the end of a turn.
//
// Thread: the shard's, unless said otherwise.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "runtime/os/byte_stream.hpp"
#include "server/byte_session.hpp"
#include "server/connection.hpp"

namespace millrace::server {

class Pump {
 public:
  static constexpr std::size_t kReadBytes = 256 * 1024;
  // How long a connection must be quiet before its buffers are given back.
  static constexpr runtime::Milliseconds kTrimInterval{1000};

  // `gate`: of the loop's shard.
  Pump(runtime::ShardLoop& loop, broker::Gate& gate, SessionFactory sessions);
  ~Pump();  // when the loop runs no more

  // The pumps of all shards, in their order, for connections that move. Before the loops start.
  void know(std::span<const std::unique_ptr<Pump>> all) noexcept { all_ = all; }
  // Of a peer that is connected. The connection counts from reserve() on.
  void adopt(std::unique_ptr<runtime::ByteStream> stream, broker::ConnectionInfo info);
  // Writes what sessions put out in this turn: the last thing at its end.
  void flush();

  // Any thread. Whoever brings a connection reserves its place first, so that counts are true at once.
  void reserve() noexcept { connections_.fetch_add(1, std::memory_order_relaxed); }
  void give_back_place() noexcept { connections_.fetch_sub(1, std::memory_order_relaxed); }
  std::size_t connections() const noexcept { return connections_.load(std::memory_order_relaxed); }

  // For connections.
  runtime::ShardLoop& loop() noexcept { return loop_; }
  std::uint8_t* read_buffer() noexcept { return read_buffer_.get(); }
  void add_dirty(Connection& connection) { dirty_.push_back(&connection); }
  void add_scheduled(Connection& connection);
  void add_to_trim(Connection& connection);
  void delete_if_done(Connection& connection);
  Pump& of_shard(broker::ShardId shard) noexcept { return *all_[shard.value]; }
  broker::Gate& gate() noexcept { return gate_; }
  // Gives the connection, which has let go of this loop, to another pump's thread.
  void hand_over(Connection& connection, Pump& to);

 private:
  void take_over(std::unique_ptr<Connection> connection);
  void run_scheduled();
  void trim();

  runtime::ShardLoop& loop_;
  broker::Gate& gate_;
  SessionFactory sessions_;
  std::span<const std::unique_ptr<Pump>> all_;
  std::unique_ptr<std::uint8_t[]> read_buffer_;  // of kReadBytes
  std::unordered_map<std::uint64_t, std::unique_ptr<Connection>> by_id_;
  std::uint64_t last_id_ = 0;
  std::vector<Connection*> dirty_;
  std::vector<Connection*> flushing_;
  std::vector<Connection*> scheduled_;
  std::vector<Connection*> running_;
  std::vector<std::uint64_t> to_trim_;  // ids: a connection may be gone when its time comes
  bool trim_timer_runs_ = false;
  std::atomic<std::size_t> connections_{0};
};

// Brings a connection to the pump that has the fewest of them. False, and the stream is closed: there are
// `max_connections` already. Any thread, while the loops run.
bool give_to_least_busy(std::span<const std::unique_ptr<Pump>> pumps, std::size_t max_connections,
                        std::unique_ptr<runtime::ByteStream> stream, broker::ConnectionInfo info);
// Reserves a place at the pump that has the fewest connections. Null: there are `max_connections` already.
Pump* reserve_at_least_busy(std::span<const std::unique_ptr<Pump>> pumps, std::size_t max_connections);

}  // namespace millrace::server
