#include "broker/node/statistics.hpp"

#include <algorithm>

#include "broker/management.hpp"
#include "broker/node/shard.hpp"

namespace millrace::broker {
namespace {

// Looks at a part of what is left, a turn each.
struct Survey {
  Shard& shard;
  std::vector<ConnectionId> connections;
  std::vector<std::uint64_t> queues;
  std::vector<std::string> vhosts;
  ShardStatistics found;
  std::function<void(ShardStatistics&&)> done;
};

void look_at_connection(Shard& shard, ConnectionImpl& connection, ShardStatistics& found) {
  ConnectionStatistics one;
  one.id = connection.id();
  one.user = connection.subject().user;
  one.vhost = connection.vhost();
  one.info = connection.info();
  one.connected_ms = connection.connected_ms();
  one.counters = connection.counters();
  one.blocked = shard.blocked() && one.counters.published != 0;
  one.throttled = connection.is_throttled();
  one.session = connection.listener().describe();
  found.connections.push_back(std::move(one));
}

// Returns how many consumers it has.
std::size_t look_at_queue(Queue& queue, ShardStatistics& found) {
  QueueStatistics one;
  one.ready = queue.ready();
  one.ready_bytes = queue.ready_bytes();
  one.unacked = queue.unsettled();
  one.unacked_bytes = queue.unsettled_bytes();
  one.memory_bytes = queue.memory_bytes();
  one.consumers = static_cast<std::uint32_t>(queue.consumers());
  one.used_ms = queue.used_ms();
  one.counters = queue.counters();
  one.oldest_ms = queue.oldest_ms();
  one.times = queue.look_at_times();
  found.queues.emplace_back(queue.id().value, std::move(one));
  const QueueConsumer* const first = queue.consumer_list().first();
  queue.consumer_list().for_each([&](const QueueConsumer& consumer) {
    ConsumerStatistics its;
    its.queue = queue.id();
    its.connection = consumer.key.connection;
    its.consumer = consumer.key.consumer;
    its.tag = consumer.tag;
    its.no_ack = consumer.no_ack;
    its.exclusive = consumer.exclusive;
    its.active = !queue.settings().single_active_consumer || &consumer == first;
    its.priority = consumer.priority;
    found.consumers.push_back(std::move(its));
  });
  return queue.consumers();
}

void look_at_exchanges(Shard& shard, std::string_view name, ShardStatistics& found, std::size_t& looked) {
  const VhostReplica* vhost = shard.replica().find_vhost(name);
  if (vhost == nullptr) return;
  vhost->table->for_each_exchange([&](const Exchange& exchange) {
    ++looked;
    if (exchange.counters.in == 0) return;
    found.exchanges.push_back(
        {std::string(name), exchange.spec().name, {exchange.counters.in, exchange.counters.out}});
  });
}

// What went between slices is passed over; what came is not seen.
bool look_on(Survey& survey) {
  Shard& shard = survey.shard;
  for (std::size_t n = 0; n < Management::kConnectionsPerSlice && !survey.connections.empty(); ++n) {
    ConnectionImpl* connection = shard.find_connection(survey.connections.back());
    survey.connections.pop_back();
    if (connection != nullptr) look_at_connection(shard, *connection, survey.found);
  }
  if (!survey.connections.empty()) return true;
  for (std::size_t looked = 0; looked < Management::kQueuesPerSlice && !survey.queues.empty(); ++looked) {
    Queue* queue = shard.find_queue(QueueId(survey.queues.back()));
    survey.queues.pop_back();
    if (queue != nullptr) looked += look_at_queue(*queue, survey.found);
  }
  if (!survey.queues.empty()) return true;
  for (std::size_t looked = 0; looked < Management::kQueuesPerSlice && !survey.vhosts.empty();) {
    look_at_exchanges(shard, survey.vhosts.back(), survey.found, looked);
    survey.vhosts.pop_back();
  }
  return !survey.vhosts.empty();
}

void go_on(const std::shared_ptr<Survey>& survey) {
  const auto& clock = survey->shard.runtime().clock;
  const runtime::Nanoseconds began = clock.steady();
  const runtime::Nanoseconds worked = clock.worked();
  const bool more = look_on(*survey);
  survey->found.longest_look.add({clock.steady() - began, clock.worked() - worked});
  if (!more) return survey->done(std::move(survey->found));
  survey->shard.runtime().executor.post([survey] { go_on(survey); });
}

}  // namespace

void survey(Shard& shard, std::function<void(ShardStatistics&&)> done) {
  auto begun = std::make_shared<Survey>(Survey{shard, {}, {}, {}, {}, std::move(done)});
  begun->connections.reserve(shard.connections().size());
  for (const auto& [id, connection] : shard.connections()) {
    if (!connection->info().is_management) begun->connections.push_back(connection->id());
  }
  begun->queues.reserve(shard.queues().size());
  for (const auto& [id, queue] : shard.queues()) begun->queues.push_back(id);
  for (const auto& [name, vhost] : shard.replica().vhosts()) begun->vhosts.push_back(name);
  begun->found.queues.reserve(begun->queues.size());
  begun->found.connections.reserve(begun->connections.size());
  begun->found.counters = shard.counters();
  begun->found.busy_permille = shard.runtime().executor.busy_permille();
  go_on(begun);
}

}  // namespace millrace::broker
