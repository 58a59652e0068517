#include "management/consumers.hpp"

#include <algorithm>
#include <utility>

#include "base/hex.hpp"
#include "base/number.hpp"

namespace millrace::management {

using broker::Settlement;

struct Consumers::One {
  Id id;
  std::string user;
  std::string vhost;
  std::string queue;
  broker::Management::SubscriptionId subscription;
  Kind kind = Kind::once;
  runtime::Milliseconds lease{0};
  std::deque<Received> ready;                          // that nobody asked for yet
  boost::unordered_flat_set<std::uint64_t> unsettled;  // that were asked for

  std::size_t max = 0;  // of whoever waits
  broker::Done<std::vector<Received>> done;
  std::optional<runtime::TimerId> waits;
  std::optional<runtime::TimerId> gathers;
  std::optional<runtime::TimerId> lease_ends;
};

namespace {

std::uint64_t body_bytes(const Consumers::Received& message) noexcept {
  return message.delivery.message->body().size();
}

struct Token {
  std::string_view consumer;
  std::uint64_t seq = 0;
};

std::optional<Token> parse(std::string_view text) {
  const std::size_t dot = text.rfind('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const auto seq = whole_number<std::uint64_t>(text.substr(dot + 1));
  if (!seq) return std::nullopt;
  return Token{text.substr(0, dot), *seq};
}

}  // namespace

Consumers::Consumers(broker::Management& core, runtime::Timers& timers,
                     std::function<void(std::span<std::uint8_t>)> random)
    : core_(core), timers_(timers), random_(std::move(random)) {}
Consumers::~Consumers() = default;

std::string Consumers::token(std::string_view id, const Received& message) {
  return std::string(id) + "." + std::to_string(message.delivery.seq);
}

Consumers::One* Consumers::find(std::string_view id) const {
  const auto found = consumers_.find(std::string(id));
  return found == consumers_.end() ? nullptr : found->second.get();
}

Consumers::One* Consumers::find_of(std::string_view id, std::string_view user, std::string_view vhost,
                                   std::string_view queue) const {
  One* one = find(id);
  return one != nullptr && one->user == user && one->vhost == vhost && one->queue == queue ? one : nullptr;
}

bool Consumers::knows(std::string_view id, std::string_view user, std::string_view vhost,
                      std::string_view queue) const {
  return find_of(id, user, vhost, queue) != nullptr;
}

result<Consumers::Id> Consumers::open(broker::Subject subject, std::string vhost, broker::ConnectionInfo info,
                                      broker::Management::Subscribe request, Kind kind,
                                      runtime::Milliseconds lease) {
  if (consumers_.size() >= kMaxConsumers) {
    return fail(Errc::resource_error,
                "there are " + std::to_string(kMaxConsumers) + " consumers by HTTP; settle what they hold");
  }
  std::uint8_t bytes[12] = {};
  random_(bytes);
  auto one = std::make_unique<One>();
  for (const std::uint8_t byte : bytes) put_hex(one->id, byte, 2);
  one->user = subject.user;
  one->vhost = vhost;
  one->queue = request.queue;
  one->kind = kind;
  one->lease = lease;
  const Id id = one->id;
  if (request.tag.empty()) request.tag = "http." + id.substr(0, 8);
  One& made = *consumers_.emplace(id, std::move(one)).first->second;
  broker::Management::Subscriber subscriber;
  subscriber.received = [this, id](std::vector<Received> received) { take_in(id, std::move(received)); };
  subscriber.ended = [this, id](const Error& why) { end(id, why); };
  made.subscription = core_.subscribe(std::move(subject), std::move(vhost), std::move(info),
                                      std::move(request), std::move(subscriber));
  renew(made);
  return id;
}

void Consumers::cancel(std::optional<runtime::TimerId>& timer) {
  if (timer) timers_.cancel(*timer);
  timer.reset();
}

void Consumers::renew(One& one) {
  cancel(one.lease_ends);
  if (one.kind == Kind::stream || one.done) return;
  one.lease_ends = timers_.start(one.lease, [this, id = one.id] {
    find(id)->lease_ends.reset();
    close(id);
  });
}

void Consumers::receive(const Id& id, std::size_t max, runtime::Milliseconds wait,
                        broker::Done<std::vector<Received>> done) {
  One* one = find(id);
  if (one == nullptr)
    return done(fail(Errc::not_found, "there is no such consumer; its lease may have ended"));
  if (one->done) {
    return done(fail(Errc::precondition_failed, "another request waits for messages of this consumer"));
  }
  if (waiting_ >= kMaxWaiting) {
    if (one->kind != Kind::lasting) close(id);
    return done(fail(Errc::resource_error, "there are " + std::to_string(kMaxWaiting) +
                                               " requests that wait for messages; try again"));
  }
  ++waiting_;
  one->max = max;
  one->done = std::move(done);
  cancel(one->lease_ends);
  one->waits = timers_.start(std::max(wait, kShortestWait), [this, id] {
    One& waiting = *find(id);
    waiting.waits.reset();
    give(waiting);
  });
  look(*one, false);
}

void Consumers::stop_waiting(const Id& id) {
  One* one = find(id);
  if (one == nullptr || !one->done) return;
  --waiting_;
  one->done = {};
  cancel(one->waits);
  cancel(one->gathers);
  if (one->kind != Kind::lasting) return close(id);
  renew(*one);
}

void Consumers::take_in(const Id& id, std::vector<Received> received) {
  One* one = find(id);
  if (one == nullptr) return;
  for (Received& message : received) one->ready.push_back(std::move(message));
  look(*one, false);
}

// The first message is seldom alone: the queue sends what it has in several letters.
void Consumers::look(One& one, bool gathered) {
  if (!one.done || one.ready.empty()) return;
  std::uint64_t bytes = 0;
  for (const Received& message : one.ready) bytes += body_bytes(message);
  // Beyond what the core hands on there is nothing to gather.
  if (gathered || one.ready.size() >= one.max || bytes >= broker::Management::kHandedBytes) return give(one);
  if (one.gathers) return;
  one.gathers = timers_.start(kGathering, [this, id = one.id] {
    One& gathering = *find(id);
    gathering.gathers.reset();
    look(gathering, true);
  });
}

void Consumers::give(One& one) {
  std::vector<Received> given;
  std::uint64_t bytes = 0;
  while (!one.ready.empty() && given.size() < one.max) {
    bytes += body_bytes(one.ready.front());
    if (bytes > kMaxAnswerBytes && !given.empty()) break;
    one.unsettled.insert(one.ready.front().delivery.seq);
    given.push_back(std::move(one.ready.front()));
    one.ready.pop_front();
  }
  --waiting_;
  auto done = std::exchange(one.done, {});
  cancel(one.waits);
  cancel(one.gathers);
  if (one.kind == Kind::once && given.empty()) {
    close(one.id);
    return done(std::move(given));
  }
  if (one.kind == Kind::once) {
    core_.stop(one.subscription);
    std::vector<std::uint64_t> back;
    for (const Received& message : std::exchange(one.ready, {})) back.push_back(message.delivery.seq);
    if (!back.empty()) core_.settle(one.subscription, std::move(back), Settlement::requeue);
  }
  renew(one);
  done(std::move(given));
}

void Consumers::passed_on(const Id& id, const std::vector<Received>& messages, bool arrived, bool settled) {
  One* one = find(id);
  if (one == nullptr) return;
  std::uint64_t bytes = 0;
  std::vector<std::uint64_t> seqs;
  for (const Received& message : messages) {
    bytes += body_bytes(message);
    if (one->unsettled.contains(message.delivery.seq)) seqs.push_back(message.delivery.seq);
  }
  core_.passed_on(one->subscription, bytes);
  if (seqs.empty() || (arrived && !settled)) return;
  settle(*one, std::move(seqs), arrived ? Settlement::ack : Settlement::requeue);
}

void Consumers::settle(One& one, std::vector<std::uint64_t> seqs, Settlement how) {
  for (const std::uint64_t seq : seqs) one.unsettled.erase(seq);
  core_.settle(one.subscription, std::move(seqs), how);
  if (one.kind == Kind::once && one.unsettled.empty()) close(one.id);
}

Consumers::Settled Consumers::settle(std::string_view user, std::string_view vhost, std::string_view queue,
                                     const std::vector<std::string>& tokens, Settlement how) {
  Settled outcome;
  boost::unordered_flat_map<std::string, std::vector<std::uint64_t>> by_consumer;
  for (const std::string& text : tokens) {
    const auto token = parse(text);
    One* one = token ? find_of(token->consumer, user, vhost, queue) : nullptr;
    std::vector<std::uint64_t>* seqs = one == nullptr ? nullptr : &by_consumer[one->id];
    // Named twice it is settled once.
    if (seqs == nullptr || one->unsettled.erase(token->seq) == 0) {
      outcome.unknown.push_back(text);
      continue;
    }
    seqs->push_back(token->seq);
    ++outcome.settled;
  }
  for (auto& [id, seqs] : by_consumer) {
    One* one = find(id);
    renew(*one);
    if (!seqs.empty()) settle(*one, std::move(seqs), how);
  }
  return outcome;
}

std::size_t Consumers::extend(std::string_view user, std::string_view vhost, std::string_view queue,
                              const std::vector<std::string>& tokens,
                              std::optional<runtime::Milliseconds> lease) {
  boost::unordered_flat_set<One*> found;
  for (const std::string& text : tokens) {
    const auto token = parse(text);
    One* one = find_of(token ? token->consumer : std::string_view(text), user, vhost, queue);
    if (one != nullptr) found.insert(one);
  }
  for (One* one : found) {
    if (lease) one->lease = *lease;
    renew(*one);
  }
  return found.size();
}

void Consumers::close(const Id& id) {
  const auto found = consumers_.find(id);
  if (found == consumers_.end()) return;
  core_.unsubscribe(found->second->subscription);
  end(id, fail(Errc::not_found, "the consumer was closed"));
}

void Consumers::end(const Id& id, const Error& why) {
  const auto found = consumers_.find(id);
  if (found == consumers_.end()) return;
  const std::unique_ptr<One> one = std::move(found->second);
  consumers_.erase(found);
  cancel(one->waits);
  cancel(one->gathers);
  cancel(one->lease_ends);
  if (!one->done) return;
  --waiting_;
  one->done(why);
}

}  // namespace millrace::management
