// Works the exchanges that remember something: delayed messages, recent history, deduplication.
//
// Each such exchange is worked at one shard, its owner (ExchangeSpec::owner), so that there is one memory and
// one order. A message that any shard's routing leads to such an exchange goes to the owner by a letter, with
// the exchanges it has come by already, so that cycles end; the owner looks at its memory and routes on. Who
// waits for the message's confirmation hears when all parts of it are where they must be.
//
// Delayed messages are in a DelayedStore, recent history is in a HistoryStore. A deduplication window is in
// memory; of a durable exchange, the values of persistent messages are in the log and the checkpoint as well.
//
// Thread: the shard's.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "broker/exchange/deduplicating.hpp"
#include "broker/exchange/recent_history.hpp"
#include "broker/node/delayed_store.hpp"
#include "broker/node/history_store.hpp"
#include "broker/node/letter.hpp"
#include "broker/node/shard.hpp"
#include "broker/queue/deduplication.hpp"
#include "broker/routing_table.hpp"
#include "storage/record.hpp"

namespace millrace::broker {

class Remembering final : public DelayedHost {
 public:
  explicit Remembering(Shard& shard) : shard_(shard) {}

  // A message on its way through remembering exchanges.
  struct Passage {
    std::string vhost;
    MessageRef message;
    std::vector<std::string> keys;
    std::vector<QueueId> visited;  // the stores of the exchanges it came by
    Original original = {};        // when it was sent on
  };

  // Whether a message published to the exchange goes to its owner, rather than to be routed at once.
  bool keeps(const Exchange& exchange, const Message& message) const;
  // Sends the message to the queues, and to the owners of the exchanges but for those visited. `to` hears
  // when that is done, unless it is settled at once.
  Shard::Enqueued distribute(Passage passage, std::span<const QueueAddress> targets,
                             std::span<Exchange* const> exchanges, const ConfirmTo& to);

  // From the shard.
  void exchange_put(const ExchangeSpec& exchange);
  void exchange_deleted(std::string_view vhost, std::string_view name);
  void vhost_deleted(std::string_view vhost);
  void binding_put(const BindingSpec& binding);
  void confirmed(std::uint64_t token, bool accepted);
  void fire_deadlines();
  std::int64_t next_ms() const noexcept {
    return deadlines_.empty() ? Entry::kNever : deadlines_.begin()->first;
  }
  // What was passed on is not yet confirmed.
  bool is_passing() const noexcept { return !passing_.empty() || !first_copies_.empty(); }
  bool has_settled() const noexcept { return !settled_.empty(); }
  void gather_settled();

  // Storage.
  // `in_state`: what read_state() gave knows of it.
  void replay(const storage::Record& record, bool in_state);
  // `complete`: with what version 2 of the checkpoint did not have.
  void read_state(Reader& in, bool complete);
  void put_state(Buffer& out) const;
  // Whether a store of delayed messages that was found still has the message, or may have it.
  bool recovered_may_hold(const Arrivals::Name& name) const;
  void finish_recovery(const std::function<void(const storage::SegmentRun&)>& visit_run);
  void collect(storage::Lsn through, Spill& spill);
  // Those that would give memory back, the one that would give most first.
  std::vector<DelayedStore*> longest() const;
  // False: nobody's, the exchange has gone.
  bool spilled(const storage::SegmentRun& run);

  // DelayedHost
  std::int64_t now_ms() const noexcept override { return shard_.now_ms(); }
  bool pass_on(DelayedStore& store, const DelayedMessage& delayed) override;
  void has_settled(DelayedStore& store) override;
  void rescheduled(DelayedStore& store) override;
  void read_segment(storage::SegmentId segment, std::uint64_t offset, std::size_t bytes,
                    storage::Segments::ReadDone done) override;
  void run_released(const storage::SegmentRun& run) override { shard_.run_released(run); }
  void set_aside(DelayedStore& store, const storage::SegmentRun& run, std::uint64_t messages,
                 std::string_view why) override;
  void memory_changed(std::int64_t bytes) override { shard_.memory_changed(bytes); }

