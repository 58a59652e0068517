// Enqueueing, confirmations, and what is logged of it.
#include <algorithm>

#include "base/hex.hpp"
#include "base/varint.hpp"
#include "broker/node/coordinator.hpp"
#include "broker/node/remembering.hpp"
#include "broker/node/shard.hpp"

namespace millrace::broker {
namespace {

// A text that is nobody's message id twice: where, which, and when.
std::string make_message_id(std::uint64_t incarnation, QueueId queue, std::uint64_t seq) {
  std::string id;
  for (const std::uint64_t part : {incarnation, queue.value, seq}) {
    if (!id.empty()) id += '-';
    put_hex(id, part);
  }
  return id;
}

}  // namespace

bool Shard::route(VhostReplica& vhost, Exchange& exchange, std::span<const std::string_view> keys,
                  const Message& message, QueueTargets& targets, RememberingExchanges& remembering) {
  return vhost.table->route(exchange, keys, message, targets, &remembering);
}

bool Shard::needs_body_file(const Message& message, std::span<const QueueId> queues) {
  if (!message.durable() || message.body().size() <= LargeBodies::kInlineBytes) return false;
  return std::any_of(queues.begin(), queues.end(), [this](QueueId id) {
    const Queue* queue = find_queue(id);
    return queue && queue->spec().durable;
  });
}

Shard::Enqueued Shard::enqueue(const MessageRef& message, std::span<const QueueId> queues,
                               const ConfirmTo& to, const Original& original) {
  const bool large = needs_body_file(*message, queues);
  if (!large && !bodies_->is_waiting(to.connection)) [[likely]] {
    return enqueue_now(message, queues, to, storage::BodyFileId(), original);
  }
  bodies_->stage(StagedPublish{message, {queues.begin(), queues.end()}, to, large, {}, original});
  return Enqueued{to.token == 0, true, false};
}

Shard::Enqueued Shard::enqueue_now(const MessageRef& message, std::span<const QueueId> queues,
                                   const ConfirmTo& to, storage::BodyFileId body, const Original& original) {
  struct Accepted {
    Queue* queue;
    std::uint64_t seq;
    bool logged;
  };
  boost::container::small_vector<Accepted, 4> accepted;
  Enqueued outcome;
  bool logged = false;
  storage::Lsn first_copy;  // of those that are duplicates
  for (const QueueId id : queues) {
    Queue* queue = find_queue(id);
    if (!queue || queue->closing()) continue;  // deleted meanwhile: RabbitMQ confirms such, too
    if (original && arrivals_.knows(original, id)) continue;  // came before a crash
    switch (queue->admit(*message, first_copy)) {
      case Queue::Admission::refuse:
        outcome.accepted = false;
        if (tap_) [[unlikely]]
          saw_in_queue(*queue, *message, 0, TraceStep::refused, ConnectionId());
        continue;
      case Queue::Admission::duplicate:
        continue;
      case Queue::Admission::accept:
        break;
    }
    const bool log = message->durable() && queue->spec().durable;
    logged = logged || log;
    accepted.push_back({queue, 0, log});
  }
  // Only now: what an admission dead-letters into another of these queues comes before this message.
  for (Accepted& a : accepted) a.seq = a.queue->take_seq();
  storage::Lsn lsn;
  if (logged) {
    record_.clear();
    std::uint64_t count = 0;
    for (const Accepted& a : accepted) count += a.logged;
    put_varint(record_, count);
    for (const Accepted& a : accepted) {
      if (!a.logged) continue;
      put_varint(record_, a.queue->id().value);
      put_varint(record_, a.seq);
    }
    std::uint8_t flags = 0;
    if (original) {
      flags = kSentOn;
      put_original(record_, original);
      boost::container::small_vector<QueueId, 4> places;
      for (const Accepted& a : accepted) {
        if (a.logged) places.push_back(a.queue->id());
      }
      arrivals_.add(original, places);
    }
    put_message_prefix(record_, *message);
    if (body == storage::BodyFileId()) {
      const ByteView parts[] = {record_.view(), message->header(), message->body()};
      lsn = append(storage::RecordType::message, flags, 0, parts);
    } else {
      std::uint8_t file[sizeof body.value];
      store_le(file, body.value);
      const ByteView parts[] = {record_.view(), message->header(), file};
      lsn = append(storage::RecordType::message, flags | kBodyInFile, 0, parts);
      bodies_->logged(lsn, body, message->body().size());
    }
  } else if (body != storage::BodyFileId()) {
    bodies_->logged(log_->appended(), body, message->body().size());  // refused meanwhile: goes with the log
  }
  storage::Lsn last = std::max(lsn, first_copy);
  for (const Accepted& a : accepted) {
    const storage::Lsn own = a.logged ? lsn : storage::Lsn();
    last = std::max(last, a.queue->push(message, a.seq, own));
    if (tap_) [[unlikely]]
      saw_in_queue(*a.queue, *message, a.seq, TraceStep::queued, ConnectionId());
    if (!a.logged) continue;
    a.queue->last_logged = lsn;
    if (!std::exchange(a.queue->awaits_disk, true)) waiting_for_disk_.push_back(a.queue);
  }
  // A duplicate is as safe as its first copy.
  if (last > durable_ && to.token != 0) {
    confirms_.push_back({last, to, outcome.accepted});
    outcome.settled = false;
  }
  return outcome;
}

MessageRef Shard::stamped(const MessageRef& message, const Queue& queue, std::uint64_t seq) {
  if (shared_.options.formats.of(*message).message_id(*message)) return message;
  if (message->annotations() && message->annotations()->message_id) return message;
  Ref<Message> copy = Message::create(message->fields(), message->body());
  std::unique_ptr<Annotations> annotations = message->copy_annotations();
  annotations->message_id = make_message_id(shared_.incarnation, queue.id(), seq);
  copy->annotate(std::move(annotations));
  return copy;
}

void Shard::confirm(const ConfirmTo& to, bool accepted) {
  if (to.token == 0) return;
  if (to.shard != id_) {
    send(to.shard, ConfirmLetter{to, accepted});
  } else if (to.connection.value == 0) {
    const auto it = transfers_.find(to.token);
    if (it == transfers_.end()) return remembering_->confirmed(to.token, accepted);
    if (--it->second.parts > 0) return;
    const Transfer done = std::move(it->second);
    transfers_.erase(it);
    if (Queue* queue = find_queue(done.queue)) queue->finish_transfer(done.seq);
    forget_when_settled({done.queue.value, done.seq}, done.shards);
  } else {
    confirm_connection(to, accepted);
  }
}

void Shard::on_durable(storage::Lsn durable) {
  durable_ = durable;
  while (!confirms_.empty() && confirms_.front().lsn <= durable) {
    const PendingConfirm pending = confirms_.front();
    confirms_.pop_front();
    confirm(pending.to, pending.accepted);
  }
  send_what_waited();
  forget_settled();
  if (waiting_checkpoint_ && waiting_checkpoint_->state <= durable) write_checkpoint();
  // Those whose records are still under way come again.
  std::erase_if(waiting_for_disk_, [&](Queue* queue) {
    mark_dirty(*queue);
    queue->awaits_disk = queue->last_logged > durable;
    return !queue->awaits_disk;
  });
  if (id_ == ShardId(0) && shared_.coordinator) shared_.coordinator->on_durable(durable);
}

std::string Shard::header_text(const Message& message, std::string_view name) {
  const std::optional<Value> value = shared_.options.formats.of(message).header(message, name);
  if (!value) return {};
  if (const std::string* text = value->as_text()) return *text;
  return value->describe();
}

std::optional<Value> Shard::header_value(const Message& message, std::string_view name) {
  return shared_.options.formats.of(message).header(message, name);
}

std::optional<std::string> Shard::property_text(const Message& message, std::string_view name) {
  return shared_.options.formats.of(message).property(message, name);
}

void Shard::log_settled(Queue& queue, unsigned lane, std::uint64_t seq) {
  if (queue.settled_this_turn.empty()) settled_queues_.push_back(&queue);
  queue.settled_this_turn.emplace_back(lane, seq);
}

void Shard::gather_settled() {
  for (Queue* queue : settled_queues_) {
    auto& settled = queue->settled_this_turn;
    std::sort(settled.begin(), settled.end());
    // One record a lane: runs of consecutive numbers, as (gap to the last, length).
    for (std::size_t i = 0; i < settled.size();) {
      const unsigned lane = settled[i].first;
      record_.clear();
      put_varint(record_, queue->delivered_through());
      put_varint(record_, lane);
      std::uint64_t last = 0;
      while (i < settled.size() && settled[i].first == lane) {
        std::size_t end = i + 1;
        while (end < settled.size() && settled[end].first == lane &&
               settled[end].second == settled[end - 1].second + 1) {
          ++end;
        }
        put_varint(record_, settled[i].second - last);
        put_varint(record_, end - i);
        last = settled[end - 1].second;
        i = end;
      }
      append(storage::RecordType::settle, 0, queue->id().value, record_.view());
    }
    settled.clear();
  }
  settled_queues_.clear();
  remembering_->gather_settled();
  for (auto it = settling_.rbegin(); it != settling_.rend() && it->lsn.value == 0; ++it) {
    it->lsn = log_->appended();
  }
}

void Shard::forget_when_settled(const Arrivals::Name& original, Shards shards) {
  settling_.push_back({storage::Lsn(), original, std::move(shards)});
}

void Shard::send_later(storage::Lsn lsn, Task task) {
  if (!later_.empty()) lsn = std::max(lsn, later_.back().first);
  later_.emplace_back(lsn, std::move(task));
}

void Shard::send_what_waited() {
  while (!later_.empty() && later_.front().first <= durable_) {
    Task task = std::move(later_.front().second);
    later_.pop_front();
    task();
  }
}

void Shard::forget_settled() {
  std::vector<ForgetLetter> letters(settling_.empty() ? 0 : shared_.shards.size());
  for (; !settling_.empty(); settling_.pop_front()) {
    const Settling& done = settling_.front();
    if (done.lsn.value == 0 || done.lsn > durable_) break;
    for (const ShardId shard : done.shards) letters[shard.value].names.push_back(done.original);
    if (!done.shards.empty()) continue;
    for (ForgetLetter& letter : letters) letter.names.push_back(done.original);
  }
  for (std::size_t i = 0; i < letters.size(); ++i) {
    if (letters[i].names.empty()) continue;
    if (i == id_.value) {
      open_letter(std::move(letters[i]));
    } else {
      send(ShardId(static_cast<std::uint16_t>(i)), std::move(letters[i]));
    }
  }
}

storage::Lsn Shard::log_remembered(Queue& queue, const Remembered& entry) {
  record_.clear();
  put_remembered(record_, entry);
  return append(storage::RecordType::remembered, 0, queue.id().value, record_.view());
}

void Shard::log_note(Queue& queue, ByteView note) {
  append(storage::RecordType::queue_state, 0, queue.id().value, note);
}

void Shard::log_requeued(Queue& queue, const Entry& entry, std::int64_t due_ms) {
  record_.clear();
  put_varint(record_, entry.seq);
  put_varint(record_, entry.delivery_count);
  if (due_ms > 0) {
    put_varint(record_, static_cast<std::uint64_t>(due_ms));
    put_varint(record_, entry.returns);
  }
  append(storage::RecordType::requeue, 0, queue.id().value, record_.view());
}

void Shard::log_purged(Queue& queue, std::uint64_t through_seq, std::span<const KeptItem> kept) {
  record_.clear();
  put_varint(record_, through_seq);
  put_varint(record_, kept.size());
  for (const KeptItem& item : kept) {
    put_varint(record_, item.seq);
    put_varint(record_, item.lane);
  }
  append(storage::RecordType::purge, 0, queue.id().value, record_.view());
}

storage::Lsn Shard::log_change(const Change& change) {
  record_.clear();
  put_change(record_, change);
  return append(storage::RecordType::definition, 0, 0, record_.view());
}

}  // namespace millrace::broker
