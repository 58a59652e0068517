#include "broker_world.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "broker/exchange/test_message.hpp"

namespace millrace::broker {
namespace {

constexpr const char* kDirectory = "data";
constexpr std::uint64_t kMaxSteps = 200'000;

Ref<Message> make_message(std::uint64_t id, std::size_t bytes, bool durable, std::uint8_t priority,
                          std::int64_t ttl_ms, std::int64_t now_ms) {
  Buffer header;
  put_arguments(header, Arguments());
  Message::Fields fields;
  fields.durable = durable;
  fields.priority = priority;
  fields.ttl_ms = ttl_ms;
  fields.received_ms = now_ms;
  fields.header = header.view();
  std::string body = std::to_string(id) + " ";
  body.resize(std::max(body.size(), bytes), static_cast<char>('a' + id % 26));
  return Message::create(fields, as_bytes(body));
}

std::uint64_t id_of(const Message& message) {
  const std::string_view body = as_text(message.body());
  const std::uint64_t id = std::strtoull(std::string(body.substr(0, body.find(' '))).c_str(), nullptr, 10);
  const std::string_view rest = body.substr(std::min(body.size(), body.find(' ') + 1));
  EXPECT_EQ(rest.find_first_not_of(static_cast<char>('a' + id % 26)), std::string_view::npos)
      << "message " << id << " is damaged";
  return id;
}

Arguments arguments(std::vector<Argument> entries) {
  return Arguments(std::move(entries));
}

// Reads whatever there is and settles nothing.
class Drainer final : public ConnectionListener {
 public:
  void on_confirm(std::span<const Confirmation>) override {}
  void on_deliver(ConsumerId consumer, Delivery&& delivery) override {
    found[consumer.value].push_back({id_of(*delivery.message), delivery.delivery_count});
    durable = durable && delivery.message->durable();
    ++count;
  }
  void on_consumer_cancelled(ConsumerId) override {}
  void on_blocked(std::string_view) override {}
  void on_unblocked() override {}
  void on_close_requested(const Error&) override { asked_to_close = true; }
  void on_turn_end() override {}

  std::map<std::uint64_t, std::vector<Found>> found;
  std::uint64_t count = 0;
  bool durable = true;
  bool asked_to_close = false;
};

}  // namespace

// The machine.

Machine::Machine(simulation::FileSystem& files, std::uint64_t seed, const NodeOptions& options,
                 unsigned shards)
    : files_(files), luck_(seed), options_(options), shards_(shards) {
  scheduler_ = std::make_unique<simulation::Scheduler>(luck_.next());
  options_.random = [this](std::span<std::uint8_t> out) {
    for (std::uint8_t& byte : out) byte = static_cast<std::uint8_t>(luck_.next());
  };
  options_.on_log_failure = [this](const Error& why) {
    failed_ = true;
    error = why.text;
    scheduler_->halt();
    throw Ended();
  };
}

Machine::~Machine() {
  scheduler_->halt();
  node_.reset();
  scheduler_.reset();
}

bool Machine::start() {
  auto directory = storage::DataDirectory::open(files_, kDirectory, shards_, luck_.next());
  if (!directory) return error = directory.error().text, false;
  directory_ = std::move(*directory);
  std::vector<runtime::ShardRuntime> runtimes;
  simulation::Shard* first = nullptr;
  for (unsigned i = 0; i < shards_; ++i) {
    simulation::Shard& shard = scheduler_->add_shard();
    if (!first) first = &shard;
    runtimes.push_back(shard.runtime(files_));
  }
  auto node = Node::open(runtimes, *first, *directory_, options_);
  if (!node) return error = node.error().text, false;
  node_ = std::move(*node);
  return !off();
}

bool Machine::step() try {
  if (off()) return false;
  const bool moved = scheduler_->step();
  for (unsigned shard = 0; shard < shards_ && !off(); ++shard) {
    // More than one event may fall into a turn.
    if (!moved || one_event_a_turn || !luck_.one_in(3)) node_->end_turn(shard, luck_.one_in(2));
  }
  return !off();
} catch (const Ended&) {
  return false;
}

bool Machine::run_until(const std::function<bool()>& condition) {
  for (std::uint64_t steps = 0; !condition(); ++steps) {
    if (!step()) return false;
    if (steps > kMaxSteps) {
      ADD_FAILURE() << "what was asked for is never answered";
      return false;
    }
  }
  return true;
}

bool Machine::stop() {
  bool stopped = false;
  node_->stop(runtime::Milliseconds(1000), [&] { stopped = true; });
  return run_until([&] { return stopped; });
}

// A client.

class BrokerWorld::Client final : public ConnectionListener {
 public:
  struct Held {
    std::string queue;
    QueueAddress address;
    ConsumerId consumer;
    std::uint64_t seq = 0;
    std::uint64_t id = 0;
  };
  struct Consumer {
    std::string queue;
    bool no_ack = false;
    bool ready = false;
  };
  struct Sent {
    std::uint64_t id = 0;
    std::vector<std::string> queues;
    // Of the queues' messages, what had come back how often when this was published.
    std::vector<std::pair<std::uint64_t, std::uint32_t>> returns;
  };

