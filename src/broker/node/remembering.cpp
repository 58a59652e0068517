#include "broker/node/remembering.hpp"

#include <algorithm>

#include "base/varint.hpp"
#include "broker/exchange/delayed.hpp"

namespace millrace::broker {
namespace {

std::vector<std::string_view> views(const std::vector<std::string>& keys) {
  return {keys.begin(), keys.end()};
}

MessageRef held_back(const Message& message, std::int64_t delay_ms) {
  Message::Fields fields = message.fields();
  fields.received_ms += delay_ms;  // its time to live begins when it is routed
  Ref<Message> copy = Message::create(fields, message.body());
  std::unique_ptr<Annotations> annotations = message.copy_annotations();
  annotations->delayed_ms = delay_ms;
  copy->annotate(std::move(annotations));
  return copy;
}

}  // namespace

// Definitions.

void Remembering::exchange_put(const ExchangeSpec& spec) {
  if (spec.owner != shard_.id() || spec.store.value == 0) return;
  VhostReplica* vhost = shard_.replica().find_vhost(spec.vhost);
  const Exchange* exchange = vhost ? vhost->table->find_exchange(spec.name) : nullptr;
  if (!exchange || !exchange->remembers()) return;
  auto state = std::make_unique<State>();
  state->vhost = spec.vhost;
  state->name = spec.name;
  if (dynamic_cast<const DelayedExchange*>(exchange) != nullptr) {
    auto store = std::make_unique<DelayedStore>(*this, spec);
    if (const auto it = recovered_.find(spec.store.value); it != recovered_.end()) {
      store->recover(std::move(it->second));
      recovered_.erase(it);
    }
    state->memory = std::move(store);
  } else if (dynamic_cast<const RecentHistoryExchange*>(exchange) != nullptr) {
    state->memory = make_history(spec);
  } else {
    state->memory = make_window(spec);
  }
  states_.insert_or_assign(spec.store.value, std::move(state));
}

Remembering::State* Remembering::find(QueueId store) {
  const auto it = states_.find(store.value);
  return it == states_.end() ? nullptr : it->second.get();
}

DelayedStore* Remembering::find_delayed(QueueId store) {
  State* state = find(store);
  auto* delayed = state ? std::get_if<std::unique_ptr<DelayedStore>>(&state->memory) : nullptr;
  return delayed ? delayed->get() : nullptr;
}

void Remembering::forget_if(const std::function<bool(const State&)>& condition) {
  std::vector<std::unique_ptr<State>> gone;
  boost::unordered::erase_if(states_, [&](auto& item) {
    if (!condition(*item.second)) return false;
    gone.push_back(std::move(item.second));
    return true;
  });
  for (const auto& state : gone) {
    if (auto* history = std::get_if<std::unique_ptr<HistoryStore>>(&state->memory)) {
      shard_.memory_changed(-static_cast<std::int64_t>((*history)->bytes()));
    } else if (auto* store = std::get_if<std::unique_ptr<DelayedStore>>(&state->memory)) {
      deadlines_.erase({(*store)->deadline_ms, store->get()});
    }
  }
}

void Remembering::exchange_deleted(std::string_view vhost, std::string_view name) {
  forget_if([&](const State& state) { return state.vhost == vhost && state.name == name; });
}

void Remembering::vhost_deleted(std::string_view vhost) {
  forget_if([&](const State& state) { return state.vhost == vhost; });
}

void Remembering::binding_put(const BindingSpec& binding) {
  if (!recovered_all_) return;  // it was there before, and got the history then
  VhostReplica* vhost = shard_.replica().find_vhost(binding.vhost);
  Exchange* source = vhost ? vhost->table->find_exchange(binding.source) : nullptr;
  if (!source || !source->remembers() || source->spec().owner != shard_.id()) return;
  State* state = find(source->spec().store);
  const auto* history = state ? std::get_if<std::unique_ptr<HistoryStore>>(&state->memory) : nullptr;
  if (!history) return;
  Exchange* exchange = binding.to_exchange ? vhost->table->find_exchange(binding.destination) : nullptr;
  const QueueAddress* queue = binding.to_exchange ? nullptr : vhost->table->find_queue(binding.destination);
  // A copy: what the messages set off may come round to this exchange.
  const std::deque<MessageRef> messages = (*history)->messages();
  for (const MessageRef& message : messages) {
    Passage passage{binding.vhost, message, {std::string(message->routing_key())}, {source->spec().store}};
    if (queue) {
      distribute(std::move(passage), {queue, 1}, {}, ConfirmTo{});
    } else if (exchange && exchange->remembers()) {
      distribute(std::move(passage), {}, {&exchange, 1}, ConfirmTo{});
    } else if (exchange) {
      route_on(std::move(passage), *exchange, ConfirmTo{});
    }
  }
}

// Messages.

bool Remembering::keeps(const Exchange& exchange, const Message& message) const {
  if (!exchange.remembers()) return false;
  return dynamic_cast<const DelayedExchange*>(&exchange) == nullptr ||
         delay_ms_of(message, shard_.shared().options.formats) > 0;
}

Shard::Enqueued Remembering::distribute(Passage passage, std::span<const QueueAddress> targets,
                                        std::span<Exchange* const> exchanges, const ConfirmTo& to) {
  boost::container::small_vector<std::pair<ShardId, EnqueueLetter>, 4> letters;
  for (const QueueAddress& target : targets) {
    auto it = std::find_if(letters.begin(), letters.end(),
                           [&](const auto& letter) { return letter.first == target.shard; });
    if (it == letters.end()) {
      letters.emplace_back(target.shard, EnqueueLetter{passage.message, {}, {}, passage.original});
      it = letters.end() - 1;
    }
    it->second.queues.push_back(target.id);
  }
  boost::container::small_vector<Exchange*, 4> next;
  for (Exchange* exchange : exchanges) {
    const QueueId store = exchange->spec().store;
    if (std::find(passage.visited.begin(), passage.visited.end(), store) == passage.visited.end()) {
      next.push_back(exchange);
    }
  }
  Shard::Enqueued all;
  const std::size_t parts = letters.size() + next.size();
  if (parts == 0) return all;
  const bool gathered = to.token != 0 && parts > 1;
  ConfirmTo part = to;
  if (gathered) {
    part = ConfirmTo{shard_.id(), ConnectionId(), shard_.take_token(), false};
    gatherings_.emplace(part.token, Gathering{to, static_cast<unsigned>(parts), true});
  }
  unsigned settled = 0;
  const auto count = [&](Shard::Enqueued done) {
    all.settled = all.settled && done.settled;
    all.accepted = all.accepted && done.accepted;
    all.logged = all.logged && done.logged;
    settled += done.settled;
  };
  for (auto& [shard, letter] : letters) {
    if (shard == shard_.id()) {
      count(shard_.enqueue(letter.message, letter.queues, part, passage.original));
    } else {
      letter.confirm = part;
      shard_.send(shard, std::move(letter));
      count({to.token == 0, true, false});
    }
  }
  for (Exchange* exchange : next) {
    const ExchangeSpec& spec = exchange->spec();
    if (spec.owner == shard_.id()) {
      count(arrive(passage, spec.name, spec.store, part));
      continue;
    }
    shard_.call(spec.owner, [&shared = shard_.shared(), passage, name = spec.name, store = spec.store,
                             owner = spec.owner, part]() mutable {
      Shard& shard = *shared.shards[owner.value];
      const Shard::Enqueued done = shard.remembering().arrive(std::move(passage), name, store, part);
      if (done.settled) shard.confirm(part, done.accepted);
    });
    count({to.token == 0, true, false});
  }
  if (!gathered) return all;
  const auto it = gatherings_.find(part.token);
  it->second.parts -= settled;
  it->second.accepted = it->second.accepted && all.accepted;
  if (it->second.parts == 0) gatherings_.erase(it);
  return all;
}

Shard::Enqueued Remembering::arrive(Passage passage, const std::string& name, QueueId store,
                                    const ConfirmTo& to) {
  VhostReplica* vhost = shard_.replica().find_vhost(passage.vhost);
  Exchange* exchange = vhost ? vhost->table->find_exchange(name) : nullptr;
  State* state = find(store);
  // Deleted meanwhile: confirmed, as for a queue.
  if (!exchange || !state || exchange->spec().store != store) return {};
  const MessageFormats& formats = shard_.shared().options.formats;
  if (auto* window = std::get_if<Window>(&state->memory)) {
    if (const auto mark = deduplication_mark(*passage.message, formats)) {
      return pass_once(*window, *mark, std::move(passage), *exchange, to);
    }
  } else if (auto* history = std::get_if<std::unique_ptr<HistoryStore>>(&state->memory)) {
    return keep_in_history(**history, std::move(passage), *exchange, to);
  } else if (const std::int64_t delay = delay_ms_of(*passage.message, formats); delay > 0) {
    return hold(*std::get<std::unique_ptr<DelayedStore>>(state->memory), std::move(passage), delay, to);
  }
  return route_on(std::move(passage), *exchange, to);
}

Shard::Enqueued Remembering::route_on(Passage passage, Exchange& exchange, const ConfirmTo& to) {
  VhostReplica* vhost = shard_.replica().find_vhost(passage.vhost);
  if (exchange.remembers()) passage.visited.push_back(exchange.spec().store);
  QueueTargets targets;
  RememberingExchanges remembering;
  if (!vhost->table->route(exchange, views(passage.keys), *passage.message, targets, &remembering)) {
    return {true, false};
  }
  shard_.drop_cycles(*passage.message, targets);
  return distribute(std::move(passage), targets, remembering, to);
}

void Remembering::confirmed(std::uint64_t token, bool accepted) {
  if (const auto it = passing_.find(token); it != passing_.end()) {
    const Passing passing = it->second;
    passing_.erase(it);
    if (DelayedStore* store = find_delayed(passing.store)) store->finish(passing.seq);
    shard_.forget_when_settled({passing.store.value, passing.seq}, {});
    return;
  }
  if (const auto it = first_copies_.find(token); it != first_copies_.end()) {
    const FirstCopy first = std::move(it->second);
    first_copies_.erase(it);
    const storage::Lsn lsn = first_copy_arrived(first, accepted);
    for (const ConfirmTo& to : first.waiting) confirm_after(lsn, to, accepted);
    return;
  }
  const auto it = gatherings_.find(token);
  if (it == gatherings_.end()) return;
  Gathering& gathering = it->second;
  gathering.accepted = gathering.accepted && accepted;
  if (--gathering.parts > 0) return;
  const Gathering done = gathering;
  gatherings_.erase(it);
  shard_.confirm(done.to, done.accepted);
}

// Delayed messages.

Shard::Enqueued Remembering::hold(DelayedStore& store, Passage passage, std::int64_t delay_ms,
                                  const ConfirmTo& to) {
  const Original original = passage.original;
  if (original && shard_.arrivals().knows(original, store.spec().store)) return {};  // came before a crash
  DelayedMessage delayed;
  delayed.message = held_back(*passage.message, delay_ms);
  delayed.keys = std::move(passage.keys);
  delayed.due_ms = passage.message->received_ms() + delay_ms;
  delayed.persistent = store.spec().durable && delayed.message->durable();
  const MessageRef message = delayed.message;
  const bool large = delayed.persistent && message->body().size() > LargeBodies::kInlineBytes;
  if (!large && !shard_.bodies().is_waiting(to.connection)) [[likely]] {
    return hold_now(store, std::move(delayed), to, storage::BodyFileId(), original);
  }
  auto then = [this, id = store.spec().store, delayed = std::move(delayed), to,
               original](storage::BodyFileId body) mutable {
    const std::uint64_t bytes = delayed.message->body().size();
    Shard::Enqueued outcome;
    if (DelayedStore* found = find_delayed(id)) {
      outcome = hold_now(*found, std::move(delayed), to, body, original);
    } else if (body != storage::BodyFileId()) {
      shard_.bodies().logged(shard_.log().appended(), body, bytes);  // deleted meanwhile: goes with the log
    }
    if (outcome.settled) shard_.confirm(to, outcome.accepted);
  };
  shard_.bodies().stage(StagedPublish{message, {}, to, large, std::move(then)});
  return {to.token == 0, true, false};
}

std::uint8_t Remembering::begin_record(const Original& original, QueueId store) {
  record_.clear();
  if (!original) return 0;
  put_original(record_, original);
  shard_.arrivals().add(original, {&store, 1});
  return kSentOn;
}

Shard::Enqueued Remembering::hold_now(DelayedStore& store, DelayedMessage delayed, const ConfirmTo& to,
                                      storage::BodyFileId body, const Original& original) {
  delayed.seq = store.take_seq();
  Shard::Enqueued outcome;
  if (delayed.persistent) {
    std::uint8_t flags = begin_record(original, store.spec().store);
    put_delayed_prefix(record_, delayed);
    const bool in_file = body != storage::BodyFileId();
    std::uint8_t file[sizeof body.value];
    store_le(file, body.value);
    const ByteView parts[] = {record_.view(), delayed.message->header(),
                              in_file ? ByteView(file) : delayed.message->body()};
    if (in_file) flags |= kBodyInFile;
    delayed.lsn = shard_.append(storage::RecordType::delayed, flags, store.spec().store.value, parts);
    if (in_file) shard_.bodies().logged(delayed.lsn, body, delayed.message->body().size());
    if (to.token != 0) {
      shard_.confirm_when_durable(delayed.lsn, to);
      outcome.settled = false;
    }
  }
  store.add(std::move(delayed));
  return outcome;
}

bool Remembering::pass_on(DelayedStore& store, const DelayedMessage& delayed) {
  // A transient one, too, waits behind what waits: they go in the order in which they are due.
  if (!shard_.sends_later(delayed.lsn)) return pass_on_now(store, delayed);
  shard_.send_later(delayed.lsn, [this, id = store.spec().store, seq = delayed.seq] {
    DelayedStore* found = find_delayed(id);
    const DelayedMessage* due = found ? found->passed_on(seq) : nullptr;
    if (due && pass_on_now(*found, *due)) found->finish(seq);
  });
  return false;
}

bool Remembering::pass_on_now(DelayedStore& store, const DelayedMessage& delayed) {
  if (!shard_.sends_on()) return false;  // due again after the restart
  VhostReplica* vhost = shard_.replica().find_vhost(store.spec().vhost);
  Exchange* exchange = vhost ? vhost->table->find_exchange(store.spec().name) : nullptr;
  if (!exchange) return true;
  // On this shard the order of the log's records makes the copy safe before its original is settled; on
  // others their confirmation does.
  ConfirmTo to;
  if (delayed.persistent) to = ConfirmTo{shard_.id(), ConnectionId(), shard_.take_token(), false};
  Passage passage{store.spec().vhost, delayed.message, delayed.keys, {}};
  const Arrivals::Name name{store.spec().store.value, delayed.seq};
  if (delayed.persistent) passage.original = {name.store, name.seq, 0};
  const Shard::Enqueued done = route_on(std::move(passage), *exchange, to);
  if (done.settled) {
    if (delayed.persistent) shard_.forget_when_settled(name, {shard_.id()});
    return true;
  }
  passing_.emplace(to.token, Passing{store.spec().store, delayed.seq});
  return false;
}

void Remembering::rescheduled(DelayedStore& store) {
  const std::int64_t next = store.next_ms();
  if (next == store.deadline_ms) return;
  if (store.deadline_ms != Entry::kNever) deadlines_.erase({store.deadline_ms, &store});
  store.deadline_ms = next;
  if (next != Entry::kNever) deadlines_.emplace(next, &store);
}

void Remembering::fire_deadlines() {
  std::vector<DelayedStore*> due;
  for (const auto& [ms, store] : deadlines_) {
    if (ms > shard_.now_ms()) break;
    due.push_back(store);
  }
  for (DelayedStore* store : due) store->pump();
}

void Remembering::has_settled(DelayedStore& store) {
  if (store.settled_this_turn.size() == 1) settled_.push_back(store.spec().store);
}

void Remembering::gather_settled() {
  for (const QueueId id : settled_) {
    DelayedStore* store = find_delayed(id);
    if (!store) continue;
    std::vector<std::uint64_t>& seqs = store->settled_this_turn;
    std::sort(seqs.begin(), seqs.end());
    record_.clear();
    std::uint64_t last = 0;
    for (const std::uint64_t seq : seqs) {
      put_varint(record_, seq - last);
      last = seq;
    }
    shard_.append(storage::RecordType::delayed_settled, 0, id.value, record_.view());
    seqs.clear();
  }
  settled_.clear();
}

void Remembering::read_segment(storage::SegmentId segment, std::uint64_t offset, std::size_t bytes,
                               storage::Segments::ReadDone done) {
  shard_.read_segment(segment, offset, bytes, std::move(done));
}

void Remembering::set_aside(DelayedStore& store, const storage::SegmentRun& run, std::uint64_t messages,
                            std::string_view why) {
  shard_.log_set_aside("up to " + std::to_string(messages) + " delayed messages of " +
                           exchange_text(store.spec().vhost, store.spec().name),
                       "exchange", run, why);
}

// Storage.

void Remembering::replay(const storage::Record& record, bool in_state) {
  Reader in(record.payload);
  if ((record.flags & kSentOn) != 0) {
    const Original original = read_original(in);
    const QueueId store(record.entity);
    if (in.failed()) return;
    if (!in_state) shard_.arrivals().add(original, {&store, 1});
  }
  if (record.type == storage::RecordType::delayed) {
    std::optional<DelayedMessage> delayed =
        read_delayed(in.rest(), [&](ByteView stored) { return shard_.read_logged(record, stored); });
    if (!delayed) return;
    delayed->lsn = record.lsn;
    delayed->persistent = true;
    recovered_[record.entity].add(std::move(*delayed));
    return;
  }
  if (record.type == storage::RecordType::passed) {
    Remembered entry = read_remembered(in);
    if (!in.failed() && !in_state) recovered_windows_[record.entity].insert_or_assign(entry.seq, entry);
    return;
  }
  if (record.type == storage::RecordType::history) {
    const std::uint64_t number = in.varint();
    if (in.failed()) return;
    MessageRef message = read_message(in.rest());
    if (message) recovered_histories_[record.entity].add(number, std::move(message), record.lsn);
    return;
  }
  std::uint64_t seq = 0;
  while (!in.at_end()) {
    seq += in.varint();
    if (in.failed()) return;
    recovered_[record.entity].settle(seq, in_state);
  }
}

void Remembering::read_state(Reader& in, bool complete) {
  for (std::uint64_t count = in.varint(); count > 0 && !in.failed(); --count) {
    const std::uint64_t store = in.varint();
    recovered_[store] = DelayedStore::read_state(in);
  }
  if (!complete) return;
  for (std::uint64_t count = in.varint(); count > 0 && !in.failed(); --count) {
    auto& window = recovered_windows_[in.varint()];
    for (std::uint64_t entries = in.varint(); entries > 0 && !in.failed(); --entries) {
      Remembered entry = read_remembered(in);
      window.insert_or_assign(entry.seq, std::move(entry));
    }
  }
  for (std::uint64_t count = in.varint(); count > 0 && !in.failed(); --count) {
    const std::uint64_t store = in.varint();
    recovered_histories_[store] = HistoryStore::read_state(in);
  }
}

void Remembering::put_state(Buffer& out) const {
  std::vector<const DelayedStore*> durable;
  std::vector<std::pair<std::uint64_t, const Window*>> windows;
  std::vector<std::pair<std::uint64_t, const HistoryStore*>> histories;
  for (const auto& [id, state] : states_) {
    if (const auto* window = std::get_if<Window>(&state->memory)) {
      if (window->durable) windows.emplace_back(id, window);
    } else if (const auto* history = std::get_if<std::unique_ptr<HistoryStore>>(&state->memory)) {
      if ((*history)->durable()) histories.emplace_back(id, history->get());
    } else {
      const DelayedStore* store = std::get<std::unique_ptr<DelayedStore>>(state->memory).get();
      if (store->spec().durable) durable.push_back(store);
    }
  }
  put_varint(out, durable.size());
  for (const DelayedStore* store : durable) {
    put_varint(out, store->spec().store.value);
    store->put_state(out);
  }
  put_varint(out, windows.size());
  for (const auto& [id, window] : windows) {
    put_varint(out, id);
    window->seen.put_state(out, shard_.now_ms());
  }
  put_varint(out, histories.size());
  for (const auto& [id, history] : histories) {
    put_varint(out, id);
    history->put_state(out);
  }
}

bool Remembering::recovered_may_hold(const Arrivals::Name& name) const {
  const auto it = recovered_.find(name.store);
  return it != recovered_.end() && it->second.may_hold(name.seq);
}

void Remembering::finish_recovery(const std::function<void(const storage::SegmentRun&)>& visit_run) {
  recovered_all_ = true;
  recovered_.clear();  // of exchanges that were deleted
  recovered_windows_.clear();
  recovered_histories_.clear();
  for (const auto& [id, state] : states_) {
    if (const auto* store = std::get_if<std::unique_ptr<DelayedStore>>(&state->memory)) {
      (*store)->for_each_run(visit_run);
    } else if (const auto* history = std::get_if<std::unique_ptr<HistoryStore>>(&state->memory)) {
      (*history)->for_each_run(visit_run);
    }
  }
}

void Remembering::collect(storage::Lsn through, Spill& spill) {
  for (const auto& [id, state] : states_) {
    auto* store = std::get_if<std::unique_ptr<DelayedStore>>(&state->memory);
    if (store && (*store)->spec().durable) (*store)->collect(through, spill);
    const auto* history = std::get_if<std::unique_ptr<HistoryStore>>(&state->memory);
    if (history) (*history)->collect(through, spill);
  }
  std::sort(spill.items.begin(), spill.items.end(),
            [](const storage::SegmentItem& a, const storage::SegmentItem& b) {
              return std::pair(a.entity, a.seq) < std::pair(b.entity, b.seq);
            });
}

std::vector<DelayedStore*> Remembering::longest() const {
  std::vector<DelayedStore*> stores;
  for (const auto& [id, state] : states_) {
    const auto* store = std::get_if<std::unique_ptr<DelayedStore>>(&state->memory);
    if (store && (*store)->spillable_bytes() > 0) stores.push_back(store->get());
  }
  std::sort(stores.begin(), stores.end(), [](const DelayedStore* a, const DelayedStore* b) {
    return a->spillable_bytes() > b->spillable_bytes();
  });
  return stores;
}

bool Remembering::spilled(const storage::SegmentRun& run) {
  State* state = find(QueueId(run.entity >> 8));
  if (!state) return false;
  if (auto* history = std::get_if<std::unique_ptr<HistoryStore>>(&state->memory)) {
    (*history)->spilled(run);
  } else if (auto* store = std::get_if<std::unique_ptr<DelayedStore>>(&state->memory)) {
    (*store)->spilled(run);
  } else {
    return false;
  }
  return true;
}

}  // namespace millrace::broker
