#include "broker/node/shard.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "broker/node/asking_connection.hpp"
#include "broker/node/coordinator.hpp"
#include "broker/node/events.hpp"
#include "broker/node/remembering.hpp"

namespace millrace::broker {

Shard::Shard(NodeShared& shared, unsigned index, runtime::ShardRuntime runtime, std::string directory)
    : shared_(shared),
      id_(static_cast<std::uint16_t>(index)),
      runtime_(runtime),
      directory_(std::move(directory)),
      replica_(*this, shared.options.formats, shared.incarnation + index),
      random_(shared.incarnation ^ (std::uint64_t{index} << 32)),
      body_budget_(BodyBudget::share_of(shared.shards.size()),
                   [&shared](std::string_view line) { shared.options.log(LogLevel::warning, line); }),
      remembering_(std::make_unique<Remembering>(*this)) {
  outboxes_.resize(shared.shards.size());
  std::array<std::uint8_t, 32> key{};
  shared.options.random(key);
  verified_ = std::make_unique<VerifiedCredentials>(key);
  if (!shared.options.audit) return;
  replica_.access().on_refusal([&shared](const Subject& subject, std::string_view vhost, const Error& why) {
    shared.options.audit(
        {AuditEvent::Kind::access_refused, subject.user, subject.peer, {}, std::string(vhost), why.text});
  });
}

Shard::~Shard() = default;

// Letters.

void Shard::call(ShardId to, Task task) {
  if (to == id_) return task();
  outboxes_[to.value].emplace_back(std::move(task));
}

void Shard::send_letters() {
  // Shard 0 comes last: it may tell the others of a changed definition, and what was published before the
  // change was asked for is to be there first.
  for (std::size_t i = outboxes_.size(); i-- > 0;) {
    if (outboxes_[i].empty()) continue;
    Shard* to = shared_.shards[i];
    std::vector<Letter> letters;
    // The next turn's letters are likely as many: room for them at once is cheaper than growing.
    letters.reserve(std::min<std::size_t>(outboxes_[i].size(), 4096));
    letters.swap(outboxes_[i]);
    to->runtime_.executor.post(
        [to, letters = std::move(letters)]() mutable { to->receive(std::move(letters)); });
  }
}

void Shard::receive(std::vector<Letter>&& letters) {
  for (Letter& letter : letters) {
    std::visit([this](auto& content) { open_letter(std::move(content)); }, letter);
  }
}

void Shard::open_letter(EnqueueLetter&& letter) {
  const Enqueued outcome = enqueue(letter.message, letter.queues, letter.confirm, letter.original);
  if (outcome.settled) confirm(letter.confirm, outcome.accepted);
}

void Shard::open_letter(SettleLetter&& letter) {
  if (Queue* queue = find_queue(letter.queue)) queue->settle(letter.consumer, letter.seqs, letter.how);
}

void Shard::open_letter(GrantLetter&& letter) {
  if (Queue* queue = find_queue(letter.queue)) queue->grant(letter.consumer, letter.credit);
}

void Shard::open_letter(ForgetLetter&& letter) {
  for (const Arrivals::Name& name : letter.names) arrivals_.forget(name);
}

void Shard::open_letter(Task&& task) {
  task();
}

// The turn.

void Shard::end_turn(bool idle) {
  if (closing_) return send_letters();
  now_ms_ = 0;
  fire_deadlines();
  for (unsigned round = 0; round < kMaxRounds; ++round) {
    pump_queues();
    if (tap_) [[unlikely]]
      send_copies();
    gather_settled();
    const storage::Lsn appended = log_->appended();
    // May end a sync at once, and so bring confirms, messages that may be delivered now, and new records.
    log_->flush(idle && round + 1 < kMaxRounds);
    if (dirty_.empty() && settled_queues_.empty() && !remembering_->has_settled() &&
        log_->appended() == appended) {
      break;
    }
  }
  if (transfers_finished_ && transfers_.empty() && !remembering_->is_passing()) {
    std::exchange(transfers_finished_, {})();
  }
  update_flow();
  settle_body_budget();
  account_memory();
  drop_dead_segments();
  for (std::size_t i = 0; i < touched_.size(); ++i) {
    ConnectionImpl* connection = touched_[i];
    connection->touched = false;
    connection->tell();
  }
  touched_.clear();
  if (tap_) [[unlikely]]
    tap_->flush();
  send_letters();
  arm_timer();
  // What queues have left to do goes on in the next turn, for which nothing else may come.
  if (!dirty_.empty()) runtime_.executor.post([] {});
  graveyard_.clear();
  now_ms_ = now_us_ = 0;
}

void Shard::mark_dirty(Queue& queue) {
  if (queue.dirty) return;
  queue.dirty = true;
  dirty_.push_back(&queue);
}

void Shard::pump_queues() {
  pumping_.swap(dirty_);
  now_us_ = 0;  // what came in this turn has waited since, if only for the disk
  for (Queue* queue : pumping_) {
    queue->dirty = false;
    queue->pump();
  }
  pumping_.clear();
}

void Shard::set_deadline(Queue& queue, std::int64_t wall_ms) {
  if (queue.deadline_ms != Entry::kNever) deadlines_.erase({queue.deadline_ms, &queue});
  queue.deadline_ms = wall_ms;
  if (wall_ms != Entry::kNever) deadlines_.emplace(wall_ms, &queue);
}

void Shard::fire_deadlines() {
  while (!deadlines_.empty() && deadlines_.begin()->first <= wall_ms()) {
    Queue* queue = deadlines_.begin()->second;
    deadlines_.erase(deadlines_.begin());
    queue->deadline_ms = Entry::kNever;
    queue->on_deadline();
  }
  if (remembering_->next_ms() <= wall_ms()) remembering_->fire_deadlines();
}

void Shard::arm_timer() {
  const std::int64_t next =
      std::min(deadlines_.empty() ? Entry::kNever : deadlines_.begin()->first, remembering_->next_ms());
  if (next == timer_ms_) return;
  if (timer_ms_ != Entry::kNever) runtime_.timers.cancel(timer_);
  timer_ms_ = next;
  if (next == Entry::kNever) return;
  const std::int64_t delay = std::max<std::int64_t>(next - wall_ms(), 1);
  // The turn's end does the work; a clock that was set back is met again then.
  timer_ = runtime_.timers.start(runtime::Milliseconds(std::min<std::int64_t>(delay, 3'600'000)),
                                 [this] { timer_ms_ = Entry::kNever; });
}

void Shard::account_memory() {
  spill_once_durable();
  spill_ranked();
  const std::int64_t change = memory_bytes_ - reported_memory_;
  if (change == 0) return;
  reported_memory_ = memory_bytes_;
  shared_.memory_bytes.fetch_add(change, std::memory_order_relaxed);
  if (change < 0) {
    spill_above_ = std::min(spill_above_, memory_bytes_ + static_cast<std::int64_t>(kSpillBytes) / 2);
  } else {
    spill_for_memory();
  }
}

void Shard::settle_body_budget() {
  body_budget_.settle();
  if (!body_budget_.wants_ticks() || std::exchange(body_budget_ticks_, true)) return;
  runtime_.timers.start(runtime::Milliseconds(BodyBudget::kTickMs), [this] {
    body_budget_ticks_ = false;
    body_budget_.tick();
  });
}

void Shard::update_flow() {
  // Messages are on their way to disk faster than it takes them: in the log, in files, or in segments.
  const bool flow = log_->unflushed_bytes() > storage::Log::kMaxUnflushedBytes || bodies_->is_full() ||
                    (spilling_ && memory_bytes_ > 2 * resident_share());
  if (bodies_->wants_release() && durable_ > pressure_) on_log_pressure(durable_);
  if (flow == flow_) return;
  flow_ = flow;
  if (alarm_.empty()) {
    for (const auto& [id, connection] : connections_) {
      // No reason: the session stops reading, and says nothing to its client.
      if (flow) connection->listener().on_blocked({});
      if (!flow) connection->listener().on_unblocked();
      touch(*connection);
    }
  }
}

void Shard::set_alarm(std::string_view reason) {
  if (alarm_ == reason) return;
  alarm_ = reason;
  for (const auto& [id, connection] : connections_) {
    if (blocked())
      connection->listener().on_blocked(alarm_);  // without a reason while only the log is behind
    if (!blocked()) connection->listener().on_unblocked();
    touch(*connection);
  }
}

// Queues.

void Shard::deliver(QueueConsumer& consumer, Delivery&& delivery) {
  if (consumer.local) return consumer.local->deliver(consumer.key.consumer, std::move(delivery));
  DeliverLetter letter{consumer.key, std::move(delivery)};
  if (consumer.shard == id_) return open_letter(std::move(letter));  // it is arriving
  send(consumer.shard, std::move(letter));
}

void Shard::consumer_came(const Queue& queue, const QueueConsumer& consumer) {
  announce(*this, "consumer.created", queue, consumer);
}

void Shard::consumer_went(const Queue& queue, const QueueConsumer& consumer) {
  announce(*this, "consumer.deleted", queue, consumer);
}

void Shard::consumer_cancelled(const QueueConsumer& consumer) {
  if (consumer.local) return consumer.local->cancelled(consumer.key.consumer);
  if (consumer.shard == id_) return open_letter(CancelledLetter{consumer.key});  // it is arriving
  send(consumer.shard, CancelledLetter{consumer.key});
}

void Shard::queue_unused(Queue& queue) {
  if (queue.closing()) return;
  queue.set_closing(true);
  call(ShardId(0), [&shared = shared_, vhost = queue.spec().vhost, name = queue.spec().name,
                    address = queue.spec().address] {
    shared.coordinator->delete_queue(vhost, name, address, [](result<void>) {});
  });
}

void Shard::queue_put(const std::shared_ptr<const QueueSpec>& spec, const QueueSettings& settings) {
  if (spec->address.shard != id_) return;
  if (!last_settings_ || *last_settings_ != settings) {
    last_settings_ = std::make_shared<const QueueSettings>(settings);
  }
  if (Queue* queue = find_queue(spec->address.id)) return queue->change_settings(last_settings_);
  std::shared_ptr<const QueueSpec> own = spec;
  if (spec->durable && spec->exclusive_owner.value != 0) {
    // It ends with its connection: what it holds is not kept either.
    QueueSpec transient = *spec;
    transient.durable = false;
    own = std::make_shared<const QueueSpec>(std::move(transient));
  }
  auto queue = std::make_unique<Queue>(*this, std::move(own), last_settings_);
  if (const auto it = recovered_.find(spec->address.id.value); it != recovered_.end()) {
    if (!stopped_in_order_) it->second.delivered_through = UINT64_MAX;
    queue->recover(std::move(it->second));
    recovered_.erase(it);
  }
  queues_.emplace(spec->address.id.value, std::move(queue));
}

void Shard::queue_deleted(const QueueAddress& address) {
  if (address.shard != id_) return;
  const auto it = queues_.find(address.id.value);
  if (it == queues_.end()) return;
  counters_.queues_gone += it->second->counters();
  it->second->add_times_to(counters_.waited_gone, counters_.held_gone);
  it->second->shut(true);
  forget(*it->second);
  graveyard_.push_back(std::move(it->second));
  queues_.erase(it);
}

void Shard::forget(Queue& queue) {
  std::erase(waiting_for_disk_, &queue);
  std::erase(dirty_, &queue);
  std::erase(settled_queues_, &queue);
  if (queue.deadline_ms != Entry::kNever) set_deadline(queue, Entry::kNever);
}

void Shard::exchange_put(const ExchangeSpec& exchange) {
  remembering_->exchange_put(exchange);
}

void Shard::exchange_deleted(std::string_view vhost, std::string_view name) {
  remembering_->exchange_deleted(vhost, name);
}

void Shard::binding_put(const BindingSpec& binding) {
  remembering_->binding_put(binding);
}

void Shard::vhost_deleted(std::string_view name) {
  remembering_->vhost_deleted(name);
  const Error why = fail(Errc::shutting_down, "vhost '" + std::string(name) + "' is deleted");
  ask_to_close(why, [name](const ConnectionImpl& connection) { return connection.vhost() == name; });
  close_arriving(why, [name](const Arriving& arriving) { return arriving.vhost == name; });
}

void Shard::user_deleted(std::string_view name) {
  const Error why = fail(Errc::shutting_down, "user '" + std::string(name) + "' is deleted");
  ask_to_close(why, [name](const ConnectionImpl& connection) { return connection.subject().user == name; });
  close_arriving(why, [name](const Arriving& arriving) { return arriving.user == name; });
}

// Connections.

void Shard::add_connection(ConnectionImpl& connection) {
  connections_.emplace(connection.id().value, &connection);
}

void Shard::remove_connection(ConnectionImpl& connection) noexcept {
  connections_.erase(connection.id().value);
  std::erase(touched_, &connection);
  tell_when_empty();
}

void Shard::tell_when_empty() noexcept {
  if (connections_.empty() && arriving_.empty() && connections_closed_)
    std::exchange(connections_closed_, {})();
}

void Shard::close_arriving(const Error& why, const std::function<bool(const Arriving&)>& which) {
  for (auto& [id, arriving] : arriving_) {
    if (which(arriving)) arriving.close_why = why;
  }
}

void Shard::close_connections(const Error& why, Task done) {
  closing_why_ = why;
  close_arriving(why, [](const Arriving&) { return true; });
  if (connections_.empty() && arriving_.empty()) return done();
  connections_closed_ = std::move(done);
  ask_to_close(why, [](const ConnectionImpl&) { return true; });
}

void Shard::ask_to_close(const Error& why, const std::function<bool(const ConnectionImpl&)>& which) {
  // A connection that holds nothing leaves within the call.
  std::vector<ConnectionId> asked;
  for (const auto& [id, connection] : connections_) {
    if (which(*connection)) asked.push_back(connection->id());
  }
  for (const ConnectionId id : asked) {
    find_connection(id)->listener().on_close_requested(why);
    touch(id);
  }
}

void Shard::finish_transfers(Task done) {
  finishing_ = true;
  transfers_finished_ = std::move(done);
}

// The gate.

result<std::unique_ptr<Connection>> Shard::open(const Subject& subject, std::string_view vhost,
                                                const ConnectionInfo& info, ConnectionListener& listener) {
  if (!replica_.find_vhost(vhost)) {
    return fail(Errc::not_allowed, "vhost " + std::string(vhost) + " not found");
  }
  if (auto allowed = replica_.access().authorize_vhost(subject, vhost); allowed.has_error()) {
    return allowed.error();
  }
  using Kind = UseCounts::Kind;
  ConnectionImpl::Uses uses;
  uses.of_vhost = shared_.uses.of(Kind::vhost_connections, vhost);
  uses.of_user = shared_.uses.of(Kind::user_connections, subject.user);
  uses.channels = shared_.uses.of(Kind::user_channels, subject.user);
  const std::int64_t vhost_limit = replica_.access().limit_of(false, vhost, "max-connections");
  if (!uses.of_vhost->take(vhost_limit)) {
    return fail(Errc::not_allowed, "access to vhost '" + std::string(vhost) + "' refused for user '" +
                                       subject.user + "': connection limit (" + std::to_string(vhost_limit) +
                                       ") is reached");
  }
  const std::int64_t user_limit = replica_.access().limit_of(true, subject.user, "max-connections");
  if (!uses.of_user->take(user_limit)) {
    uses.of_vhost->give_back();
    return fail(Errc::not_allowed, "connection refused for user '" + subject.user +
                                       "': user connection limit (" + std::to_string(user_limit) +
                                       ") is reached");
  }
  const ConnectionId id(shared_.next_connection.fetch_add(1, std::memory_order_relaxed));
  if (!info.is_management) ++counters_.connections_opened;
  Subject own = subject;
  std::shared_ptr<KnownRights> asked;
  if (Authority* authority = authority_asked(subject.rights)) {
    asked = std::make_shared<KnownRights>(*authority, std::string(vhost));
    own.rights = asked;
  }
  // Gives back what was taken when it ends.
  auto connection = std::make_unique<ConnectionImpl>(*this, id, std::move(own), std::string(vhost), info,
                                                     std::move(uses), listener);
  if (!info.is_management) {
    shared_.options.log(LogLevel::debug, "connection opened: user '" + subject.user + "', vhost '" +
                                             std::string(vhost) + "', " + info.protocol + ", from " +
                                             info.peer);
  }
  announce(*this, "connection.created", *connection);
  if (blocked()) listener.on_blocked(alarm_);
  if (asked) {
    return std::unique_ptr<Connection>(
        std::make_unique<AskingConnection>(*this, std::move(connection), std::move(asked)));
  }
  return std::unique_ptr<Connection>(std::move(connection));
}

}  // namespace millrace::broker
