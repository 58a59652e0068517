// Moving messages from queue to queue for an operator: dead letters that are to be tried again, mostly.
//
// Several are on their way at once, so that a disk's sync is shared by many, and no more than a bound: while
// it is reached no further one is got. Whatever ends it early, the connection gives back what it has not
// acknowledged.
#include <boost/unordered/unordered_flat_map.hpp>
#include <utility>

#include "broker/node/management_visit.hpp"
#include "broker/node/shard.hpp"

namespace millrace::broker {
namespace {

constexpr std::size_t kMaxInFlight = 64;
constexpr std::uint64_t kMaxBytesInFlight = 16u << 20;

struct Held {
  QueueAddress queue;
  std::uint64_t seq = 0;
  std::uint64_t bytes = 0;
};

Ref<Message> copy_of(const Message& message, std::int64_t now_ms, const Death* death) {
  Message::Fields fields = message.fields();
  fields.received_ms = now_ms;
  if (death != nullptr) {
    fields.exchange = death->exchange;
    if (!death->routing_keys.empty()) fields.routing_key = death->routing_keys.front();
  }
  Ref<Message> copy = Message::create(fields, message.body());
  if (message.annotations() != nullptr) copy->annotate(message.copy_annotations());
  return copy;
}

}  // namespace

struct ManagementImpl::Moving {
  MoveRequest request;
  MoveOutcome outcome;
  std::uint64_t visit_id = 0;
  std::size_t looked_at = 0;
  bool getting = false;
  bool ending = false;  // no further message is got
  PublishToken last_token = 0;
  boost::unordered_flat_map<PublishToken, Held> in_flight;
  std::uint64_t bytes_in_flight = 0;
  std::vector<Held> kept;  // until the end: given back at once they would be got again
  std::optional<Error> error;
  Done<void> finished;

  void keep(const Held& held, std::string_view why) {
    kept.push_back(held);
    if (outcome.reason.empty()) outcome.reason = why;
  }
  bool full() const noexcept {
    return in_flight.size() >= kMaxInFlight || bytes_in_flight >= kMaxBytesInFlight;
  }
};

Connection* ManagementImpl::connection_of(std::uint64_t visit_id) {
  const auto found = visits_.find(visit_id);
  return found == visits_.end() || found->second->ending ? nullptr : found->second->connection.get();
}

// Publishes it, or keeps it.
void ManagementImpl::send_on(Moving& moving, Connection& connection, const GotMessage& got) {
  const Message& message = *got.delivery.message;
  const Held held{got.queue, got.delivery.seq, message.footprint()};
  const Death* death = nullptr;
  if (!moving.request.destination) {
    const Annotations* annotations = message.annotations();
    if (annotations == nullptr || annotations->deaths.empty()) {
      return moving.keep(held, "it did not die in another queue (it has no x-death)");
    }
    death = &annotations->deaths.front();
    if (death->queue == moving.request.queue) return moving.keep(held, "it died in this very queue");
  }
  const std::string_view to = death != nullptr ? death->queue : *moving.request.destination;
  if (connection.publishers_blocked()) {
    moving.ending = true;
    moving.error = fail(Errc::resource_error, "publishers are held back: memory or disk space is low");
    return moving.keep(held, moving.error->text);
  }
  Publish publish;
  publish.routing_key = to;  // by the default exchange
  publish.message = copy_of(message, shared_.shards[0]->wall_ms(), death);
  publish.token = ++moving.last_token;
  const auto sent = connection.publish(publish);
  if (sent.has_error()) {
    moving.ending = true;
    moving.error = sent.error();
    return moving.keep(held, moving.error->text);
  }
  if (!sent->routed) return moving.keep(held, "there is no queue '" + std::string(to) + "' any more");
  if (sent->pending) {
    moving.in_flight.emplace(publish.token, held);
    moving.bytes_in_flight += held.bytes;
    return;
  }
  ++moving.outcome.moved;
  const std::uint64_t seqs[] = {held.seq};
  connection.settle(held.queue, ConsumerId(), seqs, Settlement::ack);
}

void ManagementImpl::on_moved(const std::shared_ptr<Moving>& moving, PublishToken token, bool accepted) {
  const auto found = moving->in_flight.find(token);
  Connection* connection = connection_of(moving->visit_id);
  if (found == moving->in_flight.end() || connection == nullptr) return;
  const Held held = found->second;
  moving->in_flight.erase(found);
  moving->bytes_in_flight -= held.bytes;
  if (accepted) {
    ++moving->outcome.moved;
    const std::uint64_t seqs[] = {held.seq};
    connection->settle(held.queue, ConsumerId(), seqs, Settlement::ack);
  } else {
    moving->keep(held, "the other queue refused it: it is full");
    moving->ending = true;
  }
  on_shard0([this, moving] { move_next(moving); });
}

// A turn for each, so that many messages do not hold the shard.
void ManagementImpl::move_next(const std::shared_ptr<Moving>& moving) {
  Connection* connection = connection_of(moving->visit_id);
  if (connection == nullptr || moving->getting) return;
  if (moving->looked_at == moving->request.count) moving->ending = true;
  if (moving->ending) {
    if (!moving->in_flight.empty() || !moving->finished) return;
    moving->outcome.kept = moving->kept.size();
    for (const Held& held : moving->kept) {
      const std::uint64_t seqs[] = {held.seq};
      connection->settle(held.queue, ConsumerId(), seqs, Settlement::requeue);
    }
    Done<void> finished = std::move(moving->finished);
    if (moving->error && moving->outcome.moved == 0) return finished(*moving->error);
    return finished({});
  }
  if (moving->full()) return;
  moving->getting = true;
  connection->get(moving->request.queue, false, [this, moving](result<std::optional<GotMessage>> got) {
    moving->getting = false;
    Connection* still = connection_of(moving->visit_id);
    if (still == nullptr) return;
    if (got.has_error()) {
      moving->ending = true;
      moving->error = got.error();
    } else if (!*got) {
      moving->ending = true;
    } else {
      ++moving->looked_at;
      send_on(*moving, *still, **got);
    }
    on_shard0([this, moving] { move_next(moving); });
  });
}

void ManagementImpl::move(Subject subject, std::string vhost, ConnectionInfo info, MoveRequest request,
                          Done<MoveOutcome> done) {
  auto moving = std::make_shared<Moving>();
  moving->request = std::move(request);
  visit(
      std::move(subject), std::move(vhost), std::move(info),
      [this, moving](Visit& visit, Done<void> finished) {
        moving->visit_id = visit.id;
        moving->finished = std::move(finished);
        visit.on_each_confirmed = [this, moving](PublishToken token, bool accepted) {
          on_moved(moving, token, accepted);
        };
        move_next(moving);
      },
      [moving, done = std::move(done)](result<void> outcome) mutable {
        if (outcome.has_error()) return done(outcome.error());
        done(std::move(moving->outcome));
      });
}

}  // namespace millrace::broker
