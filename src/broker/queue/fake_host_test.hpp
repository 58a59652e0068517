// A shard that is not one: a log that is a list, segments in memory, consumers that are lists of what they
// got.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "broker/queue/queue.hpp"
#include "simulation/file_system.hpp"
#include "storage/segment_format.hpp"

namespace millrace::broker::test {

struct LogEntry {
  enum class Kind { message, settle, requeue, purge, remember, note } kind;
  std::uint64_t lsn = 0;
  std::uint64_t seq = 0;
  unsigned lane = 0;
  std::uint32_t count = 0;
  MessageRef message;
  std::vector<KeptItem> kept;
  std::optional<Retry> retry = {};
  Remembered remembered = {};
  std::string note = {};
};

class FakeHost final : public QueueHost {
 public:
  struct Got {
    std::uint64_t consumer = 0;
    Delivery delivery;
  };

  std::int64_t now_ms() const noexcept override { return now; }
  std::int64_t now_us() const noexcept override { return steady_us >= 0 ? steady_us : now * 1000; }
  storage::Lsn durable() const noexcept override { return storage::Lsn(durable_lsn); }
  void mark_dirty(Queue& queue) override { queue.dirty = dirty = true; }
  void set_deadline(Queue& queue, std::int64_t wall_ms) override { queue.deadline_ms = wall_ms; }
  void deliver(QueueConsumer& consumer, Delivery&& delivery) override {
    got.push_back({consumer.key.consumer.value, std::move(delivery)});
  }
  void consumer_cancelled(const QueueConsumer&) override { ++cancelled; }
  void log_settled(Queue&, unsigned lane, std::uint64_t seq) override {
    log.push_back({LogEntry::Kind::settle, ++last_lsn, seq, lane, 0, nullptr, {}});
  }
  void log_requeued(Queue&, const Entry& entry, std::int64_t due_ms) override {
    log.push_back({LogEntry::Kind::requeue, ++last_lsn, entry.seq, 0, entry.delivery_count, nullptr, {}});
    if (due_ms > 0) log.back().retry = Retry{due_ms, entry.returns};
  }
  storage::Lsn log_remembered(Queue&, const Remembered& entry) override {
    log.push_back({LogEntry::Kind::remember, ++last_lsn, entry.seq, 0, 0, nullptr, {}, {}, entry});
    return storage::Lsn(last_lsn);
  }
  void log_note(Queue&, ByteView note) override {
    log.push_back(
        {LogEntry::Kind::note, ++last_lsn, 0, 0, 0, nullptr, {}, {}, {}, std::string(as_text(note))});
  }
  void log_purged(Queue&, std::uint64_t through, std::span<const KeptItem> kept) override {
    log.push_back({LogEntry::Kind::purge, ++last_lsn, through, 0, 0, nullptr, {kept.begin(), kept.end()}});
  }
  bool dead_letter(Queue&, const Entry& entry, DeathReason reason) override {
    dead.emplace_back(entry.seq, reason);
    dead_after.push_back(got.size());
    return settle_dead_at_once;
  }
  void read_segment(storage::SegmentId segment, std::uint64_t offset, std::size_t bytes,
                    storage::Segments::ReadDone done) override {
    ++reads;
    bytes_read += bytes;
    if (failing_reads > 0) {
      --failing_reads;
      pending.push_back([done = std::move(done)]() mutable { done(fail(Errc::io_error, "EIO")); });
      return;
    }
    const std::string& file = segments.at(segment.value);
    Buffer piece;
    piece.append(as_bytes(std::string_view(file).substr(offset, std::min(bytes, piece_bytes))));
    pending.push_back(
        [done = std::move(done), piece = std::move(piece)]() mutable { done(std::move(piece)); });
  }
  void set_aside(Queue&, const storage::SegmentRun&, std::uint64_t messages, std::string_view) override {
    ++reports;
    aside += messages;
  }
  const RankedLimits& ranked_limits() const noexcept override { return limits; }
  std::unique_ptr<storage::SortedRuns> make_sorted_runs(const Queue&, ParkedOrder order) override {
    storage::SortedRuns::Options options;
    options.directory = "ranks";
    options.prefix = std::to_string(++indexes) + std::string(to_string(order));
    options.memtable_entries = memtable_entries;
    (void)files->create_directories(options.directory);
    return storage::SortedRuns::make(*files, options);
  }
  void store_soon(Queue&) override { wants_store = true; }
  void cannot_park(const Queue&, std::string_view) override { ++not_parked; }
  void run_released(const storage::SegmentRun& run) override { released.insert(run.segment.value); }
  void queue_unused(Queue&) override { unused = true; }
  void memory_changed(std::int64_t bytes) override { memory += bytes; }
  std::string header_text(const Message& message, std::string_view) override {
    return std::string(as_text(message.header()));
  }
  // Of a header "x-size=5 x-key=a".
  std::optional<Value> header_value(const Message& message, std::string_view name) override {
    const std::string all = " " + std::string(as_text(message.header())) + " ";
    const std::size_t at = all.find(" " + std::string(name) + "=");
    if (at == std::string::npos) return std::nullopt;
    const std::size_t from = at + name.size() + 2;
    return Value::text(all.substr(from, all.find(' ', from) - from));
  }
  std::optional<std::string> property_text(const Message&, std::string_view) override { return std::nullopt; }
  MessageRef stamped(const MessageRef& message, const Queue&, std::uint64_t) override { return message; }

  // The turn's end, and all reads that it asks for.
  void run(Queue& queue) {
    durable_lsn = last_lsn;
    do {
      dirty = queue.dirty = false;
      queue.pump();
      std::vector<Task> reading = std::move(pending);
      pending.clear();
      for (Task& task : reading) task();
      if (may_store && std::exchange(wants_store, false)) {
        Spill collected;
        queue.collect_ranked(collected);
        spill(queue, collected);
      }
    } while (dirty || !pending.empty());
  }

