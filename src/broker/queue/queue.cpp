#include "broker/queue/queue.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace millrace::broker {

std::string_view to_string(DeathReason reason) noexcept {
  switch (reason) {
    case DeathReason::expired:
      return "expired";
    case DeathReason::rejected:
      return "rejected";
    case DeathReason::maxlen:
      return "maxlen";
    case DeathReason::delivery_limit:
      return "delivery_limit";
  }
  return "rejected";
}

Queue::Queue(QueueHost& host, std::shared_ptr<const QueueSpec> spec,
             std::shared_ptr<const QueueSettings> settings)
    : host_(host), spec_(std::move(spec)), settings_(std::move(settings)), used_ms_(host.now_ms()) {
  lanes_.resize(std::size_t{settings_->max_priority} + 1);
  change_scheduling();
  if (settings_->expires_ms) host_.mark_dirty(*this);
}

Queue::~Queue() = default;

void Queue::change_settings(std::shared_ptr<const QueueSettings> settings) {
  MILLRACE_ASSERT(settings->max_priority == settings_->max_priority,
                  "the levels are an argument of the declaration, which no policy changes");
  const bool other_window = settings->deduplication_header != settings_->deduplication_header ||
                            settings->cache_size != settings_->cache_size ||
                            settings->cache_ttl_ms != settings_->cache_ttl_ms;
  const bool other_order = settings->scheduling != settings_->scheduling;
  // What is parked is in order of these.
  const bool other_end = settings->message_ttl_ms != settings_->message_ttl_ms ||
                         settings->drops_head() != settings_->drops_head();
  settings_ = std::move(settings);
  if (other_order) {
    change_scheduling();
  } else if (other_end && ranked_ && !ranked_->parked.empty()) {
    read_again();
  }
  // What it knows of messages that have left would never be forgotten by one that goes by those that are
  // here.
  if (other_window && remembers_what_it_holds()) window_.reset();
  if (settings_->message_ttl_ms) {
    ttl_seen_ = true;
    for (auto& lane : lanes_) {
      if (!lane) continue;
      lane->for_each(
          [this](Entry& entry) { entry.expires_ms = expiry_of(*entry.message, entry.arrival_ms); });
    }
    if (ranked_) {
      const auto expiry = [this](const Entry& entry) { return expiry_of(*entry.message, entry.arrival_ms); };
      for (RankIndex& index : ranked_->earlier) index.change_expiry(expiry);
      ranked_->ready.change_expiry(expiry);
    }
  }
  host_.mark_dirty(*this);
}

unsigned Queue::lane_of(const Message& message) const noexcept {
  return std::min(message.priority(), settings_->max_priority);
}

Lane& Queue::lane_at(unsigned index) {
  auto& lane = lanes_[index];
  if (!lane) lane = std::make_unique<Lane>();
  return *lane;
}

std::int64_t Queue::expiry_of(const Message& message, std::int64_t arrival_ms) const noexcept {
  std::int64_t ttl = message.ttl_ms();
  if (settings_->message_ttl_ms && (ttl < 0 || *settings_->message_ttl_ms < ttl))
    ttl = *settings_->message_ttl_ms;
  return ttl < 0 ? Entry::kNever : arrival_ms + ttl;
}

Entry Queue::make_entry(MessageRef message, std::uint64_t seq, storage::Lsn lsn) const {
  Entry entry;
  entry.seq = seq;
  entry.lsn = lsn;
  entry.arrival_ms = message->received_ms();
  entry.expires_ms = expiry_of(*message, entry.arrival_ms);
  entry.persistent = spec_->durable && message->durable();
  entry.message = std::move(message);
  return entry;
}

std::int64_t Queue::since_arrival_us(const Entry& entry) const noexcept {
  return host_.now_us() - std::max<std::int64_t>(host_.now_ms() - entry.arrival_ms, 0) * 1000;
}

void Queue::pass_time() {
  const std::int64_t now_us = host_.now_us();
  if (!times_) times_ = std::make_unique<QueueTimes>(now_us);
  times_->pass(now_us);
  time_noted_ = true;
}

