// The exchanges that remember what came by: windows of values, and recent history.
//
// A repeat is as safe as its first copy, so whoever published it is told when the first copy is where it must
// be. The value is logged after the copy: had a crash left the value alone, the repeat would be lost. It
// shares the copy's commit when the copy stays on this shard, and follows its confirmation otherwise; the
// publisher is told when both are durable. A crash in between lets a repeat pass.
#include <algorithm>

#include "broker/node/remembering.hpp"

namespace millrace::broker {

Remembering::Window Remembering::make_window(const ExchangeSpec& spec) {
  Window window{{}, deduplication_bounds(spec), spec.store, spec.durable};
  const auto it = recovered_windows_.find(spec.store.value);
  if (it == recovered_windows_.end()) return window;
  for (auto& [seq, entry] : it->second) {
    window.next_seq = seq + 1;
    window.seen.restore(std::move(entry), window.bounds.size, shard_.now_ms());
  }
  recovered_windows_.erase(it);
  return window;
}

Shard::Enqueued Remembering::pass_once(Window& window, const DeduplicationMark& mark, Passage passage,
                                       Exchange& exchange, const ConfirmTo& to) {
  const std::int64_t now_ms = shard_.now_ms();
  if (const Remembered* first = window.seen.find(mark.value, now_ms)) {
    return wait_for_first(window, *first, to);
  }
  const auto ttl = mark.ttl_ms ? mark.ttl_ms : window.bounds.ttl_ms;
  Remembered entry;
  entry.value = mark.value;
  if (ttl) entry.until_ms = now_ms + *ttl;
  const std::uint64_t seq = entry.seq = window.next_seq++;
  window.seen.remember(std::move(entry), window.bounds.size);
  const QueueId store = window.store;
  if (!passage.message->durable()) {
    const Shard::Enqueued done = route_on(std::move(passage), exchange, to);
    if (done.settled && !done.accepted) window.seen.forget(mark.value, seq);
    return done;
  }
  const PublishToken token = shard_.take_token();
  FirstCopy& begun = first_copies_[token];
  begun = FirstCopy{store, seq, mark.value, {}, {}};
  if (to.token != 0) begun.waiting.push_back(to);
  window.under_way.emplace(seq, token);
  const Shard::Enqueued done =
      route_on(std::move(passage), exchange, ConfirmTo{shard_.id(), ConnectionId(), token, false});
  const auto it = first_copies_.find(token);
  if (!done.settled) {
    Remembered* passed = done.logged && done.accepted ? window.seen.find(mark.value, now_ms) : nullptr;
    if (passed && passed->seq == seq) it->second.lsn = log_passed(window, *passed);
    return {to.token == 0, true, done.logged};
  }
  FirstCopy first = std::move(it->second);
  first_copies_.erase(it);
  const storage::Lsn lsn = first_copy_arrived(first, done.accepted);
  // Others than its publisher: repeats that it set off itself, as dead letters.
  for (std::size_t i = to.token != 0; i < first.waiting.size(); ++i) {
    confirm_after(lsn, first.waiting[i], done.accepted);
  }
  if (!done.accepted || lsn <= shard_.durable() || to.token == 0) return {true, done.accepted};
  shard_.confirm_when_durable(lsn, to);
  return {false, true};
}

Shard::Enqueued Remembering::wait_for_first(const Window& window, const Remembered& first,
                                            const ConfirmTo& to) {
  if (to.token == 0) return {};
  if (const auto it = window.under_way.find(first.seq); it != window.under_way.end()) {
    first_copies_.find(it->second)->second.waiting.push_back(to);
    return {false, true, false};
  }
  if (first.lsn <= shard_.durable()) return {};
  shard_.confirm_when_durable(first.lsn, to);
  return {false, true};
}

storage::Lsn Remembering::first_copy_arrived(const FirstCopy& first, bool accepted) {
  State* state = find(first.store);
  Window* window = state ? std::get_if<Window>(&state->memory) : nullptr;
  if (!window) return first.lsn;
  window->under_way.erase(first.seq);
  // Refused by one of its queues: it will come again.
  if (!accepted) window->seen.forget(first.value, first.seq);
  Remembered* entry = window->seen.find(first.value, shard_.now_ms());
  if (!entry || entry->seq != first.seq) return first.lsn;
  return first.lsn.value != 0 ? first.lsn : log_passed(*window, *entry);
}

storage::Lsn Remembering::log_passed(const Window& window, Remembered& entry) {
  if (!window.durable) return {};
  entry.kept = true;
  record_.clear();
  put_remembered(record_, entry);
  entry.lsn = shard_.append(storage::RecordType::passed, 0, window.store.value, record_.view());
  return entry.lsn;
}

void Remembering::confirm_after(storage::Lsn lsn, const ConfirmTo& to, bool accepted) {
  if (accepted && lsn > shard_.durable()) return shard_.confirm_when_durable(lsn, to);
  shard_.confirm(to, accepted);
}

// Recent history.

std::unique_ptr<HistoryStore> Remembering::make_history(const ExchangeSpec& spec) {
  auto history = std::make_unique<HistoryStore>(
      spec, [this](const storage::SegmentRun& run) { shard_.run_released(run); });
  const auto it = recovered_histories_.find(spec.store.value);
  if (it == recovered_histories_.end()) return history;
  const std::uint64_t lost =
      history->recover(std::move(it->second), shard_.shared().options.formats,
                       [this](const storage::SegmentRun& run) { return shard_.read_segment_now(run); });
  recovered_histories_.erase(it);
  shard_.memory_changed(static_cast<std::int64_t>(history->bytes()));
  if (lost > 0) {
    shard_.shared().options.log(LogLevel::error, std::to_string(lost) + " messages of the history of " +
                                                     exchange_text(spec.vhost, spec.name) +
                                                     " cannot be read");
  }
  return history;
}

Shard::Enqueued Remembering::keep_in_history(HistoryStore& history, Passage passage, Exchange& exchange,
                                             const ConfirmTo& to) {
  const Original original = passage.original;
  // It came before a crash, and is to go on to where it did not.
  if (original && shard_.arrivals().knows(original, history.store())) {
    return route_on(std::move(passage), exchange, to);
  }
  const std::size_t before = history.bytes();
  const bool kept = history.remember(passage.message, shard_.shared().options.formats);
  shard_.memory_changed(static_cast<std::int64_t>(history.bytes()) - static_cast<std::int64_t>(before));
  if (!kept) return route_on(std::move(passage), exchange, to);
  const std::uint8_t flags = begin_record(original, history.store());
  history.put_record(record_);
  const ByteView parts[] = {record_.view(), passage.message->header(), passage.message->body()};
  const storage::Lsn lsn = shard_.append(storage::RecordType::history, flags, history.store().value, parts);
  history.logged(lsn);
  if (to.token == 0) return route_on(std::move(passage), exchange, to);
  // Two parts: being remembered, and being routed.
  const ConfirmTo part{shard_.id(), ConnectionId(), shard_.take_token(), false};
  gatherings_.emplace(part.token, Gathering{to, 2, true});
  shard_.confirm_when_durable(lsn, part);
  const Shard::Enqueued done = route_on(std::move(passage), exchange, part);
  if (done.settled) {
    Gathering& gathering = gatherings_.find(part.token)->second;
    --gathering.parts;
    gathering.accepted = done.accepted;
  }
  return {false, done.accepted, done.logged};
}

}  // namespace millrace::broker
