// Bodies too large for the log: each is written to a file of its own before the record that names it. What
// the same connection publishes meanwhile waits behind it, so that its messages keep their order.
//
// Thread: the shard's. Durable: a file is synced before its record is appended, and removed when the log no
// longer holds the record.
#pragma once

#include <boost/container/small_vector.hpp>
#include <deque>
#include <map>
#include <memory>
#include <string>

#include "base/task.hpp"
#include "broker/node/letter.hpp"
#include "runtime/shard_runtime.hpp"
#include "storage/body_files.hpp"
#include "storage/record.hpp"

namespace millrace::broker {

struct StagedPublish {
  MessageRef message;
  boost::container::small_vector<QueueId, 2> queues;
  ConfirmTo confirm;
  bool large = false;
  // Where it goes instead of to queues; `body` is 0 when it only waited.
  UniqueFunction<void(storage::BodyFileId body)> then;
  Original original = {};
};

class LargeBodies {
 public:
  // Longer bodies go to files.
  static constexpr std::size_t kInlineBytes = 1u << 20;
  // Of bodies whose files are being written; above it publishers are not read.
  static constexpr std::uint64_t kMaxStagedBytes = 64u << 20;
  // Of files that the log still names; above it the log's messages are moved on, though its files have room.
  static constexpr std::uint64_t kMaxLoggedBytes = 512u << 20;
  // After a failed write (the disk is full) it is tried again.
  static constexpr runtime::Milliseconds kRetry{1000};

  // Takes a publish on; `body` is 0 for those that only waited.
  using Enqueue = std::function<void(StagedPublish&& publish, storage::BodyFileId body)>;

  static result<std::unique_ptr<LargeBodies>> open(runtime::ShardRuntime runtime,
                                                   const std::string& directory, Enqueue enqueue);

  // Whether something of the connection waits; then all of it must. What no connection published (0) keeps no
  // order.
  bool is_waiting(ConnectionId connection) const noexcept {
    return !staged_.empty() && connection.value != 0 && staged_.contains(connection.value);
  }
  void stage(StagedPublish&& publish);
  bool is_full() const noexcept { return staged_bytes_ > kMaxStagedBytes; }

  // The record of this LSN names the file.
  void logged(storage::Lsn lsn, storage::BodyFileId body, std::uint64_t bytes);
  bool wants_release() const noexcept { return logged_bytes_ > kMaxLoggedBytes; }
  // The log has forgotten its records through this LSN.
  void released(storage::Lsn through);

  // Recovery: the message of a record, of which `head` is prefix and header and `body` names the file. Its
  // body is read to where it stays. not_found: it was settled long ago; null: `head` is malformed.
  result<MessageRef> recover(storage::Lsn lsn, ByteView head, storage::BodyFileId body);
  // After the last record: files that none names are removed.
  void finish_recovery();

 private:
  struct Logged {
    storage::Lsn lsn;
    storage::BodyFileId body;
    std::uint64_t bytes = 0;
  };

  LargeBodies(runtime::ShardRuntime runtime, std::unique_ptr<storage::BodyFiles> files, Enqueue enqueue)
      : runtime_(runtime), files_(std::move(files)), enqueue_(std::move(enqueue)) {}
  void write(std::uint64_t connection);
  void pass_on(StagedPublish&& publish, storage::BodyFileId body);
  void go_on(std::uint64_t connection);

  runtime::ShardRuntime runtime_;
  std::unique_ptr<storage::BodyFiles> files_;
  Enqueue enqueue_;
  std::map<std::uint64_t, std::deque<StagedPublish>> staged_;  // by connection
  std::uint64_t staged_bytes_ = 0;
  std::deque<Logged> logged_;
  std::uint64_t logged_bytes_ = 0;
};

}  // namespace millrace::broker