std::int64_t Queue::oldest_ms() const noexcept {
  std::int64_t oldest = Entry::kNever;
  for (const auto& lane : lanes_) {
    if (!lane) continue;
    if (!lane->returned.empty()) oldest = std::min(oldest, lane->returned.front().arrival_ms);
    for (const Entries* entries : {&lane->head, &lane->tail}) {
      if (!entries->empty()) oldest = std::min(oldest, entries->front().arrival_ms);
    }
    if (lane->has_unread()) oldest = std::min(oldest, lane->runs[lane->unread].oldest_ms);
  }
  if (ranked_) {
    for (RankIndex& index : ranked_->earlier) oldest = std::min(oldest, index.oldest().arrival_ms);
    if (!ranked_->ready.empty()) oldest = std::min(oldest, ranked_->ready.oldest().arrival_ms);
    for (const auto& lane : lanes_) {
      if (!lane || ranked_->parked.empty()) continue;
      for (const LaneRun& run : lane->runs) {
        if (run.parked > 0) oldest = std::min(oldest, run.parked_since_ms);
      }
    }
  }
  return ready_ == 0 || oldest == Entry::kNever ? 0 : oldest;
}

void Queue::account_ready(const Entry& entry, int sign) noexcept {
  const std::uint64_t bytes = entry.message->body().size();
  if (sign > 0) {
    ++ready_;
    ready_bytes_ += bytes;
  } else {
    --ready_;
    ready_bytes_ -= std::min(bytes, ready_bytes_);  // what recovery states is an estimate
  }
}

void Queue::entered_memory(const Entry& entry) noexcept {
  const std::size_t bytes = entry.message->footprint();
  memory_bytes_ += bytes;
  if (entry.message->taken_on(spec_->address.shard.value)) memory_change_ += static_cast<std::int64_t>(bytes);
}

void Queue::left_memory(const Entry& entry) noexcept {
  const std::size_t bytes = entry.message->footprint();
  memory_bytes_ -= bytes;
  if (entry.message->left_on(spec_->address.shard.value)) memory_change_ -= static_cast<std::int64_t>(bytes);
}

std::int64_t Queue::remembered_until(std::int64_t from_ms) const noexcept {
  return settings_->cache_ttl_ms ? from_ms + *settings_->cache_ttl_ms : Remembered::kNever;
}

Queue::Admission Queue::admit(const Message& message, storage::Lsn& first_copy) {
  if (settings_->deduplication_header.empty()) return admit_into_room(message);
  const std::string value = host_.header_text(message, settings_->deduplication_header);
  if (value.empty()) return admit_into_room(message);
  if (!window_) window_ = std::make_unique<DeduplicationWindow>();
  if (const Remembered* first = window_->find(value, host_.now_ms())) {
    first_copy = std::max(first_copy, first->lsn);
    return Admission::duplicate;
  }
  // One that finds no room comes again: only what is let in is remembered.
  const Admission admission = admit_into_room(message);
  if (admission == Admission::accept && !window_->find(value, host_.now_ms())) {
    Remembered entry;
    entry.value = value;
    entry.until_ms = remembered_until(host_.now_ms());
    window_->remember(std::move(entry), static_cast<std::size_t>(settings_->cache_size));
  }
  return admission;
}

Queue::Admission Queue::admit_into_room(const Message& message) {
  if (settings_->overflow == Overflow::drop_head) return Admission::accept;
  const auto full = [&] {
    return (settings_->max_length && ready_ >= static_cast<std::uint64_t>(*settings_->max_length)) ||
           (settings_->max_length_bytes &&
            ready_bytes_ + message.body().size() > static_cast<std::uint64_t>(*settings_->max_length_bytes));
  };
  if (!full()) return Admission::accept;
  note_time();
  deliver_ready();  // what consumers can take at once does not count
  if (!full()) return Admission::accept;
  if (settings_->overflow == Overflow::reject_publish_dlx && settings_->dead_letter_exchange) {
    const Entry refused = make_entry(MessageRef(&message), 0, {});
    host_.dead_letter(*this, refused, DeathReason::maxlen);
  }
  return Admission::refuse;
}

