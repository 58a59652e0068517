// The part of Queue that moves messages to segments and back, and that a restart rebuilds it from.
#include <algorithm>

#include "base/assert.hpp"
#include "base/varint.hpp"
#include "broker/queue/item_meta.hpp"
#include "broker/queue/queue.hpp"
#include "broker/queue/run_piece.hpp"
#include "broker/queue/run_state.hpp"

namespace millrace::broker {
void Queue::load(unsigned index) {
  Lane& lane = *lanes_[index];
  if (lane.loading || !lane.has_unread() || lane.retry.at_ms() > host_.now_ms()) return;
  lane.loading = true;
  const LaneRun& run = lane.runs[lane.unread];
  const std::uint64_t left = run.end() - run.next_offset;
  lane.piece_bytes = std::clamp(2 * lane.piece_bytes, storage::Segments::kReadPieceBytes,
                                storage::Segments::kReadOnPieceBytes);
  const std::size_t bytes = static_cast<std::size_t>(
      std::min<std::uint64_t>(left, std::max<std::uint64_t>(lane.piece_bytes, read_bytes_)));
  if (!alive_) alive_ = std::make_shared<bool>();
  host_.read_segment(run.run.segment, run.next_offset, bytes,
                     [this, index, alive = std::weak_ptr<void>(alive_),
                      generation = load_generation_](result<Buffer> piece) {
                       if (alive.expired() || generation != load_generation_) return;
                       loaded(index, std::move(piece));
                     });
}

void Queue::loaded(unsigned index, result<Buffer> piece) {
  Lane& lane = *lanes_[index];
  lane.loading = false;
  LaneRun& run = lane.runs[lane.unread];
  if (piece.has_error() || piece->empty()) {
    if (lane.retry.again(host_.now_ms())) return host_.mark_dirty(*this);  // sets the deadline
    set_aside(index, run, piece.has_error() ? piece.error().text : "the file ends too early");
    ++lane.unread;
    read_bytes_ = 0;
  } else {
    const PieceEnd walked = walk_piece(
        piece->view(), run.next_offset, run.end(),
        [&](const storage::StoredItem& item, std::uint64_t offset) { take_item(index, run, item, offset); },
        [&](std::uint64_t offset) { found_damage(run, offset); });
    run.next_offset = walked.next_offset;
    read_bytes_ = walked.wanted_bytes;  // of an item longer than a piece: asked for as a whole
    if (walked.broken || run.exhausted()) {
      if (run.damaged()) set_aside(index, run, "an item fails its checksum");
      ++lane.unread;
      read_bytes_ = 0;
    }
  }
  lane.pass_exhausted();
  lane.retry.succeeded();
  drop_released_runs(lane);
  if (lane.head.empty() && lane.has_unread()) load(index);
  host_.mark_dirty(*this);
}

void Queue::found_damage(LaneRun& run, std::uint64_t offset) {
  if (run.damaged()) return;
  run.damaged_offset = offset;
  run.damaged_from_seq = run.read_from_seq;
}

// What was read of the run goes its way. The rest is not served, and keeps the run, and so its file.
void Queue::set_aside(unsigned index, LaneRun& run, std::string_view why) {
  const Lane& lane = *lanes_[index];
  std::uint64_t in_memory = 0;
  const auto count = [&](const Entry& entry) {
    in_memory += entry.stored && lane_of(*entry.message) == index && find_run(lane.runs, entry.seq) == &run;
  };
  lane.returned.for_each(count);
  for (const Entry& entry : lane.head) count(entry);
  for_each_pinned(count);
  const std::uint64_t served = in_memory + run.parked + run.aside;
  const std::uint64_t unserved = run.live - std::min(run.live, served);
  if (unserved == 0 && run.aside > 0) return;
  if (unserved == 0) {
    // What cannot be read was settled long ago.
    run.next_offset = run.end();
    run.read_from_seq = run.run.last_seq + 1;
    run.damaged_offset = run.damaged_from_seq = LaneRun::kNone;
    boost::unordered::erase_if(
        skip_, [&](std::uint64_t seq) { return seq >= run.run.first_seq && seq <= run.run.last_seq; });
    return;
  }
  const std::uint64_t waiting = keep_retries(index, run);
  const std::uint64_t ready = unserved - std::min(unserved, waiting);
  ready_ -= std::min(ready_, ready);
  run.aside += ready;
  counters_.set_aside += unserved;
  host_.set_aside(*this, run.run, unserved, why);
}

void Queue::take_item(unsigned index, LaneRun& run, const storage::StoredItem& item, std::uint64_t offset) {
  const auto [transient, stored_deliveries] = ItemMeta::unpacked(item.meta);
  if (ranked_) run.marks.note(item.seq, offset);
  const bool wanted_again = again_.contains(item.seq);
  if (transient && run.recovered) {  // recover() has taken them out of the counts
    again_.erase(item.seq);
    return;
  }
  Ref<Message> message = read_message(item.payload);
  if (!message) return found_damage(run, offset);
  std::uint32_t deliveries = stored_deliveries;
  bool redelivered = item.seq <= recovered_through_;
  if (wanted_again) again_.erase(item.seq);
  if (item.seq < run.read_from_seq && !wanted_again) {
    const auto it = revived_.find(item.seq);
    if (it == revived_.end()) return;
    if (it->second != RecoveredQueue::kAsStored) deliveries = it->second;
    redelivered = true;
    revived_.erase(it);
  } else {
    if (item.seq >= run.read_from_seq) {
      run.read_from_seq = item.seq + 1;
      if (run.damaged() ? skip_.contains(item.seq) : skip_.erase(item.seq) > 0) return;
    }
    if (const auto it = recovered_counts_.find(item.seq); it != recovered_counts_.end()) {
      deliveries = it->second;
      recovered_counts_.erase(it);
    }
  }
  Retry retry{0, deliveries};
  const bool waits = take_retry(item.seq, retry);
  Entry entry = make_entry(std::move(message), item.seq, {});
  entry.persistent = entry.persistent && !transient;
  entry.delivery_count = deliveries;
  entry.returns = retry.returns;
  entry.redelivered = redelivered || retry.due_ms != 0;
  entry.stored = true;
  entry.since_us = since_arrival_us(entry);
  run.oldest_ms = entry.arrival_ms;
  if (entry.expires_ms != Entry::kNever) ttl_seen_ = true;
  entered_memory(entry);
  if (waits) {
    delayed_.emplace(retry.due_ms, std::move(entry));
    return;
  }
  lane_at(index).head.push_back(std::move(entry));
}

void Queue::release_stored(const Entry& entry) {
  Lane& lane = lane_for(entry);
  LaneRun* run = find_run(lane.runs, entry.seq);
  if (!run || run->live == 0) return;
  --run->live;
  // A restart comes by it again.
  if (run->damaged() && entry.seq >= run->damaged_from_seq) skip_.insert(entry.seq);
  if (!entry.persistent) --run->live_transient;
  if (run->live == 0) drop_released_runs(lane);
}

void Queue::drop_released_runs(Lane& lane) {
  for (std::size_t i = 0; i < lane.unread;) {
    if (lane.runs[i].live > 0) {
      ++i;
      continue;
    }
    host_.run_released(lane.runs[i].run);
    lane.runs.erase(lane.runs.begin() + static_cast<std::ptrdiff_t>(i));
    --lane.unread;
  }
}

void Queue::for_each_held(const std::function<void(Entry&)>& visit) {
  for (auto& [seq, unacked] : unacked_) visit(unacked.entry);
  for (auto& [due, entry] : delayed_) visit(entry);
  for (auto& [seq, entry] : transfers_) visit(entry);
}

void Queue::for_each_pinned(const std::function<void(Entry&)>& visit) {
  for_each_held(visit);
  if (ranked_) ranked_->for_each([&](Entry& entry, std::int64_t) { visit(entry); });
}

void Queue::collect_lanes(std::vector<std::size_t> tail_entries, storage::Lsn through, Spill& spill,
                          bool whole_index) {
  std::vector<std::vector<const Entry*>> picked(lanes_.size());
  std::vector<std::uint64_t> youngest(lanes_.size(), 0);
  const auto pick = [&](const Entry& entry) {
    if (entry.stored || entry.lsn.value == 0) return;
    // All that is older than what goes of its lane goes along: runs of a lane must not overlap.
    const unsigned lane = lane_of(*entry.message);
    const std::size_t going = tail_entries[lane];
    if (entry.lsn <= through || (going > 0 && entry.seq < lanes_[lane]->tail[going - 1].seq)) {
      picked[lane].push_back(&entry);
      youngest[lane] = std::max(youngest[lane], entry.seq);
    }
  };
  for_each_held(pick);
  if (ranked_) ranked_->for_each_unstored(pick);
  for (unsigned i = 0; i < lanes_.size(); ++i) {
    if (!lanes_[i]) continue;
    lanes_[i]->returned.for_each(pick);
    // What waits for another try since before a restart may be younger than what is ready.
    const Entries& tail = lanes_[i]->tail;
    while (tail_entries[i] < tail.size() && tail[tail_entries[i]].seq < youngest[i]) ++tail_entries[i];
    for (std::size_t at = 0; at < tail_entries[i]; ++at) picked[i].push_back(&tail[at]);
  }
  if (ranked_) pick_unlogged(picked, whole_index);
  for (unsigned i = 0; i < lanes_.size(); ++i) {
    std::sort(picked[i].begin(), picked[i].end(),
              [](const Entry* a, const Entry* b) { return a->seq < b->seq; });
    const std::size_t first = spill.items.size();
    for (const Entry* entry : picked[i]) {
      const ItemMeta meta{!entry->persistent, entry->delivery_count};
      spill.add(entity(id(), i), entry->seq, meta.packed(), entry->message);
    }
    if (ranked_) ranked_->writing.note(i, std::span(spill.items).subspan(first));
  }
}

void Queue::collect(storage::Lsn through, Spill& spill) {
  std::vector<std::size_t> tail_entries(lanes_.size(), 0);
  for (unsigned i = 0; i < lanes_.size(); ++i) {
    if (!lanes_[i]) continue;
    const Entries& tail = lanes_[i]->tail;
    // Transient ones in between go along, so that the lane stays in order.
    for (std::size_t at = 0; at < tail.size() && tail[at].lsn <= through; ++at) {
      if (tail[at].lsn.value != 0) tail_entries[i] = at + 1;
    }
  }
  collect_lanes(std::move(tail_entries), through, spill);
}

std::uint64_t Queue::collect_oldest(std::uint64_t bytes, Spill& spill) {
  if (ranked_) {
    ranked_->give_back = std::max(ranked_->give_back, bytes);
    if (ranked_->has_surplus()) {
      if (ranked_->is_worth_storing()) return collect_ranked(spill);
      host_.mark_dirty(*this);
    }
  }
  std::vector<std::size_t> tail_entries(lanes_.size(), 0);
  std::uint64_t taken = 0;
  storage::Lsn through;
  for (unsigned i = 0; i < lanes_.size(); ++i) {
    if (!lanes_[i]) continue;
    for (const Entry& entry : lanes_[i]->tail) {
      if (taken >= bytes || !deliverable(entry)) break;
      taken += entry.message->footprint();
      through = std::max(through, entry.lsn);
      ++tail_entries[i];
    }
  }
  if (taken > 0) collect_lanes(std::move(tail_entries), through, spill);
  return taken;
}

void Queue::spilled(const storage::SegmentRun& stored) {
  const auto index = static_cast<unsigned>(stored.entity & 0xff);
  Lane& lane = lane_at(index);
  LaneRun run;
  run.run = stored;
  run.next_offset = stored.offset;
  run.read_from_seq = stored.last_seq + 1;
  const auto is_of_run = [&](const Entry& entry) {
    return entry.seq >= stored.first_seq && entry.seq <= stored.last_seq && lane_of(*entry.message) == index;
  };
  const auto pin = [&](Entry& entry) {
    if (entry.stored || !is_of_run(entry)) return false;
    // Not written, because nothing of it is in the log: it stays in memory.
    if (entry.lsn.value == 0 && !(ranked_ && ranked_->writing.unlogged.contains(entry.seq))) return false;
    entry.stored = true;
    ++run.live;
    if (!entry.persistent) ++run.live_transient;
    return true;
  };
  for_each_held(pin);
  lane.returned.for_each(pin);
  std::uint64_t ranked_through = 0;
  std::vector<std::uint64_t> died;
  if (ranked_) {
    ranked_->for_each_unstored([&](Entry& entry) {
      if (pin(entry)) ranked_through = std::max(ranked_through, entry.seq);
    });
    RankedWriting::Run written = ranked_->writing.take(index, stored);
    run.marks = std::move(written.marks);
    died = std::move(written.died);
  }
  // What is left of the prefix is read again when it is due.
  while (!lane.tail.empty() && lane.tail.front().seq <= stored.last_seq) {
    const Entry& entry = lane.tail.front();
    run.read_from_seq = std::min(run.read_from_seq, entry.seq);
    if (run.oldest_ms == 0) run.oldest_ms = entry.arrival_ms;
    ++run.live;
    if (!entry.persistent) ++run.live_transient;
    left_memory(entry);
    lane.tail.pop_front();
  }
  if (lane.has_unread()) {
    // What waits behind them is to be read behind them.
    std::uint64_t before = std::max(lane.runs.back().run.last_seq, ranked_through);
    // Nor can it be read in front of what is in memory.
    const auto note = [&](const Entry& entry) {
      if (entry.stored && is_of_run(entry)) before = std::max(before, entry.seq);
    };
    for (const auto& [seq, unacked] : unacked_) note(unacked.entry);
    for (const auto& [seq, entry] : transfers_) note(entry);
    for (const auto& [due_ms, entry] : delayed_) {
      if (!entry.stored || entry.seq <= before || !is_of_run(entry)) continue;
      run.read_from_seq = std::min(run.read_from_seq, entry.seq);
    }
  }
  if (run.read_from_seq > stored.last_seq) run.next_offset = stored.offset + stored.bytes;
  for (const std::uint64_t seq : died) {
    if (seq >= run.read_from_seq) skip_.insert(seq);
  }
  leave_retries(index, run);
  if (run.live == 0) {
    host_.run_released(stored);
    return;
  }
  lane.add(std::move(run));
  host_.mark_dirty(*this);
}

void Queue::for_each_run(const std::function<void(const storage::SegmentRun&)>& visit) const {
  for (const auto& lane : lanes_) {
    if (!lane) continue;
    for (const LaneRun& run : lane->runs) visit(run.run);
  }
}

void Queue::put_state(Buffer& out) const {
  put_varint(out, lanes_.size());
  put_varint(out, next_seq_);
  put_varint(out, std::max(delivered_through_, recovered_through_));
  // Live, stored, and not to be found by reading on: in memory, or still to be revived.
  boost::unordered_flat_map<std::uint64_t, std::uint32_t> revived = revived_;
  boost::unordered_flat_map<std::uint64_t, std::uint32_t> counts = recovered_counts_;
  const auto revive = [&](const Entry& entry) {
    if (!entry.stored || !entry.persistent) return;
    const LaneRun* run = find_run(lanes_[lane_of(*entry.message)]->runs, entry.seq);
    const bool found_again = run && run->damaged() && entry.seq >= run->damaged_from_seq;
    (found_again ? counts : revived)[entry.seq] = entry.delivery_count;
  };
  const_cast<Queue*>(this)->for_each_pinned(revive);
  SeqSet again = again_;
  if (ranked_) {
    ranked_->parked.add_to(again);
    for (const auto& [seq, back] : ranked_->parked_returns) {
      again.erase(seq);
      revived[seq] = back.deliveries;
    }
  }
  std::uint64_t lanes = 0;
  for (const auto& lane : lanes_) lanes += lane && !lane->runs.empty();
  put_varint(out, lanes);
  for (unsigned i = 0; i < lanes_.size(); ++i) {
    const Lane* lane = lanes_[i].get();
    if (!lane || lane->runs.empty()) continue;
    lane->returned.for_each(revive);
    for (const Entry& entry : lane->head) revive(entry);
    put_varint(out, i);
    put_varint(out, lane->runs.size());
    for (const LaneRun& run : lane->runs) {
      put_run(out, run.run);
      put_varint(out, run.damaged() ? run.damaged_offset : run.next_offset);
      put_varint(out, run.damaged() ? run.damaged_from_seq : run.read_from_seq);
      put_varint(out, run.live);
      put_varint(out, run.live_transient);
    }
  }
  put_varint(out, ready_bytes_);
  put_varint(out, revived.size());
  for (const auto& [seq, count] : revived) {
    put_varint(out, seq);
    put_varint(out, count);
  }
  put_varint(out, skip_.size());
  for (const std::uint64_t seq : skip_) put_varint(out, seq);
  put_varint(out, counts.size());
  for (const auto& [seq, count] : counts) {
    put_varint(out, seq);
    put_varint(out, count);
  }
  put_memory(out);
  put_ranks(out);
  again.put_state(out);
}

RecoveredQueue Queue::read_state(Reader& in, StateVersion version) {
  RecoveredQueue queue;
  queue.levels = static_cast<unsigned>(std::min<std::uint64_t>(in.varint(), 256));
  queue.next_seq = in.varint();
  queue.delivered_through = in.varint();
  for (std::uint64_t lanes = in.varint(); lanes > 0 && !in.failed(); --lanes) {
    LaneRuns& runs = queue.runs[static_cast<unsigned>(in.varint() & 0xff)];
    for (std::uint64_t count = in.varint(); count > 0 && !in.failed(); --count) {
      LaneRun& run = runs.emplace_back();
      run.run = read_run(in);
      run.next_offset = in.varint();
      run.read_from_seq = in.varint();
      run.live = in.varint();
      run.live_transient = in.varint();
      run.recovered = true;
    }
  }
  queue.stored_bytes = in.varint();
  for (std::uint64_t count = in.varint(); count > 0 && !in.failed(); --count) {
    const std::uint64_t seq = in.varint();
    queue.revived[seq] = static_cast<std::uint32_t>(in.varint());
  }
  for (std::uint64_t count = in.varint(); count > 0 && !in.failed(); --count) queue.skip.insert(in.varint());
  for (std::uint64_t count = in.varint(); count > 0 && !in.failed(); --count) {
    const std::uint64_t seq = in.varint();
    queue.delivery_counts[seq] = static_cast<std::uint32_t>(in.varint());
  }
  if (version > StateVersion::without_memory) queue.read_memory(in);
  if (version > StateVersion::without_ranks) queue.ranked.read_state(in);
  if (version > StateVersion::without_parked) queue.again.read_state(in);
  return queue;
}

void RecoveredQueue::add(std::uint64_t seq, MessageRef message, storage::Lsn lsn, bool in_state) {
  next_seq = std::max(next_seq, seq + 1);
  if (in_state && levels > 0) {
    // What a run of its lane spans was written there, unless it was settled before.
    const auto lane = runs.find(std::min<unsigned>(message->priority(), levels - 1));
    if (lane != runs.end() && find_run(lane->second, seq) != nullptr) return;
  }
  tail[seq] = Logged{std::move(message), lsn};
}

bool RecoveredQueue::is_live(const LaneRun& run, std::uint64_t seq) const {
  return seq >= run.read_from_seq ? !skip.contains(seq) : revived.contains(seq) || again.contains(seq);
}

void RecoveredQueue::settle(unsigned lane, std::uint64_t seq, bool in_state) {
  next_seq = std::max(next_seq, seq + 1);
  if (!in_state) {
    retries.erase(seq);
    ranked.ranks.erase(seq);
  }
  if (tail.erase(seq) > 0 || in_state) return;
  delivery_counts.erase(seq);
  const auto lane_runs = runs.find(lane);
  LaneRun* run = lane_runs == runs.end() ? nullptr : find_run(lane_runs->second, seq);
  if (!run || run->live == 0) return;
  const bool unread = seq >= run->read_from_seq;
  const bool was_again = again.erase(seq);
  const bool live = unread ? skip.insert(seq).second : was_again || revived.erase(seq) > 0;
  if (!live) return;
  stored_bytes -= stored_bytes / run->live;
  --run->live;
}

void RecoveredQueue::requeue(std::uint64_t seq, std::uint32_t delivery_count, std::optional<Retry> retry,
                             bool in_state) {
  if (!in_state) {
    if (retry) {
      retries[seq] = *retry;
    } else {
      retries.erase(seq);
    }
  }
  if (const auto it = revived.find(seq); it != revived.end()) {
    if (!in_state) it->second = delivery_count;
  } else if (!in_state || tail.contains(seq)) {
    delivery_counts[seq] = delivery_count;
  }
}

void RecoveredQueue::purge(std::uint64_t through_seq, std::span<const KeptItem> kept, bool in_state) {
  const auto is_kept = [&](std::uint64_t seq) {
    const auto it = std::lower_bound(kept.begin(), kept.end(), seq,
                                     [](const KeptItem& item, std::uint64_t s) { return item.seq < s; });
    return it != kept.end() && it->seq == seq;
  };
  next_seq = std::max(next_seq, through_seq + 1);
  std::erase_if(tail, [&](const auto& item) { return item.first <= through_seq && !is_kept(item.first); });
  if (in_state) return;
  std::erase_if(retries, [&](const auto& item) { return !is_kept(item.first); });
  boost::unordered::erase_if(ranked.ranks, [&](const auto& item) { return !is_kept(item.first); });
  window.clear();
  // Everything in runs is older than the purge: there is no run yet that was written after it.
  for (auto& [lane, lane_runs] : runs) {
    for (LaneRun& run : lane_runs) {
      run.live = run.live_transient = 0;
      for (const auto [seq, kept_lane] : kept) {
        if (kept_lane != lane || seq < run.run.first_seq || seq > run.run.last_seq) continue;
        if (!is_live(run, seq)) continue;
        if (seq >= run.read_from_seq || again.contains(seq)) {
          const auto count = delivery_counts.find(seq);
          revived[seq] = count == delivery_counts.end() ? kAsStored : count->second;
        }
        ++run.live;
      }
      run.read_from_seq = run.run.last_seq + 1;
      run.next_offset = run.run.offset;
    }
  }
  boost::unordered::erase_if(revived, [&](const auto& item) { return !is_kept(item.first); });
  skip.clear();
  again.clear();
  stored_bytes = 0;
}

void Queue::recover(RecoveredQueue&& recovered) {
  recover_window(recovered);
  recover_retries(recovered);
  next_seq_ = std::max(next_seq_, recovered.next_seq);
  recovered_through_ = delivered_through_ = std::min(recovered.delivered_through, next_seq_ - 1);
  skip_ = std::move(recovered.skip);
  revived_ = std::move(recovered.revived);
  again_ = std::move(recovered.again);
  recovered_counts_ = std::move(recovered.delivery_counts);
  ready_bytes_ = recovered.stored_bytes;
  for (auto& [index, runs] : recovered.runs) {
    if (index >= lanes_.size()) continue;
    Lane& lane = lane_at(index);
    for (LaneRun& run : runs) {
      if (run.live == run.live_transient) {
        host_.run_released(run.run);
        continue;
      }
      run.live -= run.live_transient;
      run.live_transient = 0;
      ready_ += run.live;
      // What was live in memory is found again by reading the run from its beginning.
      const bool revives = std::any_of(revived_.begin(), revived_.end(), [&](const auto& item) {
        return item.first >= run.run.first_seq && item.first <= run.run.last_seq;
      });
      if (revives || !again_.empty()) run.next_offset = run.run.offset;
      lane.runs.push_back(run);
    }
    ttl_seen_ = ttl_seen_ || !lane.runs.empty();
  }
  for (auto& [seq, logged] : recovered.tail) {
    Entry entry = make_entry(std::move(logged.message), seq, logged.lsn);
    entry.since_us = since_arrival_us(entry);
    entry.redelivered = seq <= recovered_through_;
    if (const auto it = recovered_counts_.find(seq); it != recovered_counts_.end()) {
      entry.delivery_count = entry.returns = it->second;
      entry.redelivered = true;
      recovered_counts_.erase(it);
    }
    if (entry.expires_ms != Entry::kNever) ttl_seen_ = true;
    entered_memory(entry);
    if (const auto it = recovered.retries.find(seq); it != recovered.retries.end()) {
      entry.returns = it->second.returns;
      entry.redelivered = true;
      if (it->second.due_ms > host_.now_ms()) {
        delayed_.emplace(it->second.due_ms, std::move(entry));
        continue;
      }
    }
    account_ready(entry, +1);
    lane_for(entry).tail.push_back(std::move(entry));
  }
  if (unread_retries_) ready_ -= unread_retries_->waiting.size();  // counted with their runs
  if (ready_ == 0) ready_bytes_ = 0;
  if (ready_ > 0 || waiting() > 0) pass_time();
  recovered_ranks_ = std::make_unique<RecoveredRanks>(std::move(recovered.ranked));
  if (ranked_) take_recovered_ranks();
  host_.mark_dirty(*this);
}

}  // namespace millrace::broker
