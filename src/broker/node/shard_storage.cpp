// The shard's log, segments and checkpoints: recovery, and moving on what outlives its log file.
//
// docs/format/checkpoint.md and docs/format/records.md have the bytes.
#include <algorithm>

#include "base/assert.hpp"
#include "base/varint.hpp"
#include "broker/definitions/definitions.hpp"
#include "broker/node/coordinator.hpp"
#include "broker/node/remembering.hpp"
#include "broker/node/shard.hpp"
#include "broker/queue/run_piece.hpp"
#include "storage/checkpoint.hpp"
#include "storage/numbered_name.hpp"

namespace millrace::broker {
namespace {

constexpr std::uint8_t kBlobVersion = 6;
constexpr std::uint8_t kBlobWithoutDeclarers = 4;
constexpr std::uint8_t kBlobWithoutMemory = 2;  // nothing of what queues remember

Error explain(Error error, std::string_view what) {
  error.text = std::string(what) + ": " + error.text;
  return error;
}

// Of the sorted runs of ranked queues: docs/format/sorted-run.md.
std::string ranks_directory(const std::string& directory) {
  return directory + "/ranks";
}

}  // namespace

result<std::unique_ptr<Shard>> Shard::open(NodeShared& shared, unsigned index, runtime::ShardRuntime runtime,
                                           std::string directory, Definitions& definitions,
                                           NodeRecovery& recovery) {
  std::unique_ptr<Shard> shard(new Shard(shared, index, runtime, directory));
  if (auto removed = storage::remove_sorted_runs(runtime.files, ranks_directory(directory)); !removed) {
    return explain(removed.error(), "cannot remove what an earlier run has left");
  }
  auto segments = storage::Segments::open(runtime, directory);
  if (segments.has_error()) return explain(segments.error(), "cannot open the segments");
  shard->segments_ = std::move(*segments);
  auto bodies = LargeBodies::open(
      runtime, directory, [self = shard.get()](StagedPublish&& publish, storage::BodyFileId body) {
        const Enqueued done =
            self->enqueue_now(publish.message, publish.queues, publish.confirm, body, publish.original);
        if (done.settled) self->confirm(publish.confirm, done.accepted);
      });
  if (bodies.has_error()) return explain(bodies.error(), "cannot open the large bodies");
  shard->bodies_ = std::move(*bodies);

  auto checkpoint = storage::load_checkpoint(runtime.files, directory);
  if (checkpoint.has_error()) return explain(checkpoint.error(), "cannot read the checkpoint");
  storage::Lsn checkpointed;
  if (*checkpoint) {
    checkpointed = (*checkpoint)->lsn;
    // A later checkpoint must not go back: the log in front of this one is gone.
    shard->pressure_ = shard->released_ = checkpointed;
    if (auto read = shard->read_checkpoint((*checkpoint)->blob.view(), definitions); read.has_error()) {
      return read.error();
    }
  }
  storage::LogOptions options;
  options.directory = directory;
  options.mode = shared.options.sync_mode;
  options.sync_interval = shared.options.sync_interval;
  options.file_bytes = shared.options.log_file_bytes;
  options.files = shared.options.log_files;
  options.on_failure = shared.options.on_log_failure;
  storage::LogRecovery found;
  auto log = storage::Log::open(
      runtime, options, checkpointed, *shard,
      [&](const storage::Record& record) { shard->replay(record, definitions); }, found);
  if (log.has_error()) return explain(log.error(), "cannot open the log");
  if (found.corrupt) {
    return fail(Errc::corrupt, found.corruption + "; messages that were confirmed are damaged. Nothing was " +
                                   "changed; restore the data directory or the file from a backup");
  }
  shard->log_ = std::move(*log);
  shard->durable_ = shard->log_->durable();
  shard->stopped_in_order_ = found.epoch != 0 && shard->stopped_epoch_ == found.epoch;
  recovery.log_records += found.records;
  recovery.log_bytes_cut += found.bytes_cut;
  return shard;
}

result<void> Shard::read_checkpoint(ByteView blob, Definitions& definitions) {
  Reader in(blob);
  const auto malformed = [] { return fail(Errc::corrupt, "the checkpoint is malformed"); };
  const std::uint8_t version = in.u8();
  if (version < kBlobWithoutMemory || version > kBlobVersion) {
    return fail(Errc::precondition_failed, "the checkpoint is of version " + std::to_string(version) +
                                               ", which this Millrace does not know; start "
                                               "the one that wrote it, or a later one");
  }
  recovered_state_.value = in.varint();
  const ChangeForm form =
      version > kBlobWithoutDeclarers ? ChangeForm::complete : ChangeForm::without_declarers;
  for (std::uint64_t count = in.varint(); count > 0; --count) {
    const Change change = read_change(in, form);
    if (in.failed()) return malformed();
    definitions.apply(change);
  }
  for (std::uint64_t count = in.varint(); count > 0; --count) {
    const std::uint64_t queue = in.varint();
    recovered_[queue] = Queue::read_state(in, static_cast<Queue::StateVersion>(version));
    if (in.failed()) return malformed();
  }
  remembering_->read_state(in, version != kBlobWithoutMemory);
  if (version != kBlobWithoutMemory) arrivals_.read_state(in);
  if (in.failed()) return malformed();
  return {};
}

void Shard::replay(const storage::Record& record, Definitions& definitions) {
  Reader in(record.payload);
  const bool in_state = record.lsn <= recovered_state_;
  stopped_epoch_ = record.type == storage::RecordType::stopped ? record.epoch : 0;
  switch (record.type) {
    case storage::RecordType::definition: {
      // What was deleted before the checkpoint would half come back: a binding without its queue.
      if (in_state) return;
      const Change change = read_change(in);
      if (!in.failed()) definitions.apply(change);
      return;
    }
    case storage::RecordType::message:
      replay_message(record);
      return;
    case storage::RecordType::settle: {
      RecoveredQueue& queue = recovered_[record.entity];
      queue.delivered_through = std::max(queue.delivered_through, in.varint());
      const auto lane = static_cast<unsigned>(in.varint());
      std::uint64_t seq = 0;
      while (!in.at_end() && !in.failed()) {
        seq += in.varint();
        const std::uint64_t count = in.varint();
        if (in.failed()) return;
        for (std::uint64_t i = 0; i < count; ++i) queue.settle(lane, seq + i, in_state);
        seq += count - 1;
      }
      return;
    }
    case storage::RecordType::requeue: {
      const std::uint64_t seq = in.varint();
      const std::uint64_t count = in.varint();
      std::optional<Retry> retry;
      if (!in.at_end()) retry = read_retry(in);
      if (in.failed()) return;
      recovered_[record.entity].requeue(seq, static_cast<std::uint32_t>(count), retry, in_state);
      return;
    }
    case storage::RecordType::purge: {
      const std::uint64_t through = in.varint();
      std::vector<KeptItem> kept;
      for (std::uint64_t count = in.varint(); count > 0 && !in.failed(); --count) {
        KeptItem& item = kept.emplace_back();
        item.seq = in.varint();
        item.lane = static_cast<unsigned>(in.varint());
      }
      if (!in.failed()) recovered_[record.entity].purge(through, kept, in_state);
      return;
    }
    case storage::RecordType::remembered: {
      Remembered entry = read_remembered(in);
      if (in.failed()) return;
      RecoveredQueue& queue = recovered_[record.entity];
      queue.remember(std::move(entry), in_state);
      return;
    }
    case storage::RecordType::queue_state:
      recovered_[record.entity].ranked.replay(in, in_state);
      return;
    case storage::RecordType::passed:
    case storage::RecordType::history:
    case storage::RecordType::delayed:
    case storage::RecordType::delayed_settled:
      return remembering_->replay(record, in_state);
    case storage::RecordType::commit_group:
    case storage::RecordType::epoch_start:
    case storage::RecordType::stopped:
      return;
  }
}

void Shard::replay_message(const storage::Record& record) {
  Reader in(record.payload);
  boost::container::small_vector<std::pair<std::uint64_t, std::uint64_t>, 4> queues;
  for (std::uint64_t count = in.varint(); count > 0 && !in.failed(); --count) {
    const std::uint64_t queue = in.varint();
    queues.emplace_back(queue, in.varint());
  }
  const bool in_state = record.lsn <= recovered_state_;
  if ((record.flags & kSentOn) != 0) {
    const Original original = read_original(in);
    boost::container::small_vector<QueueId, 4> places;
    for (const auto& [queue, seq] : queues) places.push_back(QueueId(queue));
    if (!in.failed() && !in_state) arrivals_.add(original, places);
  }
  if (in.failed()) return;
  const MessageRef message = read_logged(record, in.rest());
  if (!message) return;
  for (const auto& [queue, seq] : queues) recovered_[queue].add(seq, message, record.lsn, in_state);
}

MessageRef Shard::read_logged(const storage::Record& record, ByteView stored) {
  if ((record.flags & kBodyInFile) == 0) return read_message(stored);
  if (stored.size() < sizeof(std::uint64_t)) return nullptr;
  const ByteView name = stored.last(sizeof(std::uint64_t));
  auto message = bodies_->recover(record.lsn, stored.first(stored.size() - name.size()),
                                  storage::BodyFileId(load_le<std::uint64_t>(name.data())));
  if (message.has_value()) return std::move(*message);
  // Absent: the message was settled, and its record only waits to be forgotten.
  if (message.error().code != Errc::not_found) shared_.options.log(LogLevel::error, message.error().text);
  return nullptr;
}

bool Shard::recovered_may_hold(const Arrivals::Name& original) {
  const auto it = recovered_.find(original.store);
  if (it == recovered_.end()) return remembering_->recovered_may_hold(original);
  return it->second.tail.contains(original.seq) || look_for(it->second, original.seq).may_be;
}

void Shard::settle_recovered(const Arrivals::Name& original) {
  const auto it = recovered_.find(original.store);
  if (it == recovered_.end()) return;
  const bool logged = it->second.tail.contains(original.seq);
  const std::optional<unsigned> lane = logged ? 0 : look_for(it->second, original.seq).lane;
  if (lane) it->second.settle(*lane, original.seq, false);
}

Shard::Whereabouts Shard::look_for(const RecoveredQueue& queue, std::uint64_t seq) {
  Whereabouts found;
  for (const auto& [lane, runs] : queue.runs) {
    const LaneRun* run = find_run(runs, seq);
    if (!run) continue;
    if (!queue.is_live(*run, seq)) continue;
    const bool unread = seq >= run->read_from_seq;
    // What was settled before the run was written, and what is of another lane, is not in it.
    const bool is_dense = run->run.count == run->run.last_seq - run->run.first_seq + 1;
    if (is_dense || (!unread && queue.runs.size() == 1)) return {lane, true};
    const RunItems& items = items_of(run->run);
    if (items.seqs.contains(seq)) return {lane, true};
    found.may_be = found.may_be || !items.complete;
  }
  return found;
}

const Shard::RunItems& Shard::items_of(const storage::SegmentRun& run) {
  const auto [it, first] = looked_into_.try_emplace({run.segment.value, run.offset});
  RunItems& items = it->second;
  if (!first) return items;
  const result<Buffer> bytes = read_segment_now(run);
  // What cannot be read is reported when it is to be served.
  if (bytes.has_error()) return items;
  items.complete = true;
  walk_piece(
      bytes->view(), run.offset, run.offset + run.bytes,
      [&](const storage::StoredItem& item, std::uint64_t) { items.seqs.insert(item.seq); },
      [&](std::uint64_t) { items.complete = false; });
  return items;
}

void Shard::finish_recovery(NodeRecovery& recovery) {
  // What is left belongs to queues that were deleted, or were never durable.
  recovered_.clear();
  looked_into_.clear();
  segment_uses_.clear();
  const auto count_use = [&](const storage::SegmentRun& run) { ++segment_uses_[run.segment.value].runs; };
  for (const auto& [id, queue] : queues_) {
    queue->for_each_run(count_use);
    ++recovery.queues;
    recovery.messages += queue->ready() + queue->waiting();
  }
  remembering_->finish_recovery(count_use);
  bodies_->finish_recovery();
  for (const storage::SegmentId segment : segments_->list()) {
    if (!segment_uses_.contains(segment.value)) segments_->remove(segment);
  }
  dead_segments_.clear();
}

// Segments.

void Shard::read_segment(storage::SegmentId segment, std::uint64_t offset, std::size_t bytes,
                         storage::Segments::ReadDone done) {
  segments_->read(segment, offset, bytes, std::move(done));
}

void Shard::set_aside(Queue& queue, const storage::SegmentRun& run, std::uint64_t messages,
                      std::string_view why) {
  log_set_aside(std::to_string(messages) + " messages of " + queue.describe(), "queue", run, why);
}

void Shard::log_set_aside(const std::string& what, std::string_view owner, const storage::SegmentRun& run,
                          std::string_view why) {
  const auto use = segment_uses_.find(run.segment.value);
  const bool durable = use == segment_uses_.end() || use->second.durable;
  const std::string file = storage::Segments::file_name(
      durable ? storage::SegmentKind::durable : storage::SegmentKind::transient, run.segment);
  shared_.options.log(
      LogLevel::error,
      what + " cannot be read from '" + directory_ + "/" + file + "' and are set aside: " + std::string(why) +
          (durable ? ". They are not served. The file is kept: see to the disk, or bring the file back from "
                     "a backup, "
                     "and restart to have them read again; delete the " +
                         std::string(owner) + (owner == "queue" ? ", or purge it," : "") + " to give them up"
                   : ". They were transient, and a restart drops them"));
}

void Shard::run_released(const storage::SegmentRun& run) {
  const auto it = segment_uses_.find(run.segment.value);
  if (it == segment_uses_.end() || --it->second.runs > 0) return;
  const bool durable = it->second.durable;
  segment_uses_.erase(it);
  if (!durable) return segments_->remove(run.segment);
  // A checkpoint may still name it.
  dead_segments_.push_back(run.segment);
}

void Shard::drop_dead_segments() {
  // Not as they die: whoever gives a run back may be in the middle of changing what a checkpoint would say.
  if (dead_segments_.size() < kMaxDeadSegments || spilling_ || checkpointing_) return;
  checkpoint(released_);
}

void Shard::on_log_pressure(storage::Lsn through) {
  pressure_ = std::max(pressure_, through);
  make_room();
}

void Shard::make_room() {
  if (spilling_ || checkpointing_ || closing_ || pressure_ <= released_) return;
  const storage::Lsn through = pressure_;
  std::vector<std::uint64_t> ids;
  for (const auto& [id, queue] : queues_) {
    if (queue->spec().durable) ids.push_back(id);
  }
  std::sort(ids.begin(), ids.end());
  Spill collected;
  for (const std::uint64_t id : ids) queues_.find(id)->second->collect(through, collected);
  remembering_->collect(through, collected);
  spill(storage::SegmentKind::durable, std::move(collected), [this, through] { checkpoint(through); });
}

void Shard::spill(storage::SegmentKind kind, Spill&& collected, Task then) {
  if (collected.items.empty()) return then();
  spilling_ = true;
  auto kept = std::make_shared<Spill>(std::move(collected));
  std::vector<storage::SegmentItem> items = std::move(kept->items);
  segments_->write(
      kind, std::move(items), [kept] {},
      [this, kind, then = std::move(then)](result<std::vector<storage::SegmentRun>> runs) mutable {
        spilling_ = false;
        if (closing_) return;
        if (runs.has_error()) {
          // Everything is still in memory and in the log; it is tried again when there is reason to.
          shared_.options.log(LogLevel::warning, "cannot move messages to a segment in " + directory_ + ": " +
                                                     runs.error().text);
          if (Queue* queue = find_queue(std::exchange(storing_, QueueId()))) queue->not_stored();
          retry_later();
          return;
        }
        for (const storage::SegmentRun& run : *runs) {
          SegmentUse& use = segment_uses_[run.segment.value];
          ++use.runs;
          use.durable = kind == storage::SegmentKind::durable;
        }
        for (const storage::SegmentRun& run : *runs) {
          if (Queue* queue = find_queue(QueueId(run.entity >> 8))) {
            queue->spilled(run);
          } else if (!remembering_->spilled(run)) {
            run_released(run);
          }
        }
        then();
      });
}

void Shard::retry_later() {
  runtime_.timers.start(runtime::Milliseconds(1000), [this] {
    make_room();
    spill_for_memory();
  });
}

std::int64_t Shard::resident_share() const noexcept {
  const std::uint64_t limit = shared_.memory_limit_bytes.load(std::memory_order_relaxed);
  return static_cast<std::int64_t>(std::min(limit / 2, shared_.options.resident_bytes) /
                                   shared_.shards.size());
}

void Shard::spill_for_memory() {
  if (memory_bytes_ <= std::max(resident_share(), spill_above_) || spilling_ || checkpointing_ || closing_) {
    return;
  }
  spill_above_ = 0;
  spill_after_ = storage::Lsn();
  Spill collected;
  const auto kind = collect_for_memory(collected);
  if (!kind) {
    // All of it is with consumers, or on its way to disk: looked at again when there is more, and when what
    // is in the log by now is durable. Without the latter, publishers who are blocked until memory is given
    // back would wait for what nobody does.
    spill_above_ = memory_bytes_ + static_cast<std::int64_t>(kSpillBytes) / 2;
    if (log_->appended() > durable_) spill_after_ = log_->appended();
    return;
  }
  spill(*kind, std::move(collected), [this] {
    if (pressure_ > released_) {
      make_room();
    } else {
      spill_for_memory();
    }
  });
}

void Shard::spill_once_durable() {
  if (spill_after_ == storage::Lsn() || durable_ < spill_after_) return;
  spill_above_ = 0;
  spill_for_memory();
}

void Shard::spill_ranked() {
  while (!to_store_.empty() && !spilling_ && !checkpointing_) {
    const QueueId id(*to_store_.begin());
    to_store_.erase(to_store_.begin());
    Queue* const queue = find_queue(id);
    if (queue == nullptr) continue;
    Spill collected;
    queue->collect_ranked(collected);
    const bool durable = queue->spec().durable;
    storing_ = id;
    spill(durable ? storage::SegmentKind::durable : storage::SegmentKind::transient, std::move(collected),
          [this] {
            storing_ = QueueId();
            make_room();
          });
  }
}

std::unique_ptr<storage::SortedRuns> Shard::make_sorted_runs(const Queue& queue, ParkedOrder order) {
  const std::string directory = ranks_directory(directory_);
  (void)runtime_.files.create_directories(directory);  // else the first write says so
  std::string prefix = storage::numbered_name("", queue.id().value);
  prefix.append("-").append(to_string(order)).append("-");
  storage::SortedRuns::Options options;
  options.directory = directory;
  options.prefix = std::move(prefix);
  return storage::SortedRuns::make(runtime_.files, std::move(options));
}

void Shard::cannot_park(const Queue& queue, std::string_view why) {
  shared_.options.log(
      LogLevel::warning,
      queue.describe() + " cannot keep its order in '" + ranks_directory(directory_) +
          "': " + std::string(why) +
          ". What does not fit into memory waits in order of arrival until it can; see to the disk");
}

std::optional<storage::SegmentKind> Shard::collect_for_memory(Spill& collected) {
  // The longest first, and the others when nothing of it can go; all in one segment must be of one kind.
  std::vector<Queue*> longest;
  for (const auto& [id, queue] : queues_) {
    if (queue->memory_bytes() > 0) longest.push_back(queue.get());
  }
  std::sort(longest.begin(), longest.end(),
            [](const Queue* a, const Queue* b) { return a->memory_bytes() > b->memory_bytes(); });
  const auto kind_of = [](bool durable) {
    return durable ? storage::SegmentKind::durable : storage::SegmentKind::transient;
  };
  const std::vector<DelayedStore*> stores = remembering_->longest();
  std::size_t tried = 0;
  const auto from_stores = [&](std::uint64_t least) -> std::optional<storage::SegmentKind> {
    for (; tried < stores.size() && stores[tried]->spillable_bytes() > least; ++tried) {
      stores[tried]->collect_oldest(kSpillBytes, durable_, collected);
      if (!collected.items.empty()) return kind_of(stores[tried]->spec().durable);
    }
    return std::nullopt;
  };
  const auto from_queues = [&](bool durable) -> std::optional<storage::SegmentKind> {
    std::vector<Queue*> chosen;
    std::uint64_t bytes = 0;
    for (Queue* queue : longest) {
      if (bytes >= kSpillBytes) break;
      if (queue->spec().durable != durable) continue;
      bytes += queue->memory_bytes();
      chosen.push_back(queue);
    }
    std::sort(chosen.begin(), chosen.end(), [](const Queue* a, const Queue* b) { return a->id() < b->id(); });
    std::uint64_t left = kSpillBytes;
    for (Queue* queue : chosen) left -= std::min(left, queue->collect_oldest(left, collected));
    if (collected.items.empty()) return std::nullopt;
    return kind_of(durable);
  };
  auto kind = from_stores(longest.empty() ? 0 : longest.front()->memory_bytes());
  if (!kind && !longest.empty()) kind = from_queues(longest.front()->spec().durable);
  if (!kind && !longest.empty()) kind = from_queues(!longest.front()->spec().durable);
  if (!kind) kind = from_stores(0);
  return kind;
}

Buffer Shard::make_blob(storage::Lsn state) const {
  Buffer blob;
  blob.put_le(kBlobVersion);
  put_varint(blob, state.value);
  std::vector<Change> changes;
  if (id_ == ShardId(0)) changes = shared_.coordinator->definitions().durable_snapshot();
  put_varint(blob, changes.size());
  for (const Change& change : changes) put_change(blob, change);
  std::uint64_t durable = 0;
  for (const auto& [id, queue] : queues_) durable += queue->spec().durable;
  put_varint(blob, durable);
  for (const auto& [id, queue] : queues_) {
    if (!queue->spec().durable) continue;
    put_varint(blob, id);
    queue->put_state(blob);
  }
  remembering_->put_state(blob);
  arrivals_.put_state(blob);
  return blob;
}

void Shard::checkpoint(storage::Lsn through) {
  checkpointing_ = true;
  const storage::Lsn state = log_->appended();
  // The dead are removed once this checkpoint, which names them no more, is there.
  waiting_checkpoint_ = Checkpointing{through, state, make_blob(state), std::move(dead_segments_)};
  dead_segments_.clear();
  if (state <= durable_) write_checkpoint();
}

void Shard::write_checkpoint() {
  Checkpointing ready = std::move(*waiting_checkpoint_);
  waiting_checkpoint_.reset();
  storage::write_checkpoint(
      runtime_, directory_, storage::Checkpoint{ready.through, std::move(ready.blob)},
      [this, through = ready.through, dead = std::move(ready.dead)](result<void> written) mutable {
        checkpointing_ = false;
        if (closing_) return;
        if (written.has_error()) {
          dead_segments_.insert(dead_segments_.end(), dead.begin(), dead.end());
          shared_.options.log(LogLevel::warning,
                              "cannot write a checkpoint in " + directory_ + ": " + written.error().text);
          retry_later();
          return;
        }
        for (const storage::SegmentId segment : dead) segments_->remove(segment);
        if (through > released_) {
          released_ = through;
          log_->release(through);
          bodies_->released(through);
        }
        // What was asked for meanwhile, and found the checkpoint in its way.
        if (pressure_ > released_) {
          make_room();
        } else {
          spill_for_memory();
        }
      });
}

// How far a queue was delivered is otherwise told by what was settled: nothing of what consumers hold may be.
void Shard::note_deliveries() {
  for (const auto& [id, queue] : queues_) {
    if (!queue->spec().durable || queue->delivered_through() == 0 || queue->is_empty()) continue;
    record_.clear();
    put_varint(record_, queue->delivered_through());
    put_varint(record_, 0u);
    append(storage::RecordType::settle, 0, id, record_.view());
  }
}

void Shard::close_store(Task done) {
  // The last settlements are logged; then nothing is taken in any more.
  now_ms_ = 0;
  pump_queues();
  gather_settled();
  note_deliveries();
  append(storage::RecordType::stopped, 0, 0, ByteView());
  closing_ = true;
  log_->close(std::move(done));
}

}  // namespace millrace::broker
