// Consumers of the HTTP API: each has a connection to shard 0, which hands on what comes in batches.
//
// Two halves: the Subscription is its connection's listener, on the shard; the Ear is where completions are
// called, so that after unsubscribe() nothing is heard, whatever was on its way.
#include <algorithm>
#include <utility>

#include "broker/node/management_impl.hpp"
#include "broker/node/shard.hpp"

namespace millrace::broker {
namespace {

constexpr ConsumerId kConsumer{1};
// Before the size of the messages is known.
constexpr std::uint32_t kFirstCredit = 16;

}  // namespace

struct ManagementImpl::Ear {
  Subscriber subscriber;
  bool stopped = false;
};

struct ManagementImpl::Subscription final : ConnectionListener {
  Subscription(ManagementImpl& of, SubscriptionId own_id) : management(of), id(own_id) {}

  void on_confirm(std::span<const Confirmation>) override {}
  void on_deliver(ConsumerId, Delivery&& delivery) override {
    --credit;
    ++unsettled;
    ++counters.delivered;
    if (delivery.redelivered) ++counters.redelivered;
    arrived.push_back(std::move(delivery));
  }
  void on_consumer_cancelled(ConsumerId) override {
    management.end_subscription(id, fail(Errc::not_found, "the queue is gone"));
  }
  void on_blocked(std::string_view) override {}
  void on_unblocked() override {}
  void on_close_requested(const Error& why) override { management.end_subscription(id, why); }
  SessionDetails describe() const override {
    SessionDetails session;
    session.channel_max = 1;
    ChannelDetails channel;
    channel.number = 1;
    channel.prefetch = prefetch;
    channel.unacked = unsettled;
    channel.consumers = ready && !stopped ? 1 : 0;
    channel.counters = counters;
    session.channels.push_back(channel);
    session.consumers.push_back({kConsumer, 1, prefetch});
    return session;
  }
  void on_turn_end() override {
    if (!ready || ending || arrived.empty()) return;
    if (stopped) return give_back();
    std::uint64_t bytes = 0;
    for (const Delivery& delivery : arrived) {
      const std::uint64_t body = delivery.message->body().size();
      bytes += body;
      usual_bytes = std::max(body, usual_bytes / 2);
    }
    handed_bytes += bytes;
    management.hand(id, std::exchange(arrived, {}));
    refill();
  }

  void refill() {
    if (!ready || stopped || ending || handed_bytes >= kHandedBytes) return;
    const std::uint64_t fit = (kHandedBytes - handed_bytes) / std::max<std::uint64_t>(usual_bytes, 1);
    const auto most = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(fit, 1, kMaxCredit));
    const std::uint32_t held = unsettled + credit;
    if (held >= prefetch || credit >= most) return;
    const std::uint32_t more = std::min(prefetch - held, most - credit);
    credit += more;
    connection->grant(kConsumer, more);
  }
  void settle(std::vector<std::uint64_t> seqs, Settlement how) {
    std::sort(seqs.begin(), seqs.end());
    unsettled -= std::min(unsettled, static_cast<std::uint32_t>(seqs.size()));
    if (how == Settlement::ack) counters.acked += seqs.size();
    connection->settle(queue, kConsumer, seqs, how);
    refill();
  }
  void give_back() {
    std::vector<std::uint64_t> seqs;
    for (const Delivery& delivery : std::exchange(arrived, {})) seqs.push_back(delivery.seq);
    if (!seqs.empty()) settle(std::move(seqs), Settlement::requeue);
  }

  ManagementImpl& management;
  SubscriptionId id;
  std::unique_ptr<Connection> connection;
  QueueAddress queue;
  std::uint32_t prefetch = 1;
  std::uint32_t credit = 0;        // granted, and nothing came for it yet
  std::uint32_t unsettled = 0;     // delivered
  std::uint64_t handed_bytes = 0;  // and not passed on
  std::uint64_t usual_bytes = 0;   // of a body
  std::vector<Delivery> arrived;   // in this turn, or before the consumer was ready
  ChannelCounters counters;
  bool ready = false;
  bool stopped = false;
  bool ending = false;
};

// Called at home.

Management::SubscriptionId ManagementImpl::subscribe(Subject subject, std::string vhost, ConnectionInfo info,
                                                     Subscribe request, Subscriber subscriber) {
  const SubscriptionId id(++last_subscription_);
  ears_.emplace(id.value, std::make_shared<Ear>(Ear{std::move(subscriber), false}));
  on_shard0([this, id, subject = std::move(subject), vhost = std::move(vhost), info = std::move(info),
             request = std::move(request)]() mutable {
    begin(std::make_shared<Subscription>(*this, id), subject, vhost, std::move(info), std::move(request));
  });
  return id;
}

