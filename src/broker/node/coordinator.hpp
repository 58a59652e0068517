// Where definitions are changed: one place, on shard 0, so that every shard sees the same changes in the same
// order.
//
// A request is checked against the authoritative copy, which already holds the changes under way; durable
// changes are logged; when they are on disk they are sent to all shards, and when all have applied them the
// answer goes out. Answers come in the order of the requests.
//
// Thread: shard 0's. Completions run there.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "broker/connection.hpp"
#include "broker/definitions/definitions.hpp"
#include "broker/node/shared.hpp"
#include "storage/record.hpp"

namespace millrace::broker {

// What another connection's exclusive queue answers to all but its owner.
Error locked_queue(std::string_view vhost, std::string_view name);

class Coordinator {
 public:
  Coordinator(NodeShared& shared, Definitions definitions);

  const Definitions& definitions() const noexcept { return definitions_; }

  // Whose the requests are that are made while it lives: for the audit log, and who declared a queue.
  class AskedBy {
   public:
    AskedBy(Coordinator& coordinator, const Subject& subject) : coordinator_(coordinator) {
      coordinator_.asker_ = &subject;
    }
    ~AskedBy() { coordinator_.asker_ = nullptr; }
    AskedBy(const AskedBy&) = delete;
    AskedBy& operator=(const AskedBy&) = delete;

   private:
    Coordinator& coordinator_;
  };

  struct DeclaredQueue {
    QueueSpec queue;
    bool created = false;
  };
  // `server_named`: the name was made by the broker and may begin with amq. `near`: the shard of the
  // connection that asks.
  void declare_queue(QueueSpec asked, bool server_named, ShardId near, Done<DeclaredQueue> done);
  // As of all requests before this one.
  void find_queue(std::string_view vhost, std::string_view name, Done<std::optional<QueueSpec>> done);
  // Likewise: all that the connection has declared, answered or not.
  void find_exclusive_queues(std::string_view vhost, ConnectionId owner, Done<std::vector<QueueSpec>> done);
  // Of exactly this queue: one that took its name since is left alone.
  void delete_queue(std::string_view vhost, std::string_view name, QueueAddress address, Done<void> done);
  void declare_exchange(ExchangeSpec asked, ShardId near, Done<void> done);
  void delete_exchange(std::string_view vhost, std::string_view name, bool if_unused, Done<void> done);
  // The asker's shard may not know source and destination yet, so what depends on them is checked here.
  void bind(BindingSpec binding, const Subject& subject, ConnectionId asker, Done<void> done);
  void unbind(BindingSpec binding, Done<void> done);
  // An import: what is there already is kept, queues are placed.
  void import(std::vector<Change> changes, Done<void> done);

  // What a new data directory begins with, and whether it lacks some of that: the first start may have been
  // cut short in the middle of writing it down.
  std::vector<Change> first_definitions() const;
  bool is_fresh() const;
  // Deletes what there is and makes what a new data directory begins with.
  std::vector<Change> changes_to_reset() const;
  // Before the loops run: applies without asking anybody.
  void bring_up_to_date();

  void on_durable(storage::Lsn durable);

  // Told of each committed change, in order, before whoever asked for it is answered.
  using ChangeListener = std::function<void(const std::shared_ptr<const std::vector<Change>>&)>;
  void listen(ChangeListener listener) { listener_ = std::move(listener); }

  std::uint64_t queues_declared() const noexcept { return queues_declared_; }
  std::uint64_t queues_created() const noexcept { return queues_created_; }
  std::uint64_t queues_deleted() const noexcept { return queues_deleted_; }

 private:
  std::vector<Change> first_objects() const;

  struct Commit {
    std::shared_ptr<const std::vector<Change>> changes;
    storage::Lsn lsn;             // of the last one's record; 0: nothing to wait for
    std::size_t waiting_for = 0;  // shards that have not applied it
    Task done;
    std::vector<AuditEvent> audited;  // of its durable changes
  };

  void commit(std::vector<Change> changes, Task done);
  void note(const Change& change, std::vector<AuditEvent>& audited) const;
  void advance();
  void send_durable();
  void applied(std::size_t commits_before);
  ShardId place(ShardId near) const;
  void add_queue_deletion(const VhostDefinitions& vhost, const QueueSpec& queue,
                          std::vector<Change>& changes);
  // Auto-delete exchanges that lose their last binding when the given ones go.
  void add_unused_exchanges(const VhostDefinitions& vhost, std::vector<BindingSpec> going,
                            std::vector<Change>& changes) const;
  void assign(ExchangeSpec& exchange, ShardId near);
  // Source and destination are there, and the exchange takes such a binding. The vhost exists.
  result<void> check_ends(const BindingSpec& binding) const;
  // not_found: the change refers to what does not exist.
  result<void> check_referents(const Change& change) const;

  NodeShared& shared_;
  Definitions definitions_;
  std::uint64_t next_queue_id_;
  std::vector<std::uint64_t> queues_of_shard_;
  std::deque<Commit> commits_;      // in order; the first is the oldest not done
  std::uint64_t first_commit_ = 0;  // number of commits_.front()
  std::size_t sent_ = 0;            // of commits_, those the shards have been told
  bool advancing_ = false;
  ChangeListener listener_;
  const Subject* asker_ = nullptr;
  std::uint64_t queues_declared_ = 0;  // those that were there, too
  std::uint64_t queues_created_ = 0;
  std::uint64_t queues_deleted_ = 0;
};

}  // namespace millrace::broker