  explicit Client(BrokerWorld& world) : world_(world) {}

  void on_confirm(std::span<const Confirmation> confirmations) override {
    for (const Confirmation& confirmation : confirmations)
      confirmed(confirmation.token, confirmation.accepted);
  }
  void on_deliver(ConsumerId consumer, Delivery&& delivery) override {
    const auto it = consumers.find(consumer.value);
    if (it == consumers.end() || closing) return;  // what is on its way while a connection closes goes back
    ModelQueue* queue = world_.find(it->second.queue);
    const std::uint64_t id = id_of(*delivery.message);
    world_.received(*this, *queue, delivery, !it->second.no_ack);
    if (!it->second.no_ack) {
      held.push_back({it->second.queue, {}, consumer, delivery.seq, id});
    } else {
      connection->grant(consumer, 1);
    }
  }
  void on_consumer_cancelled(ConsumerId consumer) override { consumers.erase(consumer.value); }
  void on_blocked(std::string_view) override {}
  void on_unblocked() override {}
  void on_close_requested(const Error&) override { asked_to_close = true; }
  void on_turn_end() override {
    if (asked_to_close && !closing) begin_close([](result<void>) {});
  }

  // What is on its way to a consumer that does not acknowledge is gone when it does not arrive.
  void lose_sent() {
    for (const auto& [id, consumer] : consumers) {
      if (!consumer.no_ack) continue;
      world_.lose_any(*world_.find(consumer.queue));
    }
  }

  // What it holds goes back.
  void begin_close(Done<void> done) {
    closing = true;
    lose_sent();
    for (ModelQueue& queue : world_.queues_) {
      for (auto& [id, copy] : queue.copies) ++copy.perhaps;
    }
    for (const Held& message : held) {
      auto& copies = world_.find(message.queue)->copies;
      const auto it = copies.find(message.id);
      if (it == copies.end()) continue;
      it->second.held = false;
      ++it->second.returns;
    }
    held.clear();
    connection->close(std::move(done));
  }

  void confirmed(PublishToken token, bool accepted) {
    const auto it = sent.find(token);
    if (it == sent.end()) {
      ADD_FAILURE() << "a second answer to publish " << token;
      return;
    }
    const Sent publish = std::move(it->second);
    sent.erase(it);
    --world_.unanswered_;
    for (const std::string& name : publish.queues) {
      ModelQueue* queue = world_.find(name);
      if (const auto copy = queue->copies.find(publish.id); copy != queue->copies.end()) {
        if (accepted) copy->second.confirmed = true;
        if (!accepted) copy->second.may_be_gone = true;
      }
      for (const auto& [id, returns] : publish.returns) {
        const auto returned = queue->copies.find(id);
        if (accepted && returned != queue->copies.end()) {
          returned->second.logged_returns = std::max(returned->second.logged_returns, returns);
        }
      }
    }
  }