void ManagementImpl::settle(SubscriptionId subscription, std::vector<std::uint64_t> seqs, Settlement how) {
  with_subscription(subscription, [seqs = std::move(seqs), how](Subscription& found) mutable {
    found.settle(std::move(seqs), how);
  });
}

void ManagementImpl::passed_on(SubscriptionId subscription, std::uint64_t bytes) {
  with_subscription(subscription, [bytes](Subscription& found) {
    found.handed_bytes -= std::min(found.handed_bytes, bytes);
    found.refill();
  });
}

void ManagementImpl::stop(SubscriptionId subscription) {
  if (const auto ear = ears_.find(subscription.value); ear != ears_.end()) ear->second->stopped = true;
  with_subscription(subscription, [](Subscription& found) {
    if (std::exchange(found.stopped, true)) return;
    if (found.ready) found.connection->cancel(kConsumer, [](result<void>) {});
    found.give_back();
  });
}

void ManagementImpl::unsubscribe(SubscriptionId subscription) {
  ears_.erase(subscription.value);
  on_shard0([this, subscription] { end_subscription(subscription, std::nullopt); });
}

void ManagementImpl::tell_ended(SubscriptionId id, const Error& why) {
  home_->post([this, id, why] {
    const auto found = ears_.find(id.value);
    if (found == ears_.end()) return;
    const auto ear = found->second;
    ears_.erase(found);
    ear->subscriber.ended(why);
  });
}

void ManagementImpl::hand(SubscriptionId id, std::vector<Delivery> deliveries) {
  home_->post([this, id, deliveries = std::move(deliveries)]() mutable {
    const auto found = ears_.find(id.value);
    if (found == ears_.end()) return;  // its connection closes, and takes them back
    const auto ear = found->second;
    if (ear->stopped) {
      std::vector<std::uint64_t> seqs;
      for (const Delivery& delivery : deliveries) seqs.push_back(delivery.seq);
      return settle(id, std::move(seqs), Settlement::requeue);
    }
    std::vector<Received> received;
    received.reserve(deliveries.size());
    for (Delivery& delivery : deliveries) {
      MessageProperties properties = shared_.options.formats.of(*delivery.message).delivered(delivery);
      received.push_back({std::move(delivery), std::move(properties)});
    }
    ear->subscriber.received(std::move(received));
  });
}

// On shard 0.

void ManagementImpl::with_subscription(SubscriptionId id, UniqueFunction<void(Subscription&)> work) {
  on_shard0([this, id, work = std::move(work)]() mutable {
    const auto found = subscriptions_.find(id.value);
    if (found != subscriptions_.end() && !found->second->ending) work(*found->second);
  });
}

void ManagementImpl::begin(const std::shared_ptr<Subscription>& made, const Subject& subject,
                           const std::string& vhost, ConnectionInfo info, Subscribe request) {
  const SubscriptionId id = made->id;
  auto opened = shared_.shards[0]->open(subject, vhost, info, *made);
  if (opened.has_error()) return tell_ended(id, opened.error());
  made->connection = std::move(*opened);
  made->prefetch = std::clamp<std::uint32_t>(request.prefetch, 1, kMaxPrefetch);
  made->credit = std::min(made->prefetch, kFirstCredit);
  subscriptions_.emplace(id.value, made);
  if (auto ok = made->connection->take_channel(); ok.has_error()) return end_subscription(id, ok.error());
  Consume consume;
  consume.queue = request.queue;
  consume.id = kConsumer;
  consume.exclusive = request.exclusive;
  consume.priority = request.priority;
  consume.credit = made->credit;
  consume.tag = std::move(request.tag);
  made->connection->consume(consume, [this, id](result<QueueAddress> queue) {
    const auto found = subscriptions_.find(id.value);
    if (found == subscriptions_.end()) return;
    Subscription& subscription = *found->second;
    if (queue.has_error()) return end_subscription(id, queue.error());
    subscription.queue = *queue;
    subscription.ready = true;
    if (subscription.stopped) subscription.connection->cancel(kConsumer, [](result<void>) {});
    on_shard0([this, id] {  // for what came before
      with_subscription(id, [](Subscription& ready) { ready.on_turn_end(); });
    });
  });
}

// Later: whoever ends it may be in the middle of looking through all connections.
void ManagementImpl::end_subscription(SubscriptionId id, std::optional<Error> why) {
  const auto found = subscriptions_.find(id.value);
  if (found == subscriptions_.end() || std::exchange(found->second->ending, true)) return;
  on_shard0([this, id, why = std::move(why)]() mutable {
    Subscription& subscription = *subscriptions_.find(id.value)->second;
    subscription.connection->close([this, id, why = std::move(why)](result<void>) mutable {
      on_shard0([this, id, why = std::move(why)] {
        subscriptions_.erase(id.value);
        if (why) tell_ended(id, *why);
      });
    });
  });
}

}  // namespace millrace::broker
