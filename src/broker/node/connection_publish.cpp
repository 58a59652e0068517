// Publishing: the hot path. What the last publish found out about its exchange, key and rights is kept for
// the next, as long as no definition changes.
#include <algorithm>

#include "broker/limits.hpp"
#include "broker/node/connection_waits.hpp"
#include "broker/node/remembering.hpp"
#include "broker/node/reply_address.hpp"
#include "broker/node/shard.hpp"
#include "broker/queue/arguments.hpp"

namespace millrace::broker {

result<void> ConnectionImpl::refresh_cache(std::string_view name) {
  cache_.version = 0;
  const auto vhost = find_vhost();
  if (vhost.has_error()) return vhost.error();
  Exchange* exchange = (*vhost)->table->find_exchange(name);
  if (!exchange) return fail(Errc::not_found, "no " + exchange_text(vhost_, name));
  if (auto ok = shard_->replica().access().authorize(subject_, vhost_, ResourceKind::exchange, name,
                                                     Permission::write);
      ok.has_error()) {
    return ok;
  }
  if (exchange->spec().internal) {
    return fail(Errc::access_refused, "cannot publish to internal " + exchange_text(vhost_, name));
  }
  cache_.exchange_name = name;
  cache_.exchange = exchange;
  cache_.vhost = *vhost;
  cache_.is_topic = exchange->spec().type == "topic";
  // Who follows messages sees those alone whose way is looked up.
  cache_.cacheable = (*vhost)->table->cacheable(*exchange) && shard_->tap() == nullptr;
  cache_.has_route = false;
  find_paces();
  cache_.version = shard_->replica().version();
  return {};
}

void ConnectionImpl::find_paces() {
  using Kind = UseCounts::Kind;
  AccessControl& access = shard_->replica().access();
  UseCounts& uses = shard_->shared().uses;
  cache_.paces.clear();
  const auto shared = [&](bool of_user, std::string_view limit, Kind kind, bool of_bytes) {
    const std::string& name = of_user ? subject_.user : vhost_;
    const std::int64_t rate = access.limit_of(of_user, name, limit);
    if (rate >= 0)
      cache_.paces.push_back({uses.of(kind, name).get(), std::max<std::int64_t>(rate, 1), of_bytes});
  };
  const auto own = [&](std::string_view limit, UseCount OwnUse::*count, bool of_bytes) {
    const std::int64_t rate = access.limit_of(true, subject_.user, limit);
    if (rate < 0) return;
    if (!own_use_) own_use_ = std::make_unique<OwnUse>();
    cache_.paces.push_back({&(*own_use_.*count), std::max<std::int64_t>(rate, 1), of_bytes});
  };
  shared(true, kMaxPublishRate, Kind::user_publishes, false);
  shared(true, kMaxPublishBytes, Kind::user_bytes, true);
  shared(false, kMaxPublishRate, Kind::vhost_publishes, false);
  shared(false, kMaxPublishBytes, Kind::vhost_bytes, true);
  own(kMaxConnectionRate, &OwnUse::publishes, false);
  own(kMaxConnectionBytes, &OwnUse::bytes, true);
}

void ConnectionImpl::run_ahead(std::uint64_t bytes) {
  constexpr std::int64_t kSecondNs = 1'000'000'000;
  if (ahead_ns_ == 0) shard_->touch(*this);
  const std::int64_t now = shard_->runtime().clock.steady().count();
  for (const Pace& pace : cache_.paces) {
    // A body has at most 2^29 bytes, so that this fits.
    const std::int64_t events = pace.of_bytes ? static_cast<std::int64_t>(bytes) : 1;
    const std::int64_t ahead = pace.count->pace(now, events * kSecondNs / pace.rate);
    ahead_ns_ = std::max(ahead_ns_, ahead);
  }
}

result<PublishOutcome> ConnectionImpl::publish(const Publish& publish) {
  if (cache_.version != shard_->replica().version() || cache_.exchange_name != publish.exchange) {
    if (auto ok = refresh_cache(publish.exchange); ok.has_error()) return ok.error();
  }
  if (!cache_.paces.empty()) [[unlikely]]
    run_ahead(publish.message->body().size());
  shard_->counters().sizes.add(publish.message->body().size());
  ++counters_.published;
  ++cache_.exchange->counters.in;
  if (publish.token != 0) ++counters_.wanting_confirm;
  const bool one_key = publish.extra_keys.empty();
  if (one_key && cache_.has_route && cache_.routing_key == publish.routing_key) {
    return send_to(publish, cache_.targets);
  }
  if (publish.exchange.empty() && publish.routing_key.starts_with(kReplyAddressPrefix)) {
    return publish_reply(publish);
  }
  if (cache_.is_topic) {
    AccessControl& access = shard_->replica().access();
    if (auto ok = access.authorize_topic(subject_, vhost_, publish.exchange, publish.routing_key,
                                         Permission::write);
        ok.has_error()) {
      return ok.error();
    }
  }
  boost::container::small_vector<std::string_view, 8> keys{publish.routing_key};
  keys.insert(keys.end(), publish.extra_keys.begin(), publish.extra_keys.end());
  cache_.has_route = false;
  cache_.targets.clear();
  RememberingExchanges remembering;
  if (!shard_->route(*cache_.vhost, *cache_.exchange, keys, *publish.message, cache_.targets, remembering)) {
    return fail(Errc::precondition_failed, "routing by the bindings of " +
                                               exchange_text(vhost_, publish.exchange) +
                                               " takes too many steps; use fewer '#' in their patterns");
  }
  if (shard_->tap() != nullptr) shard_->saw_published(*this, publish.message, cache_.targets);
  if (!remembering.empty() || cache_.exchange->remembers()) return remember(publish, keys, remembering);
  if (one_key && cache_.cacheable) {
    cache_.routing_key = publish.routing_key;
    cache_.has_route = true;
  }
  return send_to(publish, cache_.targets);
}

result<PublishOutcome> ConnectionImpl::remember(const Publish& publish,
                                                std::span<const std::string_view> keys,
                                                std::span<Exchange* const> remembering) {
  Remembering& work = shard_->remembering();
  Exchange* exchange = cache_.exchange;
  Remembering::Passage passage{vhost_, publish.message, {keys.begin(), keys.end()}, {}};
  const ConfirmTo to{shard_->id(), id_, publish.token, false};
  PublishOutcome outcome;
  Shard::Enqueued done;
  // What routing found tells whether the message has somewhere to go, which is as sure as it gets while its
  // owner has not seen it.
  outcome.routed = !cache_.targets.empty() || !remembering.empty();
  if (work.keeps(*exchange, *publish.message)) {
    done = work.distribute(std::move(passage), {}, {&exchange, 1}, to);
  } else {
    if (exchange->remembers()) passage.visited.push_back(exchange->spec().store);
    done = work.distribute(std::move(passage), cache_.targets, remembering, to);
  }
  outcome.pending = !done.settled && publish.token != 0;
  if (done.settled && !done.accepted && publish.token != 0) {
    confirmed(publish.token, false, false);
    outcome.pending = true;
  }
  return outcome;
}

result<PublishOutcome> ConnectionImpl::send_to(const Publish& publish,
                                               std::span<const QueueAddress> targets) {
  PublishOutcome outcome;
  if (targets.empty()) {
    ++(publish.mandatory ? counters_.returned : counters_.unroutable);
    return outcome;
  }
  outcome.routed = true;
  cache_.exchange->counters.out += targets.size();
  const ShardId home = shard_->id();
  ConfirmTo to{home, id_, publish.token, false};
  if (targets.size() == 1) {
    const QueueAddress& target = targets.front();
    used(target.shard);
    if (target.shard != home) {
      shard_->send(target.shard, EnqueueLetter{publish.message, {target.id}, to});
      outcome.pending = publish.token != 0;
      return outcome;
    }
    const Shard::Enqueued done = shard_->enqueue(publish.message, {&target.id, 1}, to);
    outcome.pending = !done.settled && publish.token != 0;
    if (done.settled && !done.accepted && publish.token != 0) {
      confirmed(publish.token, false, false);
      outcome.pending = true;
    }
    return outcome;
  }
  // Several: one letter for each shard, and the parts are counted.
  publish.message->share(shard_->shared().shards.size());
  boost::container::small_vector<QueueId, 8> local;
  boost::container::small_vector<std::pair<ShardId, EnqueueLetter>, 4> letters;
  for (const QueueAddress& target : targets) {
    used(target.shard);
    if (target.shard == home) {
      local.push_back(target.id);
      continue;
    }
    auto it = std::find_if(letters.begin(), letters.end(),
                           [&](const auto& letter) { return letter.first == target.shard; });
    if (it == letters.end()) {
      letters.emplace_back(target.shard, EnqueueLetter{publish.message, {}, to});
      it = letters.end() - 1;
    }
    it->second.queues.push_back(target.id);
  }
  const std::size_t parts = letters.size() + !local.empty();
  to.counted = parts > 1 && publish.token != 0;
  if (to.counted) parts_[publish.token] = Parts{static_cast<std::uint32_t>(parts), true};
  for (auto& [shard, letter] : letters) {
    letter.confirm = to;
    shard_->send(shard, std::move(letter));
  }
  outcome.pending = publish.token != 0 && !letters.empty();
  if (!local.empty()) {
    const Shard::Enqueued done = shard_->enqueue(publish.message, local, to);
    if (publish.token != 0 && (!done.settled || !done.accepted)) outcome.pending = true;
    if (publish.token != 0 && done.settled && (to.counted || !done.accepted)) {
      confirmed(publish.token, done.accepted, to.counted);
    }
  }
  return outcome;
}

// Direct reply-to: AMQP clients' request and reply without a queue.

void ConnectionImpl::consume_replies(const Consume& consume, Done<QueueAddress> done) {
  if (reply_consumer_.value != 0) return done(fail(Errc::precondition_failed, "reply consumer already set"));
  std::array<std::uint8_t, 8> secret{};
  shard_->shared().options.random(secret);
  reply_secret_ = load_le<std::uint64_t>(secret.data());
  reply_consumer_ = consume.id;
  reply_address_ = ReplyAddress{shard_->id(), id_, consume.id, reply_secret_}.text();
  done(QueueAddress{});
}

void ConnectionImpl::check_reply_address(std::string_view name, Done<QueueStatus> done) {
  const auto address = ReplyAddress::parse(name);
  const auto missing = fail(Errc::not_found, "no " + queue_text(vhost_, name));
  if (!address || address->shard.value >= shard_->shared().shards.size()) return done(missing);
  shard_->call(
      address->shard, [&shared = shard_->shared(), address = *address, name = std::string(name), missing,
                       back = come_back<QueueStatus>(address->shard, std::move(done))]() mutable {
        ConnectionImpl* connection = shared.shards[address.shard.value]->find_connection(address.connection);
        if (!connection || !connection->is_reply_consumer(address)) return back(missing);
        back(QueueStatus{name, 0, 1});
      });
}

bool ConnectionImpl::is_reply_consumer(const ReplyAddress& address) const noexcept {
  return reply_consumer_.value != 0 && reply_consumer_ == address.consumer && reply_secret_ == address.secret;
}

result<PublishOutcome> ConnectionImpl::publish_reply(const Publish& publish) {
  PublishOutcome outcome;
  const auto address = ReplyAddress::parse(publish.routing_key);
  if (!address || address->shard.value >= shard_->shared().shards.size()) return outcome;
  outcome.routed = true;
  shard_->call(address->shard, [&shared = shard_->shared(), address = *address,
                                message = MessageRef(publish.message)]() mutable {
    Shard& shard = *shared.shards[address.shard.value];
    ConnectionImpl* connection = shard.find_connection(address.connection);
    if (!connection || !connection->is_reply_consumer(address)) return;
    Delivery delivery;
    delivery.message = std::move(message);
    connection->deliver(address.consumer, std::move(delivery));
  });
  return outcome;
}

}  // namespace millrace::broker