  BrokerWorld& world_;
  std::unique_ptr<Connection> connection;
  std::uint64_t number = 0;
  unsigned shard = 0;
  std::map<std::uint64_t, Consumer> consumers;
  std::map<std::uint64_t, QueueAddress> addresses;  // of all consumers there ever were
  std::uint64_t next_consumer = 1;
  std::vector<Held> held;
  std::map<PublishToken, Sent> sent;
  bool asked_to_close = false;
  bool closing = false;
};

// The world.

BrokerWorld::BrokerWorld(std::uint64_t seed)
    : files_({seed, seed % 2 == 0 ? std::size_t{512} : std::size_t{4096}}), luck_(seed) {
  shards_ = 1 + static_cast<unsigned>(luck_.below(3));
  options_.formats = test::formats();
  options_.log = [](LogLevel level, std::string_view text) { EXPECT_NE(level, LogLevel::error) << text; };
  options_.log_file_bytes = (16u << 10) << luck_.below(2);
  options_.log_files = 2 + static_cast<unsigned>(luck_.below(2));
  options_.resident_bytes = (4u << 10) << luck_.below(8);
  options_.disk_reserve_bytes = 4096;
  options_.disk_low_water_bytes = 4096;

  const auto add = [&](std::string name, bool durable, std::vector<Argument> entries) -> ModelQueue& {
    ModelQueue& queue = queues_.emplace_back();
    queue.name = std::move(name);
    queue.durable = durable;
    queue.arguments = arguments(std::move(entries));
    return queue;
  };
  add("plain", true, {});
  add("second", true, {});
  add("transient", false, {});
  add("levels", true, {{"x-max-priority", Value::integer(3)}});
  add("quorum", true, {{"x-queue-type", Value::text("quorum")}, {"x-delivery-limit", Value::integer(-1)}})
      .quorum = true;
  add("dying", true,
      {{"x-dead-letter-exchange", Value::text("")}, {"x-dead-letter-routing-key", Value::text("dead")}})
      .dead_letters_to = "dead";
  if (luck_.one_in(2)) {
    add("short", true, {{"x-max-length", Value::integer(5)}}).bounded = true;
  }
  add("full", true, {{"x-max-length", Value::integer(8)}, {"x-overflow", Value::text("reject-publish")}});
  add("dead", true, {}).dead_letter = true;
}

BrokerWorld::~BrokerWorld() {
  clients_.clear();
  machine_.reset();
}

BrokerWorld::ModelQueue* BrokerWorld::find(std::string_view name) {
  const auto it = std::find_if(queues_.begin(), queues_.end(), [&](const auto& q) { return q.name == name; });
  return it == queues_.end() ? nullptr : &*it;
}

void BrokerWorld::cut_power_at(std::uint64_t step) {
  files_.crash_at(files_.steps() + step, [this] {
    if (machine_) machine_->scheduler().halt();
  });
}

bool BrokerWorld::open() {
  unanswered_ = 0;
  // The directory is looked into before anything is written to it, by a machine of its own.
  const std::uint64_t seed = luck_.next();
  if (files_.exists(std::string(kDirectory) + "/META")) {
    auto first = files_.clone();
    const Contents found = contents(*first, luck_.one_in(2));
    const Contents again = contents(*first, false);
    if (::testing::Test::HasFailure()) return false;
    for (const ModelQueue& queue : queues_) {
      // What is still to die may have died in one of the looks.
      if (queue.bounded || queue.dead_letter || !queue.dead_letters_to.empty()) continue;
      EXPECT_EQ(found.contains(queue.name), again.contains(queue.name)) << queue.name;
      if (!found.contains(queue.name) || !again.contains(queue.name)) continue;
      EXPECT_TRUE(found.at(queue.name) == again.at(queue.name))
          << "a second recovery found something else in " << queue.name;
    }
    compare(found);
  }
  machine_ = std::make_unique<Machine>(files_, seed, options_, shards_);
  if (!machine_->start()) {
    EXPECT_TRUE(files_.powered_off()) << machine_->error;
    return false;
  }
  ended_in_order_ = false;
  const std::size_t clients = 1 + luck_.below(3);
  for (std::size_t i = 0; i < clients; ++i) {
    if (!some_client()) return false;
  }
  // Without the queue they go to, dead letters are dropped.
  for (ModelQueue& queue : queues_) {
    if (queue.dead_letter) declare(*clients_[0], queue);
  }
  if (!machine_->run_until([&] { return unanswered_ == 0; })) return false;
  for (ModelQueue& queue : queues_) {
    if (!luck_.one_in(6)) declare(*clients_[0], queue);
  }
  return machine_->run_until([&] { return unanswered_ == 0; });
}

BrokerWorld::Client* BrokerWorld::some_client() {
  std::vector<Client*> open;
  for (const auto& client : clients_) {
    if (client->connection && !client->closing) open.push_back(client.get());
  }
  if (!open.empty() && clients_.size() > 1 && !luck_.one_in(8)) return open[luck_.below(open.size())];
  if (clients_.size() > 4) return open.empty() ? nullptr : open[luck_.below(open.size())];
  auto client = std::make_unique<Client>(*this);
  client->number = next_client_++;
  client->shard = static_cast<unsigned>(luck_.below(shards_));
  const bool opened = machine_->run_until([&] {
    auto connection =
        machine_->node().gate(client->shard).open(Subject{"guest", {"administrator"}}, "/", {}, *client);
    if (connection) client->connection = std::move(*connection);
    return client->connection != nullptr;
  });
  if (!opened) return nullptr;
  clients_.push_back(std::move(client));
  return clients_.back().get();
}

void BrokerWorld::declare(Client& client, ModelQueue& queue) {
  if (queue.state != ModelQueue::State::absent) return;
  queue.state = ModelQueue::State::declaring;
  ++unanswered_;
  QueueDeclare declare;
  declare.name = queue.name;
  declare.durable = queue.durable;
  declare.arguments = queue.arguments;
  client.connection->declare_queue(declare, [this, &queue](result<QueueStatus> answer) {
    --unanswered_;
    ASSERT_TRUE(answer) << answer.error().text;
    queue.state = ModelQueue::State::there;
  });
}

void BrokerWorld::publish(Client& client) {
  static constexpr std::size_t kSizes[] = {20, 20, 100, 400, 1500, 6000};
  ModelQueue& queue = some_queue();
  if (queue.dead_letter || queue.state != ModelQueue::State::there) return;
  const std::uint64_t id = next_id_++;
  const bool durable = !luck_.one_in(5);
  const auto priority = static_cast<std::uint8_t>(luck_.below(5));
  const std::int64_t ttl =
      !queue.dead_letters_to.empty() && luck_.one_in(3) ? static_cast<std::int64_t>(luck_.below(200)) : -1;
  Copy copy;
  copy.durable = durable && queue.durable;
  copy.may_be_gone = queue.purging > 0;
  copy.priority = queue.name == "levels" ? std::min<std::uint8_t>(priority, 3) : queue.quorum ? priority : 0;
  queue.copies.emplace(id, copy);
  Client::Sent sent{id, {queue.name}, {}};
  for (const auto& [other, state] : queue.copies) {
    if (state.returns > state.logged_returns) sent.returns.emplace_back(other, state.returns);
  }
  const PublishToken token = id;
  client.sent.emplace(token, std::move(sent));
  ++unanswered_;
  Publish publish;
  publish.routing_key = queue.name;
  publish.token = token;
  publish.message = make_message(id, luck_.below(kSizes[luck_.below(std::size(kSizes))]), durable, priority,
                                 ttl, machine_->node().gate(client.shard).wall_ms());
  const auto outcome = client.connection->publish(publish);
  ASSERT_TRUE(outcome) << outcome.error().text;
  EXPECT_TRUE(outcome->routed);
  if (!outcome->pending) client.confirmed(token, true);
}

void BrokerWorld::consume(Client& client) {
  ModelQueue& queue = some_queue();
  if (queue.state != ModelQueue::State::there) return;
  if (!client.consumers.empty() && luck_.one_in(3)) {
    const std::uint64_t id = client.consumers.begin()->first;
    if (!client.consumers.begin()->second.ready) return;
    client.lose_sent();
    ++unanswered_;
    client.connection->cancel(ConsumerId(id), [this, &client, id](result<void> answer) {
      --unanswered_;
      EXPECT_TRUE(answer);
      client.consumers.erase(id);
    });
    return;
  }
  const std::uint64_t id = client.next_consumer++;
  client.consumers[id] = {queue.name, luck_.one_in(5), false};
  Consume consume;
  consume.queue = queue.name;
  consume.id = ConsumerId(id);
  consume.no_ack = client.consumers[id].no_ack;
  consume.credit = 1 + static_cast<std::uint32_t>(luck_.below(20));
  consume.priority = static_cast<std::int64_t>(luck_.below(2));
  ++unanswered_;
  client.connection->consume(consume, [this, &client, id](result<QueueAddress> answer) {
    --unanswered_;
    if (!answer) {
      client.consumers.erase(id);  // the queue went meanwhile
      return;
    }
    client.addresses[id] = *answer;
    if (const auto it = client.consumers.find(id); it != client.consumers.end()) it->second.ready = true;
  });
}

// A message reached a client.
void BrokerWorld::received(Client&, ModelQueue& queue, const Delivery& delivery, bool held) {
  const std::uint64_t id = id_of(*delivery.message);
  if (queue.dead_letter) {
    // Its first queue has let go of it; what happens here loses it for good.
    for (ModelQueue& other : queues_) {
      if (const auto copy = other.copies.find(id); copy != other.copies.end() && !held)
        copy->second.may_be_gone = true;
    }
    return;
  }
  const auto it = queue.copies.find(id);
  if (it == queue.copies.end()) {
    ADD_FAILURE() << "message " << id << " came out of " << queue.name << " and must not be there";
    return;
  }
  Copy& copy = it->second;
  EXPECT_FALSE(copy.held) << "message " << id << " of " << queue.name << " is with two consumers";
  EXPECT_FALSE(copy.settled) << "message " << id << " of " << queue.name << " came back after it was settled";
  EXPECT_LE(delivery.delivery_count, copy.returns + copy.perhaps) << "message " << id;
  copy.held = held;
  if (!held) copy.settled = copy.may_be_gone = true;
}

void BrokerWorld::settle_some(Client& client) {
  if (client.held.empty()) return;
  const std::size_t at = luck_.one_in(2) ? 0 : luck_.below(client.held.size());
  const std::size_t count = std::min<std::size_t>(client.held.size() - at, 1 + luck_.below(6));
  static constexpr Settlement kWays[] = {Settlement::ack,    Settlement::ack,     Settlement::ack,
                                         Settlement::reject, Settlement::requeue, Settlement::requeue_failed};
  const Settlement how = kWays[luck_.below(std::size(kWays))];
  for (std::size_t i = 0; i < count; ++i) {
    const Client::Held held = client.held[at];
    const auto address =
        held.consumer.value != 0 ? client.addresses.find(held.consumer.value) : client.addresses.end();
    if (held.consumer.value != 0 && address == client.addresses.end()) return;  // consume-ok is under way
    client.held.erase(client.held.begin() + static_cast<std::ptrdiff_t>(at));
    ModelQueue& queue = *find(held.queue);
    if (const auto it = queue.copies.find(held.id); it != queue.copies.end()) {
      Copy& copy = it->second;
      copy.held = false;
      const bool lives_on = how == Settlement::reject && !queue.dead_letters_to.empty();
      if (how == Settlement::ack || how == Settlement::reject) copy.settled = true;
      if (copy.settled && !lives_on) copy.may_be_gone = true;
      if (how == Settlement::requeue_failed) ++copy.returns;
    }
    if (queue.dead_letter && (how == Settlement::ack || how == Settlement::reject)) {
      for (ModelQueue& other : queues_) {
        if (const auto it = other.copies.find(held.id); it != other.copies.end())
          it->second.may_be_gone = true;
      }
    }
    const std::uint64_t seq = held.seq;
    client.connection->settle(address != client.addresses.end() ? address->second : held.address,
                              held.consumer, {&seq, 1}, how);
    if (held.consumer.value != 0) client.connection->grant(held.consumer, 1);
  }
}

void BrokerWorld::get(Client& client) {
  ModelQueue& queue = some_queue();
  if (queue.state != ModelQueue::State::there) return;
  const bool no_ack = luck_.one_in(4);
  ++unanswered_;
  queue.no_ack_gets += no_ack;
  client.connection->get(
      queue.name, no_ack, [this, &client, &queue, no_ack](result<std::optional<GotMessage>> answer) {
        --unanswered_;
        queue.no_ack_gets -= no_ack;
        if (!answer || !*answer) return;
        received(client, queue, (**answer).delivery, !no_ack);
        if (no_ack) return;
        client.held.push_back({queue.name, (**answer).queue, ConsumerId(), (**answer).delivery.seq,
                               id_of(*(**answer).delivery.message)});
      });
}

void BrokerWorld::purge(Client& client) {
  ModelQueue& queue = some_queue();
  if (queue.state != ModelQueue::State::there) return;
  if (queue.dead_letter) return;
  for (auto& [id, copy] : queue.copies) copy.may_be_gone = true;
  ++unanswered_;
  ++queue.purging;
  client.connection->purge_queue(queue.name, [this, &queue](result<std::uint64_t>) {
    --unanswered_;
    --queue.purging;
  });
}

void BrokerWorld::remove(Client& client) {
  ModelQueue& queue = some_queue();
  if (queue.state != ModelQueue::State::there || queue.dead_letter) return;
  queue.state = ModelQueue::State::deleting;
  for (auto& [id, copy] : queue.copies) copy.may_be_gone = true;
  ++unanswered_;
  client.connection->delete_queue(queue.name, false, false, [this, &queue](result<std::uint64_t> answer) {
    --unanswered_;
    ASSERT_TRUE(answer) << answer.error().text;
    queue.state = ModelQueue::State::absent;
    for (auto& [id, copy] : queue.copies) copy.settled = true;
  });
}

void BrokerWorld::close(std::size_t index) {
  Client& client = *clients_[index];
  // Its answers come no more.
  if (!client.sent.empty() || client.closing || unanswered_ > 0) return;
  ++unanswered_;
  client.begin_close([this](result<void>) { --unanswered_; });
  if (machine_->run_until([&] { return unanswered_ == 0; })) {
    clients_.erase(clients_.begin() + static_cast<std::ptrdiff_t>(index));
  }
}

void BrokerWorld::act() {
  Client* client = some_client();
  if (!client || failed()) return;
  const std::uint64_t deed = luck_.below(100);
  if (deed < 50) {
    for (std::uint64_t count = 1 + luck_.below(6); count != 0; --count) publish(*client);
  } else if (deed < 58) {
    consume(*client);
  } else if (deed < 80) {
    settle_some(*client);
  } else if (deed < 90) {
    get(*client);
  } else if (deed < 92) {
    purge(*client);
  } else if (deed < 93) {
    remove(*client);
  } else if (deed < 95) {
    declare(*client, some_queue());
  } else if (deed < 97) {
    close(luck_.below(clients_.size()));
  } else {
    settle();
  }
  for (std::uint64_t steps = luck_.below(luck_.one_in(4) ? 60 : 8); steps != 0 && !failed(); --steps)
    machine_->step();
}

// A little of everything, with a checkpoint or two.
void BrokerWorld::follow_script() {
  for (unsigned round = 0; round < 40 && !failed(); ++round) {
    Client* client = some_client();
    if (!client) return;
    for (unsigned i = 0; i < 3; ++i) publish(*client);
    if (round % 5 == 1) consume(*client);
    if (round % 3 == 2) settle_some(*client);
    if (round % 7 == 3) get(*client);
    if (round % 9 == 8) settle();
    for (unsigned i = 0; i < 6 && !failed(); ++i) machine_->step();
  }
}

void BrokerWorld::settle() {
  machine_->run_until([&] { return unanswered_ == 0; });
}

bool BrokerWorld::stop() {
  settle();
  if (failed()) return false;
  for (ModelQueue& queue : queues_) {
    for (auto& [id, copy] : queue.copies)
      ++copy.returns;  // what is held goes back when the clients are closed
  }
  return machine_->stop() && (ended_in_order_ = true);
}

// Any message of the queue may be gone from now on, and so may what has died into it.
void BrokerWorld::lose_any(ModelQueue& queue) {
  for (ModelQueue& other : queues_) {
    if (&other != &queue && other.dead_letters_to != queue.name) continue;
    for (auto& [id, copy] : other.copies) copy.may_be_gone = true;
  }
}

void BrokerWorld::die(Death how) {
  for (const auto& client : clients_) client->lose_sent();
  for (ModelQueue& queue : queues_) {
    if (std::exchange(queue.no_ack_gets, 0) > 0) lose_any(queue);
  }
  clients_.clear();
  machine_.reset();
  if (how == Death::kill && !files_.powered_off()) {
    files_.forget_faults();
  } else {
    files_.crash(luck_);
  }
}

// What a machine of its own finds on the disk.
Contents BrokerWorld::contents(simulation::FileSystem& files, bool stop_after) {
  if (stop_after) {
    Machine machine(files, luck_.next(), options_, shards_);
    EXPECT_TRUE(machine.start()) << machine.error;
    if (!machine.error.empty() || !machine.stop()) return {};
  }
  auto copy = files.clone();
  Contents contents;
  Drainer drainer;
  Machine machine(*copy, luck_.next(), options_, shards_);
  if (!machine.start()) {
    ADD_FAILURE() << "recovery fails: " << machine.error;
    return {};
  }
  machine.one_event_a_turn = true;  // else time may go on before the turn ends, and rest looks near
  std::unique_ptr<Connection> connection;
  const std::uint64_t expected = machine.node().recovery().messages;
  machine.run_until([&] {
    auto opened = machine.node().gate(0).open(Subject{"guest", {"administrator"}}, "/", {}, drainer);
    if (opened) connection = std::move(*opened);
    return connection != nullptr;
  });
  if (!connection) return {};
  std::size_t unanswered = queues_.size();
  for (std::size_t i = 0; i < queues_.size(); ++i) {
    Consume consume;
    consume.queue = queues_[i].name;
    consume.id = ConsumerId(i + 1);
    consume.credit = 1'000'000;
    connection->consume(consume, [&, i](result<QueueAddress> answer) {
      --unanswered;
      if (answer) contents[queues_[i].name];
    });
  }
  machine.run_until([&] { return unanswered == 0; });
  // The disk is looked at every two seconds for ever: rest is when nothing else happens for that long.
  std::uint64_t seen = UINT64_MAX;
  while (seen != drainer.count) {
    seen = drainer.count;
    const auto until = machine.scheduler().steady() + std::chrono::milliseconds(500);
    machine.run_until([&] { return machine.scheduler().steady() >= until; });
  }
  for (auto& [name, found] : contents) {
    for (std::size_t i = 0; i < queues_.size(); ++i) {
      if (queues_[i].name == name) found = drainer.found[i + 1];
    }
  }
  std::uint64_t total = 0;
  for (const auto& [name, found] : contents) total += found.size();
  // A queue with a bound drops at once what came back above it.
  const bool bounded = contents.contains("short");
  EXPECT_TRUE(bounded ? total <= expected : total == expected)
      << "recovery counted " << expected << " messages, " << total << " are served";
  EXPECT_TRUE(drainer.durable) << "a transient message survived";
  connection.reset();
  return contents;
}

void BrokerWorld::compare(const Contents& found) {
  using State = ModelQueue::State;
  for (ModelQueue& queue : queues_) {
    const auto it = found.find(queue.name);
    const bool there = it != found.end();
    if (queue.durable && queue.state == State::there) {
      EXPECT_TRUE(there) << "queue " << queue.name << " is lost";
    }
    if (queue.state == State::absent || !queue.durable) {
      EXPECT_FALSE(there) << "queue " << queue.name << " came back";
    }
    compare_queue(queue, there ? it->second : std::vector<Found>(), found);
    queue.state = there ? State::there : State::absent;
  }
}

void BrokerWorld::compare_queue(ModelQueue& queue, const std::vector<Found>& found, const Contents& all) {
  std::map<std::uint64_t, Copy> now;
  std::map<std::uint8_t, std::uint64_t> last;
  for (const Found& message : found) {
    if (queue.dead_letter) continue;
    const auto it = queue.copies.find(message.id);
    if (it == queue.copies.end()) {
      ADD_FAILURE() << "message " << message.id << " of " << queue.name << " comes from nowhere";
      continue;
    }
    const Copy& was = it->second;
    EXPECT_TRUE(was.durable) << "transient message " << message.id << " of " << queue.name << " is there";
    EXPECT_FALSE(was.settled && ended_in_order_)
        << "message " << message.id << " of " << queue.name << " was settled before a stop in order";
    EXPECT_LE(message.deliveries, was.returns + was.perhaps) << "message " << message.id;
    if (queue.quorum && !was.settled) {
      EXPECT_GE(message.deliveries, was.logged_returns)
          << "message " << message.id << ": deliveries forgotten";
    }
    Copy copy;
    copy.confirmed = copy.durable = true;
    copy.priority = was.priority;
    copy.returns = copy.logged_returns = message.deliveries;
    EXPECT_TRUE(now.emplace(message.id, copy).second)
        << "message " << message.id << " of " << queue.name << " is there twice";
  }
  const auto is_dead = [&](std::uint64_t id) {
    const auto dead = all.find(queue.dead_letters_to);
    return dead != all.end() && std::any_of(dead->second.begin(), dead->second.end(),
                                            [&](const Found& message) { return message.id == id; });
  };
  for (const auto& [id, copy] : queue.copies) {
    if (!copy.confirmed || copy.may_be_gone || !copy.durable || queue.bounded || now.contains(id)) continue;
    if (!queue.dead_letters_to.empty() && is_dead(id)) continue;
    ADD_FAILURE() << "message " << id << " of " << queue.name << " is lost ("
                  << (copy.settled ? "settled"
                      : copy.held  ? "held"
                                   : "ready")
                  << ", came back " << copy.returns << " times)";
  }
  // What the look itself dropped or moved on may still be there when the next life has no time to do so.
  if (queue.bounded || !queue.dead_letters_to.empty()) {
    for (const auto& [id, copy] : queue.copies) {
      Copy left;
      left.durable = left.may_be_gone = true;
      left.returns = copy.returns + 1;
      if (copy.durable && !(copy.settled && ended_in_order_)) now.try_emplace(id, left);
    }
  }
  queue.copies = std::move(now);
  queue.purging = 0;
}

}  // namespace millrace::broker
