#include "broker/node/statistics.hpp"

#include "broker/management.hpp"
#include "broker/node/shard.hpp"

namespace millrace::broker {
namespace {

struct Survey {
  Shard& shard;
  std::vector<std::uint64_t> ids;
  std::size_t next = 0;
  ShardStatistics found;
  std::function<void(ShardStatistics&&)> done;
};

void look_at_connections(Survey& survey) {
  for (const auto& [id, connection] : survey.shard.connections()) {
    if (connection->info().is_management) continue;
    ConnectionStatistics one;
    one.id = connection->id();
    one.user = connection->subject().user;
    one.vhost = connection->vhost();
    one.info = connection->info();
    one.connected_ms = connection->connected_ms();
    one.counters = connection->counters();
    one.blocked = survey.shard.blocked() && one.counters.published != 0;
    one.session = connection->listener().describe();
    survey.found.connections.push_back(std::move(one));
  }
}

void look_at_queue(const Queue& queue, ShardStatistics& found) {
  QueueStatistics one;
  one.ready = queue.ready();
  one.ready_bytes = queue.ready_bytes();
  one.unacked = queue.unsettled();
  one.memory_bytes = queue.memory_bytes();
  one.consumers = static_cast<std::uint32_t>(queue.consumers());
  one.used_ms = queue.used_ms();
  one.counters = queue.counters();
  found.queues.emplace_back(queue.id().value, one);
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
}

// Queues may come and go between slices: those that went are passed over.
void look_on(const std::shared_ptr<Survey>& survey) {
  const std::size_t end = std::min(survey->ids.size(), survey->next + Management::kQueuesPerSlice);
  for (; survey->next < end; ++survey->next) {
    if (const Queue* queue = survey->shard.find_queue(QueueId(survey->ids[survey->next]))) {
      look_at_queue(*queue, survey->found);
    }
  }
  if (survey->next < survey->ids.size()) {
    survey->shard.runtime().executor.post([survey] { look_on(survey); });
    return;
  }
  survey->done(std::move(survey->found));
}

}  // namespace

void survey(Shard& shard, std::function<void(ShardStatistics&&)> done) {
  auto begun = std::make_shared<Survey>(Survey{shard, {}, 0, {}, std::move(done)});
  begun->ids.reserve(shard.queues().size());
  for (const auto& [id, queue] : shard.queues()) begun->ids.push_back(id);
  begun->found.queues.reserve(begun->ids.size());
  begun->found.counters = shard.counters();
  begun->found.busy_permille = shard.runtime().executor.busy_permille();
  look_at_connections(*begun);
  look_on(begun);
}

}  // namespace millrace::broker