storage::Lsn Queue::push(MessageRef message, std::uint64_t seq, storage::Lsn lsn) {
  storage::Lsn last = lsn;
  if (!settings_->deduplication_header.empty()) {
    const std::string value = host_.header_text(*message, settings_->deduplication_header);
    Remembered* first = window_ && !value.empty() ? window_->find(value, host_.now_ms()) : nullptr;
    if (first && first->seq == 0) {
      first->seq = seq;
      first->lsn = lsn;
      first->kept = lsn.value != 0;
      // What it holds it finds by the messages themselves.
      if (first->kept && !remembers_what_it_holds()) last = first->lsn = host_.log_remembered(*this, *first);
    }
  }
  Entry entry = make_entry(std::move(message), seq, lsn);
  note_time();
  entry.since_us = noted_us();
  ++counters_.published;
  entered_memory(entry);
  if (entry.expires_ms != Entry::kNever) ttl_seen_ = true;
  account_ready(entry, +1);
  lane_for(entry).tail.push_back(std::move(entry));
  if (!dirty) host_.mark_dirty(*this);
  return last;
}

Entry* Queue::lane_front(unsigned index) {
  Lane* lane = lanes_[index].get();
  if (!lane) return nullptr;
  if (!lane->returned.empty()) return &lane->returned.front();
  if (!lane->head.empty()) return &lane->head.front();
  if (lane->has_unread()) {
    load(index);
    return nullptr;
  }
  return lane->tail.empty() ? nullptr : &lane->tail.front();
}

Entry* Queue::front(unsigned& index) {
  if (ranked_) [[unlikely]] {
    if (ranked_->complete_first) return nullptr;
    if (!ranked_->is_empty()) {
      index = kRanked;
      return ranked_front();
    }
    if (settings_->scheduling.order != Scheduling::fifo) return nullptr;  // the next pump ranks what came
  }
  for (unsigned i = static_cast<unsigned>(lanes_.size()); i-- > 0;) {
    Lane* lane = lanes_[i].get();
    if (!lane) continue;
    if (Entry* entry = lane_front(i)) {
      index = i;
      return deliverable(*entry) ? entry : nullptr;
    }
    if (lane->loading) return nullptr;  // a lower level must not overtake
  }
  return nullptr;
}

Entry Queue::take(unsigned index) {
  if (index == kRanked) [[unlikely]]
    return take_ranked();
  Entry entry = take_from_lane(index);
  account_ready(entry, -1);
  return entry;
}

Entry Queue::take_from_lane(unsigned index) {
  Lane& lane = *lanes_[index];
  if (!lane.returned.empty()) return lane.returned.take_front();
  Entries& from = !lane.head.empty() ? lane.head : lane.tail;
  Entry entry = std::move(from.front());
  from.pop_front();
  // Read ahead: the next piece should be there when this one has been served.
  if (&from == &lane.head && lane.head.size() == kReadAheadEntries && lane.has_unread()) load(index);
  return entry;
}

void Queue::drop_ready(unsigned lane, DeathReason reason) {
  Entry entry = take(lane);
  times_->dropped(noted_us() - entry.since_us);
  die(std::move(entry), reason);
}

void Queue::die(Entry&& entry, DeathReason reason) {
  if (host_.tapped()) host_.saw_death(*this, entry, reason);
  if (settings_->dead_letter_exchange && !host_.dead_letter(*this, entry, reason)) {
    const std::uint64_t seq = entry.seq;
    transfers_.emplace(seq, std::move(entry));
    return;
  }
  settled(entry);
}

void Queue::finish_transfer(std::uint64_t seq) {
  const auto it = transfers_.find(seq);
  if (it == transfers_.end()) return;
  settled(it->second);
  transfers_.erase(it);
}

void Queue::settled(const Entry& entry) {
  if (entry.persistent) host_.log_settled(*this, lane_of(*entry.message), entry.seq);
  if (entry.stored) release_stored(entry);
  if (ranked_) [[unlikely]] {
    ranked_->given.erase(entry.seq);
    if (!entry.stored) ranked_->writing.died(lane_of(*entry.message), entry);
  }
  if (window_ && remembers_what_it_holds()) {
    window_->forget(host_.header_text(*entry.message, settings_->deduplication_header), entry.seq);
  }
  left_memory(entry);
}

