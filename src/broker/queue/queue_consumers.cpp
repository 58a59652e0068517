// The consuming side of Queue: who gets the next message, and what comes back.
#include <algorithm>

#include "base/assert.hpp"
#include "broker/queue/queue.hpp"

namespace millrace::broker {

result<void> Queue::add_consumer(QueueConsumer consumer) {
  if (consumer.exclusive && !consumers_.empty()) {
    return fail(Errc::access_refused, describe() + " in exclusive use");
  }
  if (!consumers_.empty() && consumers_.first()->exclusive) {
    return fail(Errc::access_refused, describe() + " in exclusive use");
  }
  if (consumer.exclusive && settings_->single_active_consumer) {
    return fail(Errc::access_refused, describe() + " in exclusive use");
  }
  const QueueConsumer& added = consumers_.add(std::move(consumer));
  had_consumer_ = true;
  touch();
  host_.mark_dirty(*this);
  host_.consumer_came(*this, added);
  return {};
}

bool Queue::remove_consumer(const ConsumerKey& key) {
  const QueueConsumer* there = consumers_.find(key);
  if (there == nullptr) return false;
  host_.consumer_went(*this, *there);
  consumers_.remove(key);
  touch();
  host_.mark_dirty(*this);
  if (consumers_.empty() && spec_->auto_delete && had_consumer_ && !closing_) host_.queue_unused(*this);
  return true;
}

void Queue::grant(const ConsumerKey& key, std::uint64_t credit) {
  consumers_.grant(key, credit);
  if (ready_ > 0 && !dirty) host_.mark_dirty(*this);
}

QueueConsumer* Queue::next_consumer() {
  if (!settings_->single_active_consumer) return consumers_.next();
  QueueConsumer* active = consumers_.first();
  return active != nullptr && active->credit > 0 ? active : nullptr;
}

void Queue::deliver_ready() {
  while (ready_ > 0) {
    unsigned lane = 0;
    // The consumer is asked for first: without one nothing is read from disk.
    QueueConsumer* consumer = next_consumer();
    if (!consumer) return;
    Entry* entry = front(lane);
    if (!entry) return;
    // What expires at once (TTL 0) may still go to a consumer that waits for it, but does not come back.
    const bool is_new = !entry->redelivered && entry->expires_ms == entry->arrival_ms;
    if (entry->expires_ms <= host_.now_ms() && !is_new) {
      drop_ready(lane, DeathReason::expired);
      continue;
    }
    send(*consumer, take(lane));
  }
}

void Queue::hold(Entry&& entry, const ConsumerKey& holder) {
  unacked_bytes_ += entry.message->body().size();
  const std::uint64_t seq = entry.seq;
  unacked_.emplace(seq, Unacked{std::move(entry), holder});
  closures_.reset();
}

Entry Queue::let_go(boost::unordered_flat_map<std::uint64_t, Unacked>::iterator unacked) {
  Entry entry = std::move(unacked->second.entry);
  unacked_bytes_ -= entry.message->body().size();
  unacked_.erase(unacked);
  return entry;
}

Delivery Queue::make_delivery(const Entry& entry) const {
  Delivery delivery;
  delivery.seq = entry.seq;
  delivery.delivery_count = entry.delivery_count;
  delivery.redelivered = entry.redelivered;
  delivery.show_delivery_count = settings_->quorum;
  delivery.stamped = settings_->stamp;
  delivery.sequence = entry.seq;
  delivery.arrival_ms = entry.arrival_ms;
  return delivery;
}

void Queue::send(QueueConsumer& consumer, Entry&& entry) {
  delivered_through_ = std::max(delivered_through_, entry.seq);
  consumers_.served(consumer);
  if (entry.redelivered) ++counters_.redelivered;
  ++(consumer.no_ack ? counters_.delivered_no_ack : counters_.delivered);
  const std::int64_t waited_us = noted_us() - entry.since_us;
  times_->waited(waited_us);
  entry.since_us = noted_us();
  Delivery delivery = make_delivery(entry);
  delivery.waited_us = waited_us;
  if (settings_->stamp) {
    delivery.message = host_.stamped(entry.message, *this, entry.seq);
  }
  if (consumer.no_ack) {
    settled(entry);
    if (!delivery.message) delivery.message = std::move(entry.message);
  } else {
    if (!delivery.message) delivery.message = entry.message;
    hold(std::move(entry), consumer.key);
  }
  host_.deliver(consumer, std::move(delivery));
}

std::optional<GotMessage> Queue::get(ConnectionId connection, bool no_ack, bool& pending) {
  catch_up();
  touch();
  pending = false;
  for (;;) {
    unsigned lane = 0;
    Entry* entry = front(lane);
    if (!entry) {
      // There is something, but it is being read or not on disk yet: the answer waits for it.
      pending = ready_ > 0 && !closing_;
      if (!pending) ++counters_.got_nothing;
      return std::nullopt;
    }
    note_time();
    if (entry->expires_ms <= host_.now_ms()) {
      drop_ready(lane, DeathReason::expired);
      continue;
    }
    Entry taken = take(lane);
    const std::int64_t waited_us = noted_us() - taken.since_us;
    times_->waited(waited_us);
    taken.since_us = noted_us();
    delivered_through_ = std::max(delivered_through_, taken.seq);
    if (taken.redelivered) ++counters_.redelivered;
    ++(no_ack ? counters_.got_no_ack : counters_.got);
    GotMessage got;
    got.queue = spec_->address;
    got.delivery = make_delivery(taken);
    got.delivery.waited_us = waited_us;
    got.delivery.message = settings_->stamp ? host_.stamped(taken.message, *this, taken.seq) : taken.message;
    got.messages_left = ready_;
    if (no_ack) {
      settled(taken);
    } else {
      hold(std::move(taken), ConsumerKey{connection, ConsumerId{}});
    }
    host_.mark_dirty(*this);
    return got;
  }
}

void Queue::settle(const ConsumerKey& key, std::span<const std::uint64_t> seqs, Settlement how) {
  note_time();
  const bool tapped = host_.tapped();
  for (const std::uint64_t seq : seqs) {
    const auto it = unacked_.find(seq);
    if (it == unacked_.end() || it->second.holder != key) continue;
    Entry entry = let_go(it);
    if (tapped) [[unlikely]]
      host_.saw_settled(*this, entry, key.connection, how);
    if (how == Settlement::ack) {
      times_->held(noted_us() - entry.since_us);
      if (ranked_) [[unlikely]]
        learn_size(entry, noted_us() - entry.since_us);
      settled(entry);
      ++counters_.acked;
      continue;
    }
    if (how == Settlement::reject) {
      die(std::move(entry), DeathReason::rejected);
    } else {
      give_back(std::move(entry), how == Settlement::requeue_failed);
    }
  }
  if (!dirty) host_.mark_dirty(*this);
}

std::vector<std::uint64_t> Queue::held_by(ConnectionId connection) {
  std::vector<std::uint64_t> seqs;
  if (!closures_) {
    closures_ = std::make_unique<Closures>();
    for (const auto& [seq, unacked] : unacked_) {
      if (unacked.holder.connection == connection) seqs.push_back(seq);
    }
    std::sort(seqs.begin(), seqs.end());
    return seqs;
  }
  auto& held = closures_->held;
  if (held.empty()) {
    for (const auto& [seq, unacked] : unacked_) held.emplace_back(unacked.holder.connection.value, seq);
    std::sort(held.begin(), held.end());
  }
  auto it = std::lower_bound(held.begin(), held.end(), std::pair(connection.value, std::uint64_t{0}));
  for (; it != held.end() && it->first == connection.value; ++it) seqs.push_back(it->second);
  return seqs;
}

void Queue::connection_closed(ConnectionId connection) {
  for (const std::uint64_t seq : held_by(connection)) {
    const auto it = unacked_.find(seq);
    if (it == unacked_.end()) continue;  // settled since they were looked up
    Entry entry = let_go(it);
    if (host_.tapped()) host_.saw_settled(*this, entry, connection, Settlement::requeue_failed);
    give_back(std::move(entry), true);
  }
  std::vector<ConsumerKey> keys;
  consumers_.for_each([&](const QueueConsumer& consumer) {
    if (consumer.key.connection == connection) keys.push_back(consumer.key);
  });
  for (const ConsumerKey& key : keys) remove_consumer(key);
  if (!dirty) host_.mark_dirty(*this);
}

void Queue::give_back(Entry&& entry, bool failed) {
  entry.redelivered = true;
  ++entry.returns;
  if (settings_->quorum) {
    if (failed) ++entry.delivery_count;
    if (settings_->delivery_limit &&
        entry.delivery_count > static_cast<std::uint64_t>(*settings_->delivery_limit)) {
      die(std::move(entry), DeathReason::delivery_limit);
      return;
    }
  }
  const bool later = settings_->delayed_retry == DelayedRetry::all ||
                     (settings_->delayed_retry == DelayedRetry::failed && failed) ||
                     (settings_->delayed_retry == DelayedRetry::returned && !failed);
  if (!later) {
    if (settings_->quorum && failed && entry.persistent) host_.log_requeued(*this, entry, 0);
    put_returned(std::move(entry));
    return;
  }
  // Linear back-off, as RabbitMQ 4.3: the shortest delay times the number of returns, up to the longest.
  const std::int64_t delay = settings_->delayed_retry_min_ms > settings_->delayed_retry_max_ms / entry.returns
                                 ? settings_->delayed_retry_max_ms
                                 : settings_->delayed_retry_min_ms * entry.returns;
  const std::int64_t due_ms = host_.now_ms() + delay;
  if (entry.persistent) host_.log_requeued(*this, entry, due_ms);
  delayed_.emplace(due_ms, std::move(entry));
}

// What waited through a restart may be younger than others that the restart gave back; all else is older than
// what was not delivered.
Entries* Queue::younger_place_of(Lane& lane, const Entry& entry) const noexcept {
  const auto is_among = [&](const Entries& entries) {
    return !entries.empty() && entries.front().seq < entry.seq;
  };
  // The index puts it in order by itself, and must not hold what is younger than the tail.
  if (ranked_) return !entry.stored && is_among(lane.tail) ? &lane.tail : nullptr;
  if (entry.stored) return is_among(lane.head) ? &lane.head : nullptr;
  const bool after_unread = lane.has_unread() && lane.runs[lane.unread].run.last_seq < entry.seq;
  return after_unread || is_among(lane.head) || is_among(lane.tail) ? &lane.tail : nullptr;
}

void Queue::put_returned(Entry&& entry) {
  note_time();
  entry.since_us = noted_us();
  account_ready(entry, +1);
  Lane& lane = lane_for(entry);
  Entries* younger = younger_place_of(lane, entry);
  if (younger == nullptr) {
    if (ranked_) return put_ranked(std::move(entry));
    lane.returned.put(std::move(entry));
    return;
  }
  const auto at = std::upper_bound(younger->begin(), younger->end(), entry.seq,
                                   [](std::uint64_t seq, const Entry& other) { return seq < other.seq; });
  younger->insert(at, std::move(entry));
}

}  // namespace millrace::broker
