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
    ranked_ = std::make_unique<RankedOrder>(wanted, host_.ranked_limits());
    if (recovered_ranks_) take_recovered_ranks();
    return;
  }
  if (!ranked_->parked.empty()) read_again();
  auto next = std::make_unique<RankedOrder>(wanted, host_.ranked_limits());
  next->ranker.estimates() = std::move(ranked_->ranker.estimates());
  for (RankIndex& index : ranked_->earlier) next->put_earlier(std::move(index));
  next->put_earlier(std::move(ranked_->ready));
  next->writing = std::move(ranked_->writing);
  next->complete_first = ranked_->complete_first;
  next->reading_again = ranked_->reading_again;
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
    const std::int64_t rank = ranked_->ranker.restore(host_, message, it->second);
    ranked_->stored.erase(it);
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

Entry* Queue::oldest_arrival(unsigned& lane, std::uint64_t& read_from) {
  Entry* oldest = nullptr;
  for (auto i = static_cast<unsigned>(lanes_.size()); i-- > 0;) {
    Entry* const entry = lane_front(i);
    if (entry == nullptr) {
      if (lanes_[i] && lanes_[i]->has_unread()) {
        read_from = std::min(read_from, lanes_[i]->runs[lanes_[i]->unread].run.first_seq);
      }
      continue;
    }
    if (!deliverable(*entry) || (oldest != nullptr && oldest->seq < entry->seq)) continue;
    oldest = entry;
    lane = i;
  }
  return oldest;
}

void Queue::rank_arrivals() {
  RankedOrder& order = *ranked_;
  if (order.is_empty() && unacked_.empty() && !order.complete_first) order.ranker.idle();
  std::size_t left = RankedOrder::kAtOnce;
  // Also in order of arrival, as long as what is older than the index is still to be read.
  const bool takes_arrivals = settings_->scheduling.order != Scheduling::fifo || order.reading_again;
  for (; left > 0; --left) {
    // By age, whether they have been ranked before or not: a key's messages stay in order.
    unsigned lane = 0;
    std::uint64_t read_from = UINT64_MAX;
    const Entry* arrival = takes_arrivals && !order.is_full() ? oldest_arrival(lane, read_from) : nullptr;
    if (!order.earlier.empty()) {
      const std::uint64_t seq = order.earlier.front().oldest().seq;
      if (arrival == nullptr || seq < arrival->seq) {
        if (read_from < seq) break;  // they are on their way
        put_ranked(order.took(order.earlier.front().take_oldest()).entry);
        continue;
      }
    }
    if (arrival == nullptr) break;
    put_ranked(take_from_lane(lane));
  }
  if (!order.notes.empty()) {
    host_.log_note(*this, order.notes.view());
    order.notes.clear();
  }
  if (left == 0) host_.mark_dirty(*this);
  if (left == 0) return;
  const bool waits = takes_arrivals && std::any_of(lanes_.begin(), lanes_.end(), [&](const auto& lane) {
                       return lane && (lane->has_unread() || (order.is_full() && !lane->is_empty()));
                     });  // for the disk
  if (!waits || (order.is_full() && order.stuck)) order.complete_first = false;
  if (!waits) order.reading_again = false;
}

void Queue::pump_ranked() {
  rank_arrivals();
  const bool was_full = ranked_->is_full();
  deliver_ready();
  if (was_full && !ranked_->is_full()) host_.mark_dirty(*this);
  // Everything that was ranked has gone: from here on the lanes will do.
  if (settings_->scheduling.order == Scheduling::fifo && ranked_->is_empty() && !ranked_->reading_again) {
    ranked_.reset();
    forget_marks();
    deliver_ready();
  }
}

Entry* Queue::ranked_front() {
  RankedOrder& order = *ranked_;
  if (!order.has_any_in_memory()) return nullptr;
  // What is parked and comes first is on its way, or will be before the turn ends.
  if (!order.parked.empty() && (order.ready.empty() || !order.parked.is_behind(order.ready.front_place()))) {
    return nullptr;
  }
  return &order.serving().front();
}

Entry Queue::take_ranked() {
  const bool of_now = !ranked_->ready.empty();
  RankedMessage taken = ranked_->took(ranked_->serving().take_front());
  if (of_now) ranked_->ranker.served(taken.rank);
  if (of_now) ranked_->given.insert_or_assign(taken.entry.seq, taken.rank);
  account_ready(taken.entry, -1);
  return std::move(taken.entry);
}

void Queue::drop_taken(RankedMessage&& taken, DeathReason reason) {
  Entry entry = ranked_->took(std::move(taken)).entry;
  account_ready(entry, -1);
  times_->dropped(noted_us() - entry.since_us);
  die(std::move(entry), reason);
}

bool Queue::drop_last_ranked(std::uint64_t excess) {
  RankedOrder& order = *ranked_;
  if (order.fetching.to_drop > 0) return false;
  auto last = order.parked.first(ParkedOrder::last);
  if (!last || (!order.ready.empty() && last->place < order.ready.last_place())) {
    if (!order.has_any_in_memory()) return false;
    drop_taken(order.serving().take_last(), DeathReason::maxlen);
    return true;
  }
  for (; last && order.fetching.to_drop < std::min<std::uint64_t>(excess, RankedOrder::kAtOnce);
       last = order.parked.first(ParkedOrder::last)) {
    if (ask_for(*last)) ++order.fetching.to_drop;
  }
  return false;
}

void Queue::drop_expired_ranked() {
  RankedOrder& order = *ranked_;
  const std::int64_t now = host_.now_ms();
  const auto drop_from = [&](RankIndex& index) {
    std::optional<RankedMessage> expired = index.take_expired(now);
    if (expired) drop_taken(std::move(*expired), DeathReason::expired);
    return expired.has_value();
  };
  while (drop_from(order.ready)) {
  }
  while (!order.earlier.empty() && drop_from(order.earlier.front())) {
  }
  for (std::size_t picked = 0; order.parked.next_expiry_ms() <= now; ++picked) {
    if (order.parked.coming() >= order.limits.max_fetch) return;
    if (picked == RankedOrder::kAtOnce) return host_.mark_dirty(*this);
    ask_for(*order.parked.first(ParkedOrder::expiry));
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