std::uint64_t Queue::purge() {
  const std::uint64_t count = ready_;
  ++load_generation_;
  for (auto& lane : lanes_) {
    if (!lane) continue;
    lane->for_each([this](const Entry& entry) { left_memory(entry); });
    lane->returned.clear();
    lane->head.clear();
    lane->tail.clear();
    lane->loading = false;
    lane->retry.succeeded();
    lane->unread = lane->runs.size();
    for (LaneRun& run : lane->runs) {
      run.next_offset = run.end();
      run.read_from_seq = run.run.last_seq + 1;  // nothing that was not read is found by reading again
      run.damaged_offset = run.damaged_from_seq = LaneRun::kNone;
      run.live = run.live_transient = run.aside = run.parked = 0;
    }
  }
  if (ranked_) {
    ranked_->for_each([this](const Entry& entry, std::int64_t) { left_memory(entry); });
    ranked_->clear();
    ranked_->stored.clear();
    ranked_->complete_first = false;
  }
  std::vector<KeptItem> kept;
  for_each_pinned([&](Entry& entry) {
    if (entry.persistent) kept.push_back({entry.seq, lane_of(*entry.message)});
    if (!entry.stored) return;
    Lane& lane = lane_for(entry);
    for (LaneRun& run : lane.runs) {
      if (entry.seq < run.run.first_seq || entry.seq > run.run.last_seq) continue;
      ++run.live;
      if (!entry.persistent) ++run.live_transient;
      break;
    }
  });
  std::sort(kept.begin(), kept.end(), [](const KeptItem& a, const KeptItem& b) { return a.seq < b.seq; });
  skip_.clear();
  revived_.clear();
  again_.clear();
  unread_retries_.reset();
  window_.reset();
  ready_ = 0;
  ready_bytes_ = 0;
  if (spec_->durable) host_.log_purged(*this, next_seq_ - 1, kept);
  for (auto& lane : lanes_) {
    if (lane) drop_released_runs(*lane);
  }
  host_.mark_dirty(*this);
  touch();
  return count;
}

void Queue::shut(bool notify_consumers) {
  closing_ = true;
  ++load_generation_;
  if (notify_consumers) {
    consumers_.for_each([this](const QueueConsumer& consumer) {
      host_.consumer_cancelled(consumer);
      host_.consumer_went(*this, consumer);
    });
  }
  consumers_.clear();
  for (auto& lane : lanes_) {
    if (!lane) continue;
    for (LaneRun& run : lane->runs) host_.run_released(run.run);
    lane->for_each([this](const Entry& entry) { left_memory(entry); });
    lane.reset();
  }
  for_each_pinned([this](const Entry& entry) { left_memory(entry); });  // those of the index, too
  unacked_.clear();
  unacked_bytes_ = 0;
  delayed_.clear();
  if (ranked_) ranked_->clear();
  unread_retries_.reset();
  transfers_.clear();
  ready_ = ready_bytes_ = 0;
  answer_gets();
  report_memory();
  host_.set_deadline(*this, Entry::kNever);
}

void Queue::pump() {
  if (closing_) return;
  if (recovered_ranks_) [[unlikely]]
    recovered_ranks_.reset();
  closures_.reset();
  if (times_) {
    times_->levels(ready_, unacked_.size());
    pass_time();
  }
  release_delayed();
  if (ranked_) [[unlikely]] {
    pump_ranked();
  } else {
    deliver_ready();
  }
  enforce_limits();
  if (ttl_seen_) drop_expired();
  if (ranked_) [[unlikely]] {
    park_surplus();
    fetch_parked();
  }
  update_deadline();
  if (!waiting_gets_.empty()) answer_gets();
  if (times_) {
    times_->levels(ready_, unacked_.size());
    times_->open(next_consumer() != nullptr);
    time_noted_ = false;
  }
  report_memory();
}

void Queue::report_memory() {
  if (memory_change_ != 0) host_.memory_changed(std::exchange(memory_change_, 0));
}

