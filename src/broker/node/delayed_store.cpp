#include "broker/node/delayed_store.hpp"

#include <algorithm>

#include "base/varint.hpp"
#include "broker/queue/run_piece.hpp"
#include "broker/queue/run_state.hpp"

namespace millrace::broker {
namespace {

// SegmentItem::meta: bit 0 transient, as in queues' items.
constexpr std::uint64_t kTransientItem = 1;

std::uint64_t bytes_of(const DelayedMessage& delayed) noexcept {
  return delayed.message->footprint() + DelayedStore::kEntryBytes;
}

}  // namespace

void put_delayed_prefix(Buffer& out, const DelayedMessage& delayed) {
  put_varint(out, delayed.seq);
  out.put_le(delayed.due_ms);
  put_varint(out, delayed.keys.size());
  for (const std::string& key : delayed.keys) put_sized_text(out, key);
  put_message_prefix(out, *delayed.message);
}

std::optional<DelayedMessage> read_delayed(ByteView stored, const ReadMessage& message) {
  Reader in(stored);
  DelayedMessage delayed;
  delayed.seq = in.varint();
  delayed.due_ms = in.le<std::int64_t>();
  const std::uint64_t keys = in.varint();
  if (keys > in.remaining()) return std::nullopt;
  for (std::uint64_t i = 0; i < keys && !in.failed(); ++i) delayed.keys.emplace_back(in.sized_text());
  if (in.failed()) return std::nullopt;
  delayed.message = message(in.rest());
  if (!delayed.message) return std::nullopt;
  return delayed;
}

DelayedStore::~DelayedStore() {
  for (const auto& [number, run] : runs_) host_.run_released(run.run);
  host_.memory_changed(-static_cast<std::int64_t>(memory_bytes_));
}

void DelayedStore::account(const DelayedMessage& delayed, int sign) {
  const std::uint64_t bytes = bytes_of(delayed);
  const std::uint64_t spillable = delayed.stored ? 0 : bytes;
  if (sign > 0) {
    memory_bytes_ += bytes;
    spillable_bytes_ += spillable;
  } else {
    memory_bytes_ -= bytes;
    spillable_bytes_ -= spillable;
  }
  host_.memory_changed(sign * static_cast<std::int64_t>(bytes));
}

void DelayedStore::hold(DelayedMessage delayed) {
  account(delayed, +1);
  due_.emplace(delayed.due_ms, delayed.seq);
  waiting_.emplace(delayed.seq, std::move(delayed));
}

void DelayedStore::add(DelayedMessage delayed) {
  hold(std::move(delayed));
  host_.rescheduled(*this);
}

void DelayedStore::pump() {
  read_ahead();
  const std::int64_t now = host_.now_ms();
  for (unsigned passed = 0; passed < kMaxPassedAtOnce && in_flight_.size() < kMaxInFlight; ++passed) {
    if (due_.empty() || due_.begin()->first > now) break;
    if (overtakes()) break;
    const auto it = waiting_.find(due_.begin()->second);
    DelayedMessage delayed = std::move(it->second);
    waiting_.erase(it);
    due_.erase(due_.begin());
    if (host_.pass_on(*this, delayed)) {
      settle(delayed);
    } else {
      const std::uint64_t seq = delayed.seq;
      in_flight_.emplace(seq, std::move(delayed));
    }
  }
  host_.rescheduled(*this);
}

std::int64_t DelayedStore::next_ms() const noexcept {
  std::int64_t next = Entry::kNever;
  if (may_read()) {
    for (const auto& [due, seq, number] : unread_) {
      const Run& run = runs_.find(number)->second;
      if (run.loading) continue;
      next = std::min(next, std::max(due - kReadAheadMs, run.retry.at_ms()));
      if (run.retry.at_ms() == 0) break;
    }
  }
  if (due_.empty() || in_flight_.size() >= kMaxInFlight) return next;
  return overtakes() ? next : std::min(next, due_.begin()->first);
}

const DelayedMessage* DelayedStore::passed_on(std::uint64_t seq) const noexcept {
  const auto it = in_flight_.find(seq);
  return it == in_flight_.end() ? nullptr : &it->second;
}

void DelayedStore::finish(std::uint64_t seq) {
  const auto it = in_flight_.find(seq);
  if (it == in_flight_.end()) return;
  const bool was_full = in_flight_.size() >= kMaxInFlight;
  const DelayedMessage delayed = std::move(it->second);
  in_flight_.erase(it);
  settle(delayed);
  if (was_full) host_.rescheduled(*this);
}

void DelayedStore::settle(const DelayedMessage& delayed) {
  account(delayed, -1);
  if (delayed.persistent) {
    settled_this_turn.push_back(delayed.seq);
    host_.has_settled(*this);
  }
  if (!delayed.stored) return;
  if (delayed.run == 0) {
    skip_.insert(delayed.seq);
  } else {
    settle_in_run(delayed.run, delayed.offset, delayed.seq);
  }
}

void DelayedStore::settle_in_run(std::uint64_t number, std::uint64_t offset, std::uint64_t seq) {
  const auto it = runs_.find(number);
  if (it == runs_.end()) return;
  Run& run = it->second;
  run.out.erase(offset);
  run.done.emplace(offset, seq);
  run.done.erase(run.done.begin(), run.done.lower_bound(run.cursor()));
  release_if_done(number);
}

void DelayedStore::release_if_done(std::uint64_t number) {
  const auto it = runs_.find(number);
  const Run& run = it->second;
  if (run.next_offset < run.end() || !run.out.empty() || run.loading) return;
  const storage::SegmentRun released = run.run;
  runs_.erase(it);
  // What was settled before it was looked for is not in any run.
  if (runs_.empty() && collected_.empty()) skip_.clear();
  host_.run_released(released);
}

// Reading back.

bool DelayedStore::overtakes() const noexcept {
  if (unread_.empty()) return false;
  if (due_.empty()) return true;
  const auto& [due, seq, number] = *unread_.begin();
  return std::pair(due, seq) < *due_.begin();
}

bool DelayedStore::may_read() const noexcept {
  if (reads_ >= kMaxReads) return false;
  return overtakes() || memory_bytes_ - spillable_bytes_ < kReadBackBytes;
}

void DelayedStore::read_ahead() {
  if (!may_read()) return;
  const std::int64_t now = host_.now_ms();
  const std::int64_t soon = now + kReadAheadMs;
  std::vector<std::uint64_t> wanted;
  for (const auto& [due, seq, number] : unread_) {
    if (due > soon || reads_ + wanted.size() >= kMaxReads) break;
    const Run& run = runs_.find(number)->second;
    if (!run.loading && run.retry.at_ms() <= now) wanted.push_back(number);
  }
  for (const std::uint64_t number : wanted) load(number);
}

void DelayedStore::load(std::uint64_t number) {
  Run& run = runs_.find(number)->second;
  run.loading = true;
  ++reads_;
  const std::size_t piece =
      std::clamp(kReadBackBytes / runs_.size(), kMinPieceBytes, storage::Segments::kReadPieceBytes);
  const std::uint64_t bytes =
      std::min<std::uint64_t>(run.end() - run.next_offset, std::max(piece, run.wanted_bytes));
  host_.read_segment(run.run.segment, run.next_offset, static_cast<std::size_t>(bytes),
                     [this, number, alive = std::weak_ptr<bool>(alive_)](result<Buffer> read) {
                       if (!alive.expired()) loaded(number, std::move(read));
                     });
}

void DelayedStore::loaded(std::uint64_t number, result<Buffer> piece) {
  --reads_;
  Run& run = runs_.find(number)->second;
  run.loading = false;
  unread_.erase(place_of(number, run));
  bool out_of_reach = false;
  std::string_view why = "an item fails its checksum";
  if (piece.has_error() || piece->empty()) {
    out_of_reach = !run.retry.again(host_.now_ms());
    why = piece.has_error() ? std::string_view(piece.error().text) : "the file ends too early";
  } else {
    run.retry.succeeded();
    const PieceEnd walked = walk_piece(
        piece->view(), run.next_offset, run.end(),
        [&](const storage::StoredItem& item, std::uint64_t offset) { take_item(number, offset, item); },
        [&](std::uint64_t offset) { found_damage(run, offset); });
    run.next_offset = walked.next_offset;
    run.wanted_bytes = walked.wanted_bytes;
    out_of_reach = walked.broken;
  }
  const bool read_out = run.next_offset >= run.end();
  // One that stays in unread_ is read on; what is set aside is not, until a restart.
  if (!out_of_reach && !read_out) unread_.insert(place_of(number, run));
  if (out_of_reach) {
    host_.set_aside(*this, run.run, run.run.count - std::min(run.run.count, run.last_place), why);
  } else if (read_out && run.damaged > 0) {
    host_.set_aside(*this, run.run, run.damaged, why);
  }
  release_if_done(number);
  host_.rescheduled(*this);
}

void DelayedStore::found_damage(Run& run, std::uint64_t offset) {
  run.out.insert(offset);
  ++run.damaged;
  ++run.last_place;
}

void DelayedStore::take_item(std::uint64_t number, std::uint64_t offset, const storage::StoredItem& item) {
  Run& run = runs_.find(number)->second;
  const bool transient = (item.meta & kTransientItem) != 0;
  std::optional<DelayedMessage> delayed = read_delayed(item.payload);
  if (!delayed) return found_damage(run, offset);
  run.last_place = item.seq;
  if (delayed->due_ms >= run.next_due_ms) {
    run.next_due_ms = delayed->due_ms;
    run.next_seq = delayed->seq;
  }
  if (transient && run.recovered) return;
  if (skip_.erase(delayed->seq) > 0) {
    if (!run.out.empty()) run.done.emplace(offset, delayed->seq);
    return;
  }
  run.out.insert(offset);
  if (const auto it = in_flight_.find(delayed->seq); it != in_flight_.end()) {
    it->second.run = number;
    it->second.offset = offset;
    return;
  }
  delayed->persistent = !transient;
  delayed->stored = true;
  delayed->run = number;
  delayed->offset = offset;
  hold(std::move(*delayed));
}

// Moving to segments.

void DelayedStore::write_items(std::vector<const DelayedMessage*> chosen, Spill& spill) {
  std::sort(chosen.begin(), chosen.end(), [](const DelayedMessage* a, const DelayedMessage* b) {
    return std::pair(a->due_ms, a->seq) < std::pair(b->due_ms, b->seq);
  });
  collected_.clear();
  Buffer prefix;
  for (const DelayedMessage* delayed : chosen) {
    prefix.clear();
    put_delayed_prefix(prefix, *delayed);
    const std::uint64_t place = collected_.size() + 1;  // in the run
    spill.add(entity(), place, delayed->persistent ? 0 : kTransientItem, prefix.view(), delayed->message);
    collected_.push_back(delayed->seq);
  }
}

void DelayedStore::collect(storage::Lsn through, Spill& spill) {
  std::vector<const DelayedMessage*> chosen;
  const auto choose = [&](const DelayedMessage& delayed) {
    if (delayed.persistent && !delayed.stored && delayed.lsn <= through) chosen.push_back(&delayed);
  };
  for (const auto& [seq, delayed] : waiting_) choose(delayed);
  for (const auto& [seq, delayed] : in_flight_) choose(delayed);
  write_items(std::move(chosen), spill);
}

void DelayedStore::collect_oldest(std::uint64_t bytes, storage::Lsn durable, Spill& spill) {
  std::vector<const DelayedMessage*> chosen;
  std::uint64_t taken = 0;
  std::uint64_t through = 0;
  for (const auto& [seq, delayed] : waiting_) {
    if (taken >= bytes) break;
    if (delayed.stored) continue;
    if (delayed.persistent && delayed.lsn > durable) break;
    chosen.push_back(&delayed);
    taken += bytes_of(delayed);
    through = seq;
  }
  // stored_through must be true of those on their way, too.
  for (const auto& [seq, delayed] : in_flight_) {
    if (seq <= through && delayed.persistent && !delayed.stored) chosen.push_back(&delayed);
  }
  write_items(std::move(chosen), spill);
}

void DelayedStore::spilled(const storage::SegmentRun& stored) {
  DelayedRun run;
  run.run = stored;
  run.next_offset = stored.offset;
  run.next_due_ms = Entry::kNever;
  const auto holds = [&](const DelayedMessage& delayed) {
    if (delayed.persistent) stored_through_ = std::max(stored_through_, delayed.seq);
    const std::pair first =
        std::min(std::pair(run.next_due_ms, run.next_seq), std::pair(delayed.due_ms, delayed.seq));
    run.next_due_ms = first.first;
    run.next_seq = first.second;
  };
  for (const std::uint64_t seq : collected_) {
    if (const auto it = waiting_.find(seq); it != waiting_.end()) {
      const DelayedMessage delayed = std::move(it->second);
      holds(delayed);
      account(delayed, -1);
      due_.erase({delayed.due_ms, seq});
      waiting_.erase(it);
    } else if (const auto flying = in_flight_.find(seq); flying != in_flight_.end()) {
      DelayedMessage& delayed = flying->second;
      holds(delayed);
      spillable_bytes_ -= bytes_of(delayed);
      delayed.stored = true;
    } else {
      skip_.insert(seq);
    }
  }
  collected_.clear();
  if (run.next_due_ms == Entry::kNever) {
    host_.run_released(stored);  // all of them have gone meanwhile
    if (runs_.empty()) skip_.clear();
    return;
  }
  add_run(std::move(run));
  host_.rescheduled(*this);
}

void DelayedStore::add_run(DelayedRun added) {
  const std::uint64_t number = next_run_++;
  Run& run = runs_[number];
  static_cast<DelayedRun&>(run) = std::move(added);
  if (run.next_offset < run.end()) unread_.insert(place_of(number, run));
}

void DelayedStore::for_each_run(const std::function<void(const storage::SegmentRun&)>& visit) const {
  for (const auto& [number, run] : runs_) visit(run.run);
}

// Checkpoint and recovery.

void DelayedStore::put_state(Buffer& out) const {
  put_varint(out, next_seq_);
  put_varint(out, stored_through_);
  put_varint(out, runs_.size());
  std::uint64_t skipped = skip_.size();
  for (const auto& [number, run] : runs_) {
    put_run(out, run.run);
    put_varint(out, run.cursor());
    // What is read again may be due long since.
    out.put_le(run.out.empty() ? run.next_due_ms : std::int64_t{0});
    skipped += run.done.size();
  }
  put_varint(out, skipped);
  for (const std::uint64_t seq : skip_) put_varint(out, seq);
  for (const auto& [number, run] : runs_) {
    for (const auto& [offset, seq] : run.done) put_varint(out, seq);
  }
}

RecoveredDelayed DelayedStore::read_state(Reader& in) {
  RecoveredDelayed state;
  state.next_seq = in.varint();
  state.stored_through = in.varint();
  for (std::uint64_t count = in.varint(); count > 0 && !in.failed(); --count) {
    DelayedRun& run = state.runs.emplace_back();
    run.run = read_run(in);
    run.next_offset = in.varint();
    run.next_due_ms = in.le<std::int64_t>();
    run.recovered = true;
  }
  for (std::uint64_t count = in.varint(); count > 0 && !in.failed(); --count) state.skip.insert(in.varint());
  return state;
}

void RecoveredDelayed::add(DelayedMessage delayed) {
  next_seq = std::max(next_seq, delayed.seq + 1);
  // Moved to a segment after the place in the log that the checkpoint covers.
  if (delayed.seq <= stored_through) return;
  const std::uint64_t seq = delayed.seq;
  logged.insert_or_assign(seq, std::move(delayed));
}

void RecoveredDelayed::settle(std::uint64_t seq, bool in_state) {
  next_seq = std::max(next_seq, seq + 1);
  if (logged.erase(seq) == 0 && !in_state) skip.insert(seq);
}

bool RecoveredDelayed::may_hold(std::uint64_t seq) const {
  if (logged.contains(seq)) return true;
  return !runs.empty() && seq <= stored_through && !skip.contains(seq);
}

void DelayedStore::recover(RecoveredDelayed&& recovered) {
  next_seq_ = std::max(next_seq_, recovered.next_seq);
  stored_through_ = recovered.stored_through;
  for (DelayedRun& run : recovered.runs) add_run(std::move(run));
  if (!runs_.empty()) skip_ = std::move(recovered.skip);
  for (auto& [seq, delayed] : recovered.logged) hold(std::move(delayed));
  host_.rescheduled(*this);
}

}  // namespace millrace::broker