  std::uint64_t publish(Queue& queue, std::string_view body, bool durable = true, std::uint8_t priority = 0,
                        std::int64_t ttl_ms = -1) {
    Message::Fields fields;
    fields.durable = durable;
    fields.priority = priority;
    fields.ttl_ms = ttl_ms;
    fields.received_ms = now;
    fields.header = as_bytes(header);
    const MessageRef message = Message::create(fields, as_bytes(body));
    first_copy = {};
    last_admission = queue.admit(*message, first_copy);
    if (last_admission != Queue::Admission::accept) return 0;
    const std::uint64_t seq = queue.take_seq();
    storage::Lsn lsn;
    if (durable && queue.spec().durable) {
      lsn = storage::Lsn(++last_lsn);
      log.push_back({LogEntry::Kind::message, lsn.value, seq, 0, 0, message, {}});
    }
    last_pushed = queue.push(message, seq, lsn);
    return seq;
  }

  // Writes what was collected, as a segment does; the queue is not told yet.
  std::vector<storage::SegmentRun> write(const Spill& spill) {
    std::vector<storage::SegmentRun> runs;
    const storage::SegmentId id(next_segment++);
    std::string& file = segments[id.value];
    file = "head";
    for (const storage::SegmentItem& item : spill.items) {
      if (runs.empty() || runs.back().entity != item.entity) {
        runs.push_back({id, item.entity, file.size(), 0, item.seq, item.seq, 0});
      }
      append_item(file, item);
      storage::SegmentRun& run = runs.back();
      run.bytes = file.size() - run.offset;
      run.last_seq = item.seq;
      ++run.count;
    }
    return runs;
  }
  void spill(Queue& queue, const Spill& collected) {
    for (const storage::SegmentRun& run : write(collected)) queue.spilled(run);
  }

  std::vector<std::string> take_bodies() {
    std::vector<std::string> bodies;
    for (const Got& g : got) bodies.emplace_back(as_text(g.delivery.message->body()));
    got.clear();
    return bodies;
  }

  // What a restart finds: the state, changed by the log above `from`, of which all is kept.
  static RecoveredQueue replay(RecoveredQueue state, const std::vector<LogEntry>& log, std::uint64_t from,
                               std::uint64_t state_lsn) {
    for (const LogEntry& entry : log) {
      if (entry.lsn <= from) continue;
      const bool in_state = entry.lsn <= state_lsn;
      switch (entry.kind) {
        case LogEntry::Kind::message:
          state.add(entry.seq, entry.message, storage::Lsn(entry.lsn), in_state);
          break;
        case LogEntry::Kind::settle:
          state.settle(entry.lane, entry.seq, in_state);
          break;
        case LogEntry::Kind::requeue:
          state.requeue(entry.seq, entry.count, entry.retry, in_state);
          break;
        case LogEntry::Kind::purge:
          state.purge(entry.seq, entry.kept, in_state);
          break;
        case LogEntry::Kind::remember:
          state.remember(entry.remembered, in_state);
          break;
        case LogEntry::Kind::note: {
          Reader in(as_bytes(entry.note));
          state.ranked.replay(in, in_state);
          break;
        }
      }
    }
    return state;
  }

  std::int64_t now = 1'000'000;
  std::int64_t steady_us = -1;  // as `now` says
  std::uint64_t last_lsn = 0;
  std::uint64_t durable_lsn = 0;
  std::vector<LogEntry> log;
  std::vector<Got> got;
  std::vector<std::pair<std::uint64_t, DeathReason>> dead;
  std::vector<std::size_t> dead_after;  // that had been delivered by then
  bool settle_dead_at_once = true;
  std::map<std::uint64_t, std::string> segments;
  std::uint64_t next_segment = 1;
  std::set<std::uint64_t> released;
  std::vector<Task> pending;
  std::size_t piece_bytes = SIZE_MAX;
  std::string header;
  Queue::Admission last_admission{};
  storage::Lsn first_copy;
  storage::Lsn last_pushed;
  bool dirty = false;
  bool unused = false;
  int cancelled = 0;
  std::uint64_t aside = 0;  // messages, in
  int reports = 0;
  int failing_reads = 0;  // so many of the next
  int reads = 0;
  std::uint64_t bytes_read = 0;
  std::int64_t memory = 0;
  RankedLimits limits;
  std::unique_ptr<simulation::FileSystem> files = std::make_unique<simulation::FileSystem>();
  std::size_t memtable_entries = 4;
  int indexes = 0;
  int not_parked = 0;
  bool wants_store = false;
  bool may_store = true;  // nothing is being written

 private:
  static void append_item(std::string& file, const storage::SegmentItem& item) {
    std::uint8_t head[storage::kSegmentItemHeaderBytes];
    storage::put_item_header(head, item);
    file += as_text(ByteView(head, sizeof head));
    for (const ByteView part : item.parts) file += as_text(part);
  }
};

inline QueueSpec test_spec(bool durable = true) {
  QueueSpec spec;
  spec.vhost = "/";
  spec.name = "q";
  spec.durable = durable;
  spec.address.id = QueueId(7);
  return spec;
}

inline QueueConsumer test_consumer(std::uint64_t id, std::uint64_t credit, std::int64_t priority = 0) {
  QueueConsumer consumer;
  consumer.key = {ConnectionId(1), ConsumerId(id)};
  consumer.credit = credit;
  consumer.priority = priority;
  return consumer;
}

}  // namespace millrace::broker::test