 private:
  struct Window {
    DeduplicationWindow seen;
    DeduplicationBounds bounds;
    QueueId store;
    bool durable = false;
    std::uint64_t next_seq = 1;
    boost::unordered_flat_map<std::uint64_t, PublishToken> under_way = {};  // first copies, by seq
  };
  // A persistent message that a window let pass, until it is where it must be.
  struct FirstCopy {
    QueueId store;
    std::uint64_t seq = 0;
    std::string value;
    storage::Lsn lsn;                // of its record in the log; 0: not written yet
    std::vector<ConfirmTo> waiting;  // its publisher, and those of its duplicates
  };
  struct State {
    std::string vhost;
    std::string name;
    std::variant<std::unique_ptr<DelayedStore>, std::unique_ptr<HistoryStore>, Window> memory;
  };
  // Parts of one message, of which somebody waits for all.
  struct Gathering {
    ConfirmTo to;
    unsigned parts = 0;
    bool accepted = true;
  };
  struct Passing {
    QueueId store;
    std::uint64_t seq = 0;
  };

  bool pass_on_now(DelayedStore& store, const DelayedMessage& delayed);
  Shard::Enqueued arrive(Passage passage, const std::string& exchange, QueueId store, const ConfirmTo& to);
  Shard::Enqueued route_on(Passage passage, Exchange& exchange, const ConfirmTo& to);
  Shard::Enqueued hold(DelayedStore& store, Passage passage, std::int64_t delay_ms, const ConfirmTo& to);
  Shard::Enqueued hold_now(DelayedStore& store, DelayedMessage delayed, const ConfirmTo& to,
                           storage::BodyFileId body, const Original& original);
  // In record_, of what the store takes in; notes its arrival there. Returns the record's flags.
  std::uint8_t begin_record(const Original& original, QueueId store);
  // remembering_memory.cpp
  Window make_window(const ExchangeSpec& spec);
  std::unique_ptr<HistoryStore> make_history(const ExchangeSpec& spec);
  Shard::Enqueued pass_once(Window& window, const DeduplicationMark& mark, Passage passage,
                            Exchange& exchange, const ConfirmTo& to);
  Shard::Enqueued wait_for_first(const Window& window, const Remembered& first, const ConfirmTo& to);
  // Returns what must be durable before anybody is told of it.
  storage::Lsn first_copy_arrived(const FirstCopy& first, bool accepted);
  storage::Lsn log_passed(const Window& window, Remembered& entry);
  void confirm_after(storage::Lsn lsn, const ConfirmTo& to, bool accepted);
  Shard::Enqueued keep_in_history(HistoryStore& history, Passage passage, Exchange& exchange,
                                  const ConfirmTo& to);
  State* find(QueueId store);
  DelayedStore* find_delayed(QueueId store);
  void forget_if(const std::function<bool(const State&)>& condition);

  Shard& shard_;
  boost::unordered_flat_map<std::uint64_t, std::unique_ptr<State>> states_;  // by store
  boost::unordered_flat_map<std::uint64_t, RecoveredDelayed> recovered_;
  boost::unordered_flat_map<std::uint64_t, std::map<std::uint64_t, Remembered>> recovered_windows_;
  boost::unordered_flat_map<std::uint64_t, RecoveredHistory> recovered_histories_;
  bool recovered_all_ = false;
  boost::unordered_flat_map<std::uint64_t, FirstCopy> first_copies_;  // by token
  boost::unordered_flat_map<std::uint64_t, Gathering> gatherings_;    // likewise
  boost::unordered_flat_map<std::uint64_t, Passing> passing_;         // likewise
  std::set<std::pair<std::int64_t, DelayedStore*>> deadlines_;
  std::vector<QueueId> settled_;  // stores with something to log
  Buffer record_;                 // scratch
};

}  // namespace millrace::broker
