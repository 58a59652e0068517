#include "broker/node/connection_impl.hpp"

#include <algorithm>
#include <charconv>

#include "broker/node/connection_waits.hpp"
#include "broker/node/coordinator.hpp"
#include "broker/node/events.hpp"
#include "broker/node/reply_address.hpp"
#include "broker/node/shard.hpp"
#include "broker/queue/arguments.hpp"

namespace millrace::broker {

namespace {

// Pauses shorter than this are not worth their timers.
constexpr std::int64_t kPaceSlackNs = 20'000'000;

}  // namespace

bool Subject::has_tag(std::string_view tag) const noexcept {
  return std::find(tags.begin(), tags.end(), tag) != tags.end();
}

ConnectionImpl::ConnectionImpl(Shard& shard, ConnectionId id, Subject subject, std::string vhost,
                               ConnectionInfo info, Uses uses, ConnectionListener& listener)
    : shard_(&shard),
      id_(id),
      subject_(std::move(subject)),
      vhost_(std::move(vhost)),
      info_(std::move(info)),
      uses_(std::move(uses)),
      listener_(listener) {
  connected_ms_ = shard_->wall_ms();
  shard_->add_connection(*this);
  watch_end();
}

ConnectionImpl::~ConnectionImpl() {
  leave();
}

// Counted by Shard::open.
void ConnectionImpl::leave() noexcept {
  if (std::exchange(closed_, true)) return;
  if (pausing_) shard_->runtime().timers.cancel(pause_timer_);
  forget_end();
  if (move_) {
    shard_->call(move_->to, [&shared = shard_->shared(), to = move_->to, id = id_] {
      shared.shards[to.value]->expect_no_more(id);
    });
  }
  for (const ShardId former : former_homes_) {
    shard_->call(former, [&shared = shard_->shared(), former, id = id_] {
      shared.shards[former.value]->forget_moved(id);
    });
  }
  for (std::int64_t i = 0; i < channels_; ++i) announce_channel(*shard_, "channel.closed", *this);
  announce(*shard_, "connection.closed", *this);
  shard_->counters().connection_gone(counters_, !info_.is_management);
  if (!info_.is_management) {
    shard_->options().log(LogLevel::debug, "connection closed: user '" + subject_.user + "', vhost '" +
                                               vhost_ + "', from " + info_.peer);
  }
  shard_->remove_connection(*this);
  uses_.of_vhost->give_back();
  uses_.of_user->give_back();
  shard_->counters().channels_closed += static_cast<std::uint64_t>(channels_);
  if (channels_ != 0) uses_.channels->give_back(std::exchange(channels_, 0));
  uses_ = {};
}

result<void> ConnectionImpl::take_channel() {
  if (closed_) return fail(Errc::shutting_down, "the connection is closed");
  const std::int64_t limit = shard_->replica().access().limit_of(true, subject_.user, "max-channels");
  if (!uses_.channels->take(limit)) {
    return fail(Errc::not_allowed, "number of channels opened for user '" + subject_.user +
                                       "' has reached the maximum allowed user limit of (" +
                                       std::to_string(limit) + ")");
  }
  ++channels_;
  ++shard_->counters().channels_opened;
  announce_channel(*shard_, "channel.created", *this);
  return {};
}

void ConnectionImpl::give_back_channel() noexcept {
  if (closed_) return;
  --channels_;
  ++shard_->counters().channels_closed;
  announce_channel(*shard_, "channel.closed", *this);
  uses_.channels->give_back();
}

void ConnectionImpl::drain_slots() {
  while (!slots_.empty() && slots_.front()->ready) {
    Task complete = std::move(slots_.front()->complete);
    slots_.pop_front();
    complete();
  }
}

bool ConnectionImpl::publishers_blocked() const noexcept {
  return shard_->blocked() || pausing_;
}

void ConnectionImpl::keep_pace() {
  const std::int64_t ahead = std::exchange(ahead_ns_, 0);
  if (ahead < kPaceSlackNs || pausing_ || move_) return;
  pausing_ = true;
  listener_.on_blocked({});
  pause_timer_ = shard_->runtime().timers.start(runtime::Nanoseconds(ahead), [this] { end_pause(); });
}

void ConnectionImpl::end_pause() {
  pausing_ = false;
  if (closing_ || shard_->blocked()) return;
  listener_.on_unblocked();
  shard_->touch(*this);
}

// Consuming.

void ConnectionImpl::consume(const Consume& consume, Done<QueueAddress> done) {
  done = in_order(std::move(done));
  if (consume.queue == kReplyAddressPrefix) return consume_replies(consume, std::move(done));
  if (auto ok = shard_->replica().access().authorize(subject_, vhost_, ResourceKind::queue, consume.queue,
                                                     Permission::read);
      ok.has_error()) {
    return done(ok.error());
  }
  const auto queue = find_queue(consume.queue);
  if (queue.has_error()) return done(queue.error());
  if (auto ok = check_unlocked(**queue); ok.has_error()) return done(ok.error());
  const QueueAddress address = (*queue)->address;
  QueueConsumer consumer;
  consumer.key = ConsumerKey{id_, consume.id};
  consumer.shard = shard_->id();
  consumer.local = address.shard == shard_->id() ? this : nullptr;
  consumer.no_ack = consume.no_ack;
  consumer.exclusive = consume.exclusive;
  consumer.priority = consume.priority;
  consumer.credit = consume.credit;
  consumer.tag = consume.tag;
  consumers_[consume.id.value] = address;
  used_.insert(address);
  auto back = come_back<QueueAddress>(
      address.shard, [this, id = consume.id, done = std::move(done)](result<QueueAddress> answer) mutable {
        if (answer.has_error()) consumers_.erase(id.value);
        done(std::move(answer));
      });
  shard_->call(address.shard, [&shared = shard_->shared(), address, consumer = std::move(consumer),
                               text = queue_text(vhost_, consume.queue), back = std::move(back)]() mutable {
    Queue* found = shared.shards[address.shard.value]->find_queue(address.id);
    if (!found || found->closing()) return back(fail(Errc::not_found, "no " + text));
    found->catch_up();
    if (auto added = found->add_consumer(std::move(consumer)); added.has_error()) return back(added.error());
    back(address);
  });
}

void ConnectionImpl::cancel(ConsumerId consumer, Done<void> done) {
  done = in_order(std::move(done));
  if (consumer == reply_consumer_) reply_consumer_ = ConsumerId();
  const auto it = consumers_.find(consumer.value);
  if (it == consumers_.end()) return done({});
  const QueueAddress address = it->second;
  consumers_.erase(it);
  shard_->call(address.shard, [&shared = shard_->shared(), address, key = ConsumerKey{id_, consumer},
                               back = come_back<void>(address.shard, std::move(done))]() mutable {
    if (Queue* queue = shared.shards[address.shard.value]->find_queue(address.id)) {
      queue->catch_up();
      queue->remove_consumer(key);
    }
    back({});
  });
}

void ConnectionImpl::grant(ConsumerId consumer, std::uint32_t credit) {
  const auto it = consumers_.find(consumer.value);
  if (it == consumers_.end()) return;
  used(it->second.shard, credit);
  const ConsumerKey key{id_, consumer};
  if (it->second.shard != shard_->id()) {
    shard_->send(it->second.shard, GrantLetter{it->second.id, key, credit});
  } else if (Queue* queue = shard_->find_queue(it->second.id)) {
    queue->grant(key, credit);
  }
}

void ConnectionImpl::get(std::string_view name, bool no_ack, Done<std::optional<GotMessage>> done) {
  done = in_order(std::move(done));
  if (auto ok =
          shard_->replica().access().authorize(subject_, vhost_, ResourceKind::queue, name, Permission::read);
      ok.has_error()) {
    return done(ok.error());
  }
  const auto queue = find_queue(name);
  if (queue.has_error()) return done(queue.error());
  if (auto ok = check_unlocked(**queue); ok.has_error()) return done(ok.error());
  const QueueAddress address = (*queue)->address;
  used_.insert(address);
  used(address.shard);
  if (shard_->tap() != nullptr) {
    done = [this, done = std::move(done)](result<std::optional<GotMessage>> got) mutable {
      if (got.has_value() && *got && shard_->tap() != nullptr) {
        shard_->saw_given(*this, (*got)->queue, (*got)->delivery, true);
      }
      done(std::move(got));
    };
  }
  shard_->call(address.shard,
               [&shared = shard_->shared(), address, connection = id_, no_ack,
                back = come_back<std::optional<GotMessage>>(address.shard, std::move(done))]() mutable {
                 get_at_owner(shared, address, connection, no_ack, std::move(back));
               });
}

void ConnectionImpl::get_at_owner(NodeShared& shared, QueueAddress address, ConnectionId connection,
                                  bool no_ack, Done<std::optional<GotMessage>> back) {
  Shard& owner = *shared.shards[address.shard.value];
  if (owner.closing()) return;  // what was given is on record; the connection ends without this answer
  Queue* queue = owner.find_queue(address.id);
  if (!queue) return back(std::optional<GotMessage>());
  bool pending = false;
  std::optional<GotMessage> got = queue->get(connection, no_ack, pending);
  if (!pending) return back(std::move(got));
  queue->when_loaded([&shared, address, connection, no_ack, back = std::move(back)]() mutable {
    get_at_owner(shared, address, connection, no_ack, std::move(back));
  });
}

void ConnectionImpl::settle(const QueueAddress& address, ConsumerId consumer,
                            std::span<const std::uint64_t> seqs, Settlement how) {
  const ConsumerKey key{id_, consumer};
  if (address.shard != shard_->id()) {
    shard_->send(address.shard,
                 SettleLetter{address.id, key, std::vector<std::uint64_t>(seqs.begin(), seqs.end()), how});
  } else if (Queue* queue = shard_->find_queue(address.id)) {
    queue->settle(key, seqs, how);
  }
}

void ConnectionImpl::deliver(ConsumerId consumer, Delivery&& delivery) {
  if (closing_) return;  // its queue takes it back
  if (shard_->tap() != nullptr) [[unlikely]] {
    const auto it = consumers_.find(consumer.value);
    if (it != consumers_.end()) shard_->saw_given(*this, it->second, delivery, false);
  }
  listener_.on_deliver(consumer, std::move(delivery));
  shard_->touch(*this);
}

void ConnectionImpl::cancelled(ConsumerId consumer) {
  if (deletions_ > 0) return cancelled_since_.push_back(consumer);
  if (consumers_.erase(consumer.value) == 0 || closing_) return;
  listener_.on_consumer_cancelled(consumer);
  shard_->touch(*this);
}

void ConnectionImpl::confirmed(PublishToken token, bool accepted, bool counted) {
  if (counted) {
    const auto it = parts_.find(token);
    if (it == parts_.end()) return;
    it->second.accepted = it->second.accepted && accepted;
    if (--it->second.waiting > 0) return;
    accepted = it->second.accepted;
    parts_.erase(it);
  }
  confirmations_.push_back(Confirmation{token, accepted});
  shard_->touch(*this);
}

void ConnectionImpl::tell() {
  if (closing_) return;
  if (!confirmations_.empty()) {
    std::vector<Confirmation> batch = std::move(confirmations_);
    confirmations_.clear();
    listener_.on_confirm(batch);
    if (confirmations_.empty()) {
      batch.clear();
      confirmations_ = std::move(batch);  // its room is used again
    }
  }
  if (ahead_ns_ != 0) keep_pace();
  listener_.on_turn_end();
  if (vote_.wants_move()) consider_move();
}

void ConnectionImpl::used(ShardId shard, std::int64_t messages) {
  if (vote_.add(shard, shard_->id(), messages)) shard_->touch(*this);  // it moves at the end of the turn
}

// Closing: what is held goes back first, so that nobody finds the connection gone and its messages not there.

void ConnectionImpl::close(Done<void> done) {
  closing_ = true;
  slots_.clear();
  std::vector<ShardId> shards;
  for (const QueueAddress& address : used_) {
    if (std::find(shards.begin(), shards.end(), address.shard) == shards.end())
      shards.push_back(address.shard);
  }
  auto waiting = std::make_shared<std::size_t>(shards.size() + 1);
  auto finished = std::make_shared<Done<void>>(std::move(done));
  const auto one_less = [this, waiting, finished] {
    if (--*waiting == 0) finish_close(std::move(*finished));
  };
  for (const ShardId shard : shards) {
    std::vector<QueueId> queues;
    for (const QueueAddress& address : used_) {
      if (address.shard == shard) queues.push_back(address.id);
    }
    shard_->call(shard, [&shared = shard_->shared(), shard, queues = std::move(queues), connection = id_,
                         back = come_back<void>(shard, [one_less](result<void>) { one_less(); })]() mutable {
      for (const QueueId id : queues) {
        if (Queue* queue = shared.shards[shard.value]->find_queue(id)) queue->connection_closed(connection);
      }
      back({});
    });
  }
  if (declares_exclusive_) {
    ++*waiting;
    // Only the coordinator knows of those whose declaration is still under way.
    Done<std::vector<QueueSpec>> found = [this, waiting, one_less](result<std::vector<QueueSpec>> owned) {
      *waiting += owned->size();
      for (const QueueSpec& queue : *owned) {
        remove_queue(queue, false, false, [one_less](result<std::uint64_t>) { one_less(); });
      }
      one_less();
    };
    shard_->call(ShardId(0), [&shared = shard_->shared(), vhost = vhost_, id = id_,
                              back = come_back(ShardId(0), std::move(found))]() mutable {
      shared.coordinator->find_exclusive_queues(vhost, id, std::move(back));
    });
  }
  one_less();
}

void ConnectionImpl::finish_close(Done<void> done) {
  leave();
  done({});
}

}  // namespace millrace::broker
