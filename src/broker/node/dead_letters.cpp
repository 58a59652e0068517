// What becomes of messages that die in a queue: rejected, expired, pushed out, or delivered too often.
//
// RabbitMQ's rules (rabbit_dead_letter, mc): a copy that says how it died is published to the queue's
// dead-letter exchange; a message that comes round to a queue it died in without having been rejected on the
// way is dropped there.
#include <algorithm>

#include "broker/node/remembering.hpp"
#include "broker/node/shard.hpp"

namespace millrace::broker {
namespace {

// The keys that the message was published with: its routing key, then CC. BCC is gone by now.
std::vector<std::string> keys_of(const Message& message, const MessageFormats& formats) {
  std::vector<std::string> keys{std::string(message.routing_key())};
  const std::optional<Value> cc = formats.of(message).header(message, "CC");
  if (!cc) return keys;
  if (const auto* array = std::get_if<std::vector<Value>>(&cc->data)) {
    for (const Value& value : *array) {
      if (value.as_text()) keys.push_back(*value.as_text());
    }
  }
  return keys;
}

// Whether sending the message on to the queue would only go round in a circle.
bool is_cycle(const Annotations& annotations, std::string_view queue) {
  for (const Death& death : annotations.deaths) {
    if (death.reason == "rejected") return false;
    if (death.queue == queue) return true;
  }
  return false;
}

void add_death(Annotations& annotations, const Queue& queue, const Message& message, DeathReason why,
               const MessageFormats& formats, std::int64_t now_ms) {
  const std::string reason(to_string(why));
  const auto same = std::find_if(
      annotations.deaths.begin(), annotations.deaths.end(),
      [&](const Death& death) { return death.queue == queue.spec().name && death.reason == reason; });
  Death death;
  if (same != annotations.deaths.end()) {
    death = std::move(*same);
    annotations.deaths.erase(same);
  } else {
    death.queue = queue.spec().name;
    death.reason = reason;
    death.exchange = message.exchange();
    death.routing_keys = keys_of(message, formats);
    death.time_s = now_ms / 1000;
    if (message.ttl_ms() >= 0) death.original_expiration = formats.of(message).expiration_text(message);
  }
  ++death.count;
  annotations.last_death_queue = death.queue;
  annotations.last_death_reason = death.reason;
  annotations.last_death_exchange = message.exchange();
  if (annotations.first_death_queue.empty()) {
    annotations.first_death_queue = death.queue;
    annotations.first_death_reason = death.reason;
    annotations.first_death_exchange = message.exchange();
  }
  annotations.deaths.insert(annotations.deaths.begin(), std::move(death));
}

}  // namespace

void Shard::drop_cycles(const Message& message, QueueTargets& targets) const {
  const Annotations* annotations = message.annotations();
  if (!annotations || annotations->deaths.empty()) return;
  const auto is_target_cycle = [&](const QueueAddress& target) {
    const QueueSpec* spec = replica_.find_queue(target.id);
    return spec && is_cycle(*annotations, spec->name);
  };
  targets.erase(std::remove_if(targets.begin(), targets.end(), is_target_cycle), targets.end());
}

std::uint32_t Shard::durable_copies(const QueueTargets& targets) const {
  return static_cast<std::uint32_t>(
      std::count_if(targets.begin(), targets.end(), [&](const QueueAddress& target) {
        const QueueSpec* spec = replica_.find_queue(target.id);
        return spec && spec->durable && spec->exclusive_owner.value == 0;
      }));
}

bool Shard::dead_letter(Queue& queue, const Entry& entry, DeathReason reason) {
  // One that the queue never had (seq 0) cannot wait in it, and no other message gets its number.
  if (entry.seq == 0 || !sends_later(entry.lsn)) return send_dead_letter(queue, entry, reason);
  send_later(entry.lsn, [this, id = queue.id(), dead = entry, reason] {
    Queue* found = find_queue(id);
    if (found && send_dead_letter(*found, dead, reason)) found->finish_transfer(dead.seq);
  });
  return false;
}

bool Shard::send_dead_letter(Queue& queue, const Entry& entry, DeathReason reason) {
  if (!sends_on()) return false;  // dies again after the restart
  VhostReplica* vhost = replica_.find_vhost(queue.spec().vhost);
  const QueueSettings& settings = queue.settings();
  Exchange* exchange = vhost ? vhost->table->find_exchange(*settings.dead_letter_exchange) : nullptr;
  if (!exchange) return true;  // as RabbitMQ: without the exchange the message is dropped

  const MessageRef original =
      settings.stamp && entry.seq != 0 ? stamped(entry.message, queue, entry.seq) : entry.message;
  const Message& message = *original;
  std::unique_ptr<Annotations> annotations = message.copy_annotations();
  add_death(*annotations, queue, message, reason, shared_.options.formats, now_ms());
  annotations->drop_expiration = true;

  std::vector<std::string> keys;
  if (settings.dead_letter_routing_key) {
    keys.push_back(*settings.dead_letter_routing_key);
  } else {
    keys = keys_of(message, shared_.options.formats);
  }
  Message::Fields fields = message.fields();
  fields.ttl_ms = -1;
  fields.received_ms = now_ms();
  fields.exchange = exchange->spec().name;
  fields.routing_key = keys.front();
  Ref<Message> copy = Message::create(fields, message.body());
  const std::vector<std::string_view> views(keys.begin(), keys.end());

  copy->annotate(std::move(annotations));

  QueueTargets targets;
  RememberingExchanges remembering;
  if (remembering_->keeps(*exchange, *copy)) {
    remembering.push_back(exchange);
  } else if (!route(*vhost, *exchange, views, *copy, targets, remembering)) {
    return true;
  }
  drop_cycles(*copy, targets);
  if (tap_) saw_dead_letter(queue, *copy, entry.seq, targets);

  // The copy is safe before its original is settled: on this shard by the order of the log's records, on
  // others by waiting for their confirmation.
  const bool must_survive = entry.persistent && entry.seq != 0;
  Original name;
  if (must_survive) {
    name = {queue.id().value, entry.seq, remembering.empty() ? durable_copies(targets) : 0};
  }
  Shards shards;
  unsigned waiting = 0;
  const std::uint64_t token = next_transfer_++;
  boost::container::small_vector<QueueId, 4> local;
  boost::container::small_vector<std::pair<ShardId, EnqueueLetter>, 2> letters;
  for (const QueueAddress& target : targets) {
    if (target.shard == id_) {
      local.push_back(target.id);
      continue;
    }
    auto it = std::find_if(letters.begin(), letters.end(),
                           [&](const auto& letter) { return letter.first == target.shard; });
    if (it == letters.end()) {
      letters.emplace_back(target.shard, EnqueueLetter{copy, {}, {}, name});
      shards.push_back(target.shard);
      it = letters.end() - 1;
      if (must_survive) it->second.confirm = ConfirmTo{id_, ConnectionId(), token, false};
      waiting += must_survive;
    }
    it->second.queues.push_back(target.id);
  }
  if (!local.empty()) {
    const bool later = must_survive && needs_body_file(*copy, local);
    enqueue(copy, local, later ? ConfirmTo{id_, ConnectionId(), token, false} : ConfirmTo{}, name);
    waiting += later;
    shards.push_back(id_);
  }
  for (auto& [shard, letter] : letters) send(shard, std::move(letter));
  if (!remembering.empty()) {
    const ConfirmTo to = must_survive ? ConfirmTo{id_, ConnectionId(), token, false} : ConfirmTo{};
    Remembering::Passage passage{queue.spec().vhost, copy, std::move(keys), {}, name};
    shards.clear();
    if (exchange->remembers() && remembering.front() != exchange) {
      passage.visited.push_back(exchange->spec().store);
    }
    const Enqueued done = remembering_->distribute(std::move(passage), {}, remembering, to);
    waiting += !done.settled;
  }
  if (waiting == 0) {
    if (must_survive) forget_when_settled({name.store, name.seq}, {id_});
    return true;
  }
  transfers_.emplace(token, Transfer{queue.id(), entry.seq, waiting, std::move(shards)});
  return false;
}

}  // namespace millrace::broker
