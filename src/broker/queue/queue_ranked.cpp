// The part of Queue that serves by rank (x-scheduling), and what a restart must know of ranks.
// docs/scheduling.md, docs/decisions/0023-ranked-queues.md; docs/format/records.md has the bytes.
#include <algorithm>

#include "base/varint.hpp"
#include "broker/queue/queue.hpp"
#include "broker/queue/ranked_order.hpp"

namespace millrace::broker {
namespace {

enum class Note : std::uint8_t { ranks = 1, estimate = 2 };

void put_note(Buffer& out, Note note) {
  put_varint(out, static_cast<std::uint64_t>(note));
}

void put_estimate(Buffer& out, std::string_view name, const SizeEstimates::Estimate& estimate) {
  put_sized_text(out, name);
  put_varint(out, static_cast<std::uint64_t>(std::max(estimate.mean_us, 0.0)));
  put_varint(out, estimate.samples);
}

void read_estimate(Reader& in, RecoveredRanks& recovered) {
  const std::string name(in.sized_text());
  SizeEstimates::Estimate estimate;
  estimate.mean_us = static_cast<double>(in.varint());
  estimate.samples = in.varint();
  if (!in.failed()) recovered.estimates.insert_or_assign(name, estimate);
}

// Whether a restart must be told the ranks of messages.
bool keeps_ranks(const Ranker& ranker) {
  return ranker.learns() || ranker.settings().order == Scheduling::fair;
}

}  // namespace

void RecoveredRanks::replay(Reader& in, bool in_state) {
  switch (static_cast<Note>(in.varint())) {
    case Note::ranks: {
      const auto given_by = in.le<std::uint32_t>();
      if (in_state || in.failed()) return;
      if (given_by != fingerprint) ranks.clear();
      fingerprint = given_by;
      while (!in.at_end()) {
        const std::uint64_t seq = in.varint();
        const auto rank = in.le<std::int64_t>();
        if (in.failed()) return;
        ranks[seq] = rank;
      }
      return;
    }
    case Note::estimate:
      if (!in_state) read_estimate(in, *this);
      return;
  }
}

void RecoveredRanks::read_state(Reader& in) {
  fingerprint = static_cast<std::uint32_t>(in.varint());
  for (std::uint64_t count = in.varint(); count > 0 && !in.failed(); --count) {
    const std::uint64_t seq = in.varint();
    ranks[seq] = in.le<std::int64_t>();
  }
  for (std::uint64_t count = in.varint(); count > 0 && !in.failed(); --count) read_estimate(in, *this);
}

void Queue::put_ranks(Buffer& out) const {
  if (!ranked_ || !keeps_ranks(ranked_->ranker)) {
    for (int i = 0; i < 3; ++i) put_varint(out, 0);
    return;
  }
  put_varint(out, ranked_->ranker.settings().fingerprint());
  Buffer ranks;
  std::uint64_t count = 0;
  const auto put = [&](std::uint64_t seq, std::int64_t rank) {
    put_varint(ranks, seq);
    ranks.put_le(rank);
    ++count;
  };
  ranked_->ready.for_each([&](const Entry& entry, std::int64_t rank) {
    if (entry.persistent) put(entry.seq, rank);
  });
  for (const auto& [seq, rank] : ranked_->given) put(seq, rank);
  for (const auto& [seq, rank] : ranked_->stored) put(seq, rank);
  put_varint(out, count);
  out.append(ranks.view());
  const auto& names = ranked_->ranker.estimates().names();
  put_varint(out, names.size());
  for (const auto& [name, estimate] : names) put_estimate(out, name, estimate);
}

void Queue::change_scheduling() {
  const SchedulingSettings& wanted = settings_->scheduling;
  if (!ranked_) {
    if (wanted.order == Scheduling::fifo) return;
    ranked_ = std::make_unique<RankedOrder>(wanted);
    if (recovered_ranks_) take_recovered_ranks();
    return;
  }
  auto next = std::make_unique<RankedOrder>(wanted);
  next->ranker.estimates() = std::move(ranked_->ranker.estimates());
  next->earlier = std::move(ranked_->earlier);
  if (!ranked_->ready.empty()) next->earlier.push_back(std::move(ranked_->ready));
  next->size = ranked_->size;
  next->bytes = ranked_->bytes;
  next->complete_first = ranked_->complete_first;
  ranked_ = std::move(next);
}

void Queue::take_recovered_ranks() {
  const std::unique_ptr<RecoveredRanks> recovered = std::move(recovered_ranks_);
  for (const auto& [name, estimate] : recovered->estimates) {
    ranked_->ranker.estimates().restore(name, estimate.mean_us, estimate.samples);
  }
  ranked_->complete_first = ready_ > 0;
  if (recovered->fingerprint != ranked_->ranker.settings().fingerprint()) return;
  ranked_->stored = std::move(recovered->ranks);
  std::optional<std::int64_t> least;
  for (const auto& [seq, rank] : ranked_->stored) least = std::min(least.value_or(rank), rank);
  if (least) ranked_->ranker.restore_virtual_time(*least);
}

void Queue::put_ranked(Entry&& entry) {
  const Message& message = *entry.message;
  if (const auto it = ranked_->given.find(entry.seq); it != ranked_->given.end()) {
    const std::int64_t rank = it->second;
    ranked_->given.erase(it);
    return ranked_->put(std::move(entry), rank);
  }
  if (const auto it = ranked_->stored.find(entry.seq); it != ranked_->stored.end()) {
    const std::int64_t rank = it->second;
    ranked_->stored.erase(it);
    ranked_->ranker.restore(host_, message, rank);
    return ranked_->put(std::move(entry), rank);
  }
  const Ranker::Rank rank = ranked_->ranker.rank(host_, message, entry.seq, lane_of(message));
  if (!rank.follows && entry.persistent) {
    Buffer& notes = ranked_->notes;
    if (notes.empty()) {
      put_note(notes, Note::ranks);
      notes.put_le(ranked_->ranker.settings().fingerprint());
    }
    put_varint(notes, entry.seq);
    notes.put_le(rank.value);
  }
  ranked_->put(std::move(entry), rank.value);
}

void Queue::rank_arrivals() {
  RankedOrder& order = *ranked_;
  if (order.is_empty() && unacked_.empty() && !order.complete_first) order.ranker.idle();
  std::size_t left = RankedOrder::kAtOnce;
  for (; left > 0 && !order.earlier.empty(); --left) {
    put_ranked(order.took(order.earlier.front().take_oldest()).entry);
  }
  bool waits = false;  // for the disk, or for room
  if (settings_->scheduling.order != Scheduling::fifo) {
    for (auto i = static_cast<unsigned>(lanes_.size()); i-- > 0;) {
      for (; left > 0 && !order.is_full(); --left) {
        const Entry* entry = lane_front(i);
        if (entry == nullptr || !deliverable(*entry)) break;
        put_ranked(take_from_lane(i));
      }
      waits = waits || (lanes_[i] && lanes_[i]->has_unread());
    }
  }
  if (!order.notes.empty()) {
    host_.log_note(*this, order.notes.view());
    order.notes.clear();
  }
  if (left == 0) host_.mark_dirty(*this);
  if (left > 0 && (!waits || order.is_full())) order.complete_first = false;
}

void Queue::pump_ranked() {
  rank_arrivals();
  const bool was_full = ranked_->is_full();
  deliver_ready();
  if (was_full && !ranked_->is_full()) host_.mark_dirty(*this);
  // Everything that was ranked has gone: from here on the lanes will do.
  if (settings_->scheduling.order == Scheduling::fifo && ranked_->is_empty()) {
    ranked_.reset();
    deliver_ready();
  }
}

Entry Queue::take_ranked() {
  const bool of_now = !ranked_->ready.empty();
  RankedMessage taken = ranked_->took(ranked_->serving().take_front());
  if (of_now) ranked_->ranker.served(taken.rank);
  if (of_now) ranked_->given.insert_or_assign(taken.entry.seq, taken.rank);
  account_ready(taken.entry, -1);
  return std::move(taken.entry);
}

void Queue::drop_last_ranked() {
  RankIndex& index = ranked_->serving();
  Entry entry = ranked_->took(index.take_last()).entry;
  account_ready(entry, -1);
  times_->dropped(noted_us() - entry.since_us);
  die(std::move(entry), DeathReason::maxlen);
}

void Queue::drop_expired_ranked() {
  const std::int64_t now = host_.now_ms();
  const auto drop_from = [&](RankIndex& index) {
    std::optional<RankedMessage> expired = index.take_expired(now);
    if (!expired) return false;
    Entry entry = ranked_->took(std::move(*expired)).entry;
    account_ready(entry, -1);
    times_->dropped(noted_us() - entry.since_us);
    die(std::move(entry), DeathReason::expired);
    return true;
  };
  while (drop_from(ranked_->ready)) {
  }
  while (!ranked_->earlier.empty() && drop_from(ranked_->earlier.front())) {
  }
}

void Queue::learn_size(const Entry& entry, std::int64_t held_us) {
  Ranker& ranker = ranked_->ranker;
  if (!ranker.learns()) return;
  const std::string name = ranker.job_name(host_, *entry.message);
  const auto* worth_noting =
      ranker.estimates().learn(name, static_cast<double>(std::max<std::int64_t>(held_us, 0)));
  if (worth_noting == nullptr || !spec_->durable) return;
  Buffer note;
  put_note(note, Note::estimate);
  put_estimate(note, name, *worth_noting);
  host_.log_note(*this, note.view());
}

}  // namespace millrace::broker
