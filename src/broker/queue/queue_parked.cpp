// The part of Queue that keeps a ranked queue's memory within bounds: what would be served last is parked, in
// segments alone, and fetched before it is its turn. docs/decisions/0023-ranked-queues.md.
#include <algorithm>

#include "broker/queue/item_meta.hpp"
#include "broker/queue/queue.hpp"
#include "broker/queue/run_piece.hpp"

namespace millrace::broker {
namespace {

constexpr std::int64_t kParkAgainMs = 1000;

}  // namespace

void RankedWriting::note(unsigned lane, std::span<const storage::SegmentItem> items) {
  runs.erase(lane);
  if (items.empty()) return;
  Run& run = runs[lane];
  run.first_seq = items.front().seq;
  run.last_seq = items.back().seq;
  for (const storage::SegmentItem& item : items) {
    run.marks.note(item.seq, run.bytes);
    run.bytes += storage::kSegmentItemHeaderBytes;
    for (const ByteView part : item.parts) run.bytes += part.size();
  }
}

void RankedWriting::died(unsigned lane, const Entry& entry) {
  const auto it = runs.find(lane);
  if (it == runs.end() || entry.seq < it->second.first_seq || entry.seq > it->second.last_seq) return;
  if (entry.lsn.value != 0 || unlogged.contains(entry.seq)) it->second.died.push_back(entry.seq);
}

RankedWriting::Run RankedWriting::take(unsigned lane, const storage::SegmentRun& stored) {
  const auto it = runs.find(lane);
  if (it == runs.end() || it->second.first_seq != stored.first_seq || it->second.bytes != stored.bytes)
    return {};
  Run run = std::move(it->second);
  runs.erase(it);
  run.marks.shift(stored.offset);
  return run;
}

std::uint64_t Queue::collect_ranked(Spill& spill) {
  if (!ranked_) return 0;
  const std::size_t before = spill.items.size();
  collect_lanes(std::vector<std::size_t>(lanes_.size(), 0), host_.durable(), spill, true);
  return spill.items.size() > before ? ranked_->unstored_bytes : 0;
}

void Queue::pick_unlogged(std::vector<std::vector<const Entry*>>& picked, bool whole_index) {
  std::vector<std::uint64_t> through(lanes_.size(), 0);
  for (unsigned i = 0; i < lanes_.size(); ++i) {
    for (const Entry* entry : picked[i]) through[i] = std::max(through[i], entry->seq);
  }
  if (whole_index) {
    ranked_->for_each_unstored([&](const Entry& entry) {
      std::uint64_t& last = through[lane_of(*entry.message)];
      last = std::max(last, entry.seq);
    });
  }
  auto& unlogged = ranked_->writing.unlogged;
  unlogged.clear();
  for (const auto& of_lane : picked) {
    for (const Entry* entry : of_lane) {
      if (entry->lsn.value == 0) unlogged.insert(entry->seq);
    }
  }
  // Whether it can be stored at all.
  const auto pick = [&](const Entry& entry) {
    if (entry.stored || entry.lsn.value != 0) return true;
    const unsigned i = lane_of(*entry.message);
    // What younger ones have left behind stays in memory: runs of a lane must not overlap.
    const LaneRuns& runs = lane_at(i).runs;
    if (!runs.empty() && entry.seq < runs.back().run.last_seq) return false;
    if (entry.seq > through[i]) return true;
    picked[i].push_back(&entry);
    unlogged.insert(entry.seq);
    return true;
  };
  for_each_held(pick);
  ranked_->unstorable = 0;
  ranked_->for_each_unstored([&](const Entry& entry) { ranked_->unstorable += pick(entry) ? 0 : 1; });
}

bool Queue::may_be_parked(const Entry& entry) {
  const LaneRun* run = find_run(lane_for(entry).runs, entry.seq);
  return run != nullptr && run->marks.covers(entry.seq);
}

void Queue::park_later() {
  ranked_->park_from_ms = host_.now_ms() + kParkAgainMs;
  ranked_->stuck = true;
}

void Queue::not_stored() {
  if (ranked_) park_later();
}

void Queue::park_surplus() {
  RankedOrder& order = *ranked_;
  if (order.parked.failed()) {
    host_.cannot_park(*this, "what the index of those on disk says cannot be read");
    park_later();
    read_again();
  }
  if (order.is_over()) order.parking = true;
  // What was fetched to be dropped is not to go again while the rest of it comes.
  if (host_.now_ms() < order.park_from_ms || order.fetching.to_drop > 0) return;
  order.stuck = false;
  const bool was_full = order.is_full();
  if (order.should_be_stored()) host_.store_soon(*this);
  const MakeSortedRuns make = [this](ParkedOrder by) { return host_.make_sorted_runs(*this, by); };
  for (std::size_t left = 2 * RankedOrder::kAtOnce; order.has_surplus(); --left) {
    if (left == 0) return host_.mark_dirty(*this);
    // What is served next would be fetched at once.
    auto taken = order.ready.take_last_stored_if(
        [&](const Entry& entry) { return &entry != &order.ready.front() && may_be_parked(entry); },
        RankedOrder::kLooks);
    if (!taken) {
      // What comes last must be stored first, or has been with consumers.
      order.stuck = order.storable() == 0;
      if (order.stuck) {
        order.give_back = 0;
      } else if (order.is_worth_storing()) {
        host_.store_soon(*this);
      }
      return;
    }
    RankedMessage surplus = order.took(std::move(*taken));
    const Entry& entry = surplus.entry;
    const RankPlace place{surplus.rank, entry.seq};
    const unsigned lane = lane_of(*entry.message);
    if (order.parked.empty()) {
      order.fetching.at = place;
      order.fetching.batch = 0;
    }
    if (auto put = order.parked.put(make, place, lane, entry.expires_ms, settings_->drops_head()); !put) {
      host_.cannot_park(*this, put.error().text);
      park_later();
      return order.put(std::move(surplus.entry), surplus.rank);
    }
    order.fetching.at = std::min(order.fetching.at, place);
    order.give_back -= std::min<std::uint64_t>(order.give_back, entry.message->footprint());
    LaneRun& run = *find_run(lanes_[lane]->runs, entry.seq);
    if (run.parked++ == 0) run.parked_since_ms = entry.arrival_ms;
    run.parked_since_ms = std::min(run.parked_since_ms, entry.arrival_ms);
    if (entry.delivery_count > 0 || entry.returns > 0 ||
        (entry.redelivered && entry.seq > recovered_through_)) {
      order.parked_returns[entry.seq] = {entry.delivery_count, entry.returns};
    }
    left_memory(entry);
  }
  order.parking = false;
  if (was_full) host_.mark_dirty(*this);
}

bool Queue::ask_for(const Parked::Item& item) {
  if (!ranked_->parked.ask(item)) return false;
  ranked_->fetching.asked.push_back(item);
  return true;
}

void Queue::fetch_parked() {
  Fetching& fetching = ranked_->fetching;
  gather_parked();
  if (!fetching.gathering && !fetching.asked.empty()) plan_fetches();
  for (auto it = fetching.failed.begin(); it != fetching.failed.end();) {
    if (it->retry.at_ms() > host_.now_ms()) {
      ++it;
      continue;
    }
    fetching.planned.push_front(std::move(*it));
    it = fetching.failed.erase(it);
  }
  while (fetching.reads < Fetching::kReads && !fetching.planned.empty()) {
    Fetching::Fetch next = std::move(fetching.planned.front());
    fetching.planned.pop_front();
    fetch(std::move(next));
  }
}

// The next batch is asked for when the one before it begins to be served, and is twice as large: the queue
// has waited for the first, and is not to wait again.
void Queue::gather_parked() {
  RankedOrder& order = *ranked_;
  Fetching& fetching = order.fetching;
  if (order.parked.empty()) return;
  if (!fetching.gathering) {
    if (order.parked.coming() > 0) return;
    if (!order.ready.empty() && order.ready.front_place() < fetching.at) return;
    const auto first = order.parked.first(ParkedOrder::rank);
    if (!first) return;
    const std::uint64_t bytes_each =
        std::max<std::uint64_t>(ready_bytes_ / std::max<std::uint64_t>(ready_, 1), 1);
    const auto most = std::max<std::uint64_t>(order.limits.max_fetch_bytes / bytes_each, 1);
    fetching.batch = std::clamp(2 * fetching.batch, order.limits.min_fetch, order.limits.max_fetch);
    fetching.batch = std::min<std::size_t>(fetching.batch, most);
    fetching.at = first->place;
    fetching.gathering = true;
  }
  for (std::size_t left = 2 * RankedOrder::kAtOnce; fetching.asked.size() < fetching.batch; --left) {
    const auto next = order.parked.first(ParkedOrder::rank);
    if (!next) break;
    if (left == 0) return host_.mark_dirty(*this);
    if (!ask_for(*next)) break;
  }
  fetching.gathering = false;
}

void Queue::plan_fetches() {
  Fetching& fetching = ranked_->fetching;
  std::vector<Parked::Item> asked = std::move(fetching.asked);
  fetching.asked.clear();
  std::sort(asked.begin(), asked.end(), [](const Parked::Item& a, const Parked::Item& b) {
    return std::pair(a.lane, a.place.second) < std::pair(b.lane, b.place.second);
  });
  for (const Parked::Item& item : asked) {
    const std::uint64_t seq = item.place.second;
    const LaneRun& run = *find_run(lanes_[item.lane]->runs, seq);
    const RunMarks::Stretch stretch = run.marks.find(seq, run.end());
    Fetching::Fetch* last = fetching.planned.empty() ? nullptr : &fetching.planned.back();
    const bool goes_on = last != nullptr && last->segment == run.run.segment && last->lane() == item.lane &&
                         last->items.back().place.second < seq && stretch.offset >= last->offset &&
                         stretch.offset <= last->end + Fetching::kMaxGapBytes &&
                         stretch.end - last->offset <= Fetching::kMaxReadBytes;
    if (!goes_on) {
      fetching.planned.push_back({run.run.segment, stretch.offset, stretch.end, {}, {}});
      last = &fetching.planned.back();
    }
    last->end = std::max(last->end, stretch.end);
    last->items.push_back(item);
  }
}

void Queue::fetch(Fetching::Fetch&& what) {
  ++ranked_->fetching.reads;
  if (!alive_) alive_ = std::make_shared<bool>();
  const storage::SegmentId segment = what.segment;
  const std::uint64_t offset = what.offset;
  const auto bytes = static_cast<std::size_t>(what.end - what.offset);
  host_.read_segment(segment, offset, bytes,
                     [this, what = std::move(what), alive = std::weak_ptr<void>(alive_),
                      generation = load_generation_](result<Buffer> piece) mutable {
                       if (alive.expired() || generation != load_generation_) return;
                       fetched(std::move(what), std::move(piece));
                     });
}

void Queue::fetched(Fetching::Fetch&& what, result<Buffer> piece) {
  Fetching& fetching = ranked_->fetching;
  --fetching.reads;
  note_time();
  host_.mark_dirty(*this);
  if (piece.has_error() || piece->size() < what.end - what.offset) {
    const std::string why = piece.has_error() ? piece.error().text : "the file ends too early";
    if (!what.retry.again(host_.now_ms())) return lose_parked(what, why);
    fetching.failed.push_back(std::move(what));
    return;
  }
  auto wanted = what.items.begin();
  std::vector<Parked::Item> missing;
  walk_piece(
      piece->view(), what.offset, what.end,
      [&](const storage::StoredItem& item, std::uint64_t) {
        for (; wanted != what.items.end() && wanted->place.second < item.seq; ++wanted)
          missing.push_back(*wanted);
        if (wanted == what.items.end() || wanted->place.second != item.seq) return;
        Ref<Message> message = read_message(item.payload);
        if (message) {
          take_parked(*wanted, std::move(message), ItemMeta::unpacked(item.meta).transient);
        } else {
          missing.push_back(*wanted);
        }
        ++wanted;
      },
      [](std::uint64_t) {});
  missing.insert(missing.end(), wanted, what.items.end());
  if (missing.empty()) return;
  what.items = std::move(missing);
  lose_parked(what, "an item fails its checksum");
}

void Queue::take_parked(const Parked::Item& item, MessageRef message, bool transient) {
  RankedOrder& order = *ranked_;
  const auto [rank, seq] = item.place;
  Entry entry = make_entry(std::move(message), seq, {});
  entry.persistent = entry.persistent && !transient;
  entry.redelivered = seq <= recovered_through_;
  if (const auto it = order.parked_returns.find(seq); it != order.parked_returns.end()) {
    entry.redelivered = true;
    entry.delivery_count = it->second.deliveries;
    entry.returns = it->second.returns;
    order.parked_returns.erase(it);
  }
  entry.stored = true;
  entry.since_us = since_arrival_us(entry);
  entered_memory(entry);
  order.parked.came(item);
  --find_run(lanes_[item.lane]->runs, seq)->parked;
  switch (item.order) {
    case ParkedOrder::last:
      --order.fetching.to_drop;
      [[fallthrough]];
    case ParkedOrder::rank:
      return order.put(std::move(entry), rank);
    case ParkedOrder::expiry:
      break;
  }
  if (entry.expires_ms > host_.now_ms()) return put_ranked(std::move(entry));  // the clock was set back
  account_ready(entry, -1);
  times_->dropped(noted_us() - entry.since_us);
  die(std::move(entry), DeathReason::expired);
}

void Queue::lose_parked(const Fetching::Fetch& what, std::string_view why) {
  LaneRun& run = *find_run(lanes_[what.lane()]->runs, what.items.front().place.second);
  const std::uint64_t lost = what.items.size();
  for (const Parked::Item& item : what.items) {
    ranked_->parked.came(item);
    if (item.order == ParkedOrder::last) --ranked_->fetching.to_drop;
    again_.insert(item.place.second);
  }
  revive_returns();
  run.parked -= lost;
  run.aside += lost;
  ready_ -= std::min(ready_, lost);
  counters_.set_aside += lost;
  host_.set_aside(*this, run.run, lost, why);
}

// Of those that are parked no more.
void Queue::revive_returns() {
  boost::unordered::erase_if(ranked_->parked_returns, [this](const auto& item) {
    if (!again_.erase(item.first)) return false;
    revived_[item.first] = item.second.deliveries;
    return true;
  });
}

void Queue::read_again() {
  RankedOrder& order = *ranked_;
  again_.insert(order.parked.take_all());
  revive_returns();
  order.fetching = {};
  ++load_generation_;  // what is being read now is read again
  RankIndex heads;
  for (auto& lane : lanes_) {
    if (!lane) continue;
    // They are ranked as what is older, and younger, comes by.
    for (; !lane->head.empty(); lane->head.pop_front()) heads.put(std::move(lane->head.front()), 0);
    lane->loading = false;
    lane->retry.succeeded();
    lane->unread = 0;
    for (LaneRun& run : lane->runs) {
      run.next_offset = run.run.offset;
      run.parked = 0;
      ready_ += std::exchange(run.aside, 0);  // another try
    }
  }
  order.put_earlier(std::move(heads));
  order.reading_again = true;
  host_.mark_dirty(*this);
}

void Queue::forget_marks() {
  for (auto& lane : lanes_) {
    if (!lane) continue;
    for (LaneRun& run : lane->runs) run.marks = {};
  }
}

}  // namespace millrace::broker