void Queue::answer_gets() {
  unsigned lane = 0;
  if (ready_ > 0 && !front(lane)) return;
  std::vector<Task> waiting = std::move(waiting_gets_);
  waiting_gets_.clear();
  for (Task& ask : waiting) ask();  // one that must wait on comes again
}

void Queue::enforce_limits() {
  if (!settings_->drops_head()) return;
  while ((settings_->max_length && ready_ > static_cast<std::uint64_t>(*settings_->max_length)) ||
         (settings_->max_length_bytes &&
          ready_bytes_ > static_cast<std::uint64_t>(*settings_->max_length_bytes))) {
    if (ranked_ && settings_->scheduling.order != Scheduling::fifo && !ranked_->complete_first &&
        !ranked_->is_empty()) [[unlikely]] {
      const std::uint64_t excess =
          settings_->max_length
              ? ready_ - std::min(ready_, static_cast<std::uint64_t>(*settings_->max_length))
              : 0;
      if (!drop_last_ranked(std::max<std::uint64_t>(excess, 1))) return;
      continue;
    }
    unsigned lane = 0;
    if (front(lane) == nullptr) return;
    drop_ready(lane, DeathReason::maxlen);
  }
}

void Queue::drop_expired() {
  const std::int64_t now = host_.now_ms();
  if (ranked_) drop_expired_ranked();
  for (unsigned i = 0; i < lanes_.size(); ++i) {
    for (Entry* entry = lane_front(i); entry && entry->expires_ms <= now && deliverable(*entry);
         entry = lane_front(i)) {
      drop_ready(i, DeathReason::expired);
    }
  }
}

void Queue::release_delayed() {
  const std::int64_t now = host_.now_ms();
  while (!delayed_.empty() && delayed_.begin()->first <= now) {
    Entry entry = std::move(delayed_.begin()->second);
    delayed_.erase(delayed_.begin());
    put_returned(std::move(entry));
  }
  if (!unread_retries_) return;
  auto& waiting = unread_retries_->waiting;
  while (!waiting.empty() && waiting.begin()->first <= now) {
    waiting.erase(waiting.begin());
    ++ready_;
  }
}

void Queue::update_deadline() {
  std::int64_t next = Entry::kNever;
  for (const auto& lane : lanes_) {
    if (lane && lane->retry.at_ms() > host_.now_ms()) next = std::min(next, lane->retry.at_ms());
  }
  if (ranked_) {
    for (const Fetching::Fetch& fetch : ranked_->fetching.failed) next = std::min(next, fetch.retry.at_ms());
    if (ranked_->park_from_ms > host_.now_ms()) next = std::min(next, ranked_->park_from_ms);
  }
  if (!delayed_.empty()) next = std::min(next, delayed_.begin()->first);
  if (unread_retries_ && !unread_retries_->waiting.empty()) {
    next = std::min(next, unread_retries_->waiting.begin()->first);
  }
  if (ttl_seen_) {
    if (ranked_) {
      for (const RankIndex& index : ranked_->earlier) next = std::min(next, index.next_expiry_ms());
      next = std::min(next, ranked_->ready.next_expiry_ms());
      // Those that are due are asked for when there is room for them.
      const std::int64_t parked_ms = ranked_->parked.next_expiry_ms();
      if (parked_ms > host_.now_ms()) next = std::min(next, parked_ms);
    }
    for (unsigned i = 0; i < lanes_.size(); ++i) {
      if (const Entry* entry = lane_front(i); entry && deliverable(*entry))
        next = std::min(next, entry->expires_ms);
    }
  }
  if (settings_->expires_ms && consumers_.empty()) next = std::min(next, used_ms_ + *settings_->expires_ms);
  if (next != deadline_ms) host_.set_deadline(*this, next);
}

void Queue::on_deadline() {
  if (closing_) return;
  if (settings_->expires_ms && consumers_.empty() && host_.now_ms() >= used_ms_ + *settings_->expires_ms) {
    host_.queue_unused(*this);
    return;
  }
  host_.mark_dirty(*this);
}

void Queue::touch() {
  used_ms_ = host_.now_ms();
  if (settings_->expires_ms) host_.mark_dirty(*this);
}

}  // namespace millrace::broker
