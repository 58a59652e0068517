// The story: lives, and how they end.
#include "broker_world.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "broker/exchange/test_message.hpp"

namespace millrace::broker {

BrokerWorld::BrokerWorld(std::uint64_t seed)
    : files_({seed, seed % 2 == 0 ? std::size_t{512} : std::size_t{4096}}), luck_(seed) {
  shards_ = 1 + static_cast<unsigned>(luck_.below(3));
  large_bodies_ = luck_.one_in(16);
  options_.formats = test::formats();
  options_.log = [this](LogLevel level, std::string_view text) {
    EXPECT_TRUE(level != LogLevel::error || files_.powered_off()) << text;
  };
  options_.log_file_bytes = (16u << 10) << luck_.below(2);
  options_.log_files = 2 + static_cast<unsigned>(luck_.below(2));
  options_.resident_bytes = (4u << 10) << luck_.below(8);
  if (luck_.one_in(2)) {
    // Ranked queues park most of what they have.
    options_.ranked_limits.max_messages = 1 + luck_.below(8);
    options_.ranked_limits.least_messages = luck_.below(3);
    options_.ranked_limits.least_bytes = 256;
    options_.ranked_limits.store_bytes = 1024;
    options_.ranked_limits.min_fetch = 1 + luck_.below(3);
    options_.ranked_limits.max_fetch = 4;
  }
  options_.disk_reserve_bytes = 4096;
  options_.disk_low_water_bytes = 4096;

  const auto quorum = Argument{"x-queue-type", Value::text("quorum")};
  const auto no_limit = Argument{"x-delivery-limit", Value::integer(-1)};
  model_.add("plain", true, {});
  model_.add("second", true, {});
  model_.add("transient", false, {});
  model_.add("levels", true, {{"x-max-priority", Value::integer(3)}}).levels = 4;
  const auto scheduling = [](const char* order) { return Argument{"x-scheduling", Value::text(order)}; };
  model_.add("shortest", true, {scheduling("sjf")}).ranked = ModelQueue::Ranked::by_size;
  model_.add("fair", true, {scheduling("fair")}).ranked = ModelQueue::Ranked::by_key;
  for (const char* name : {"quorum", "patient"}) {
    ModelQueue& queue = model_.add(name, true, {quorum, no_limit});
    queue.quorum = true;
    queue.levels = 32;
  }
  ModelQueue& patient = *model_.find("patient");
  patient.retry_min_ms = 200;
  patient.arguments.set("x-delayed-retry-type", Value::text("all"));
  patient.arguments.set("x-delayed-retry-min", Value::integer(patient.retry_min_ms));
  patient.arguments.set("x-delayed-retry-max", Value::integer(1000));
  model_
      .add("dying", true,
           {{"x-dead-letter-exchange", Value::text("")}, {"x-dead-letter-routing-key", Value::text("dead")}})
      .dead_letters_to = "dead";
  if (luck_.one_in(2)) model_.add("short", true, {{"x-max-length", Value::integer(5)}}).bounded = true;
  model_.add("full", true,
             {{"x-max-length", Value::integer(8)}, {"x-overflow", Value::text("reject-publish")}});
  model_.add("dead", true, {}).dead_letter = true;
  for (const char* name :
       {"plain", "second", "transient", "levels", "quorum", "patient", "full", "shortest", "fair"}) {
    model_.find(name)->bound["all"] = Presence::absent;
  }
  for (const char* name : {"second", "quorum"}) model_.find(name)->bound["later"] = Presence::absent;
}

BrokerWorld::~BrokerWorld() {
  clients_.clear();
  machine_.reset();
}

void BrokerWorld::cut_power_at(std::uint64_t step) {
  files_.crash_at(files_.steps() + step);
}

void BrokerWorld::cut_power_after_checkpoint(std::uint64_t skip, std::uint64_t steps) {
  files_.crash_after_rename("checkpoint", skip + 1, steps);
}

void BrokerWorld::fail_write_at(std::uint64_t step) {
  files_.fail_write_from(files_.steps() + step);
}

// The directory is looked into before anything is written to it.
void BrokerWorld::look() {
  LookWish wish;
  for (const ModelQueue& queue : model_.queues()) {
    wish.queues.push_back(queue.name);
    wish.may_drop = wish.may_drop || queue.bounded;
  }
  wish.shards = shards_;
  wish.wall_ms = wall_ms_;
  wish.until_ms = latest_due_ms_ + 10;
  wish.held_back = 2 * delayed_;
  wish.stop_before = luck_.one_in(2);
  auto first = files_.clone();
  Contents found = look_at(*first, options_, wish, luck_);
  wish.stop_before = false;
  Contents again = look_at(*first, options_, wish, luck_);
  if (::testing::Test::HasFailure()) return;
  model_.compare(found, ended_in_order_);
  for (const ModelQueue& queue : model_.queues()) {
    // What is still to die may have died in one of the looks.
    if (queue.bounded || queue.dead_letter || queue.may_die()) continue;
    EXPECT_EQ(found.contains(queue.name), again.contains(queue.name)) << queue.name;
    if (!found.contains(queue.name) || !again.contains(queue.name)) continue;
    std::vector<Found>& one = found.at(queue.name);
    std::vector<Found>& two = again.at(queue.name);
    // In any order: what waits comes when its time is over, and the second look was not stopped before.
    if (queue.takes_delayed() || queue.retry_min_ms > 0) {
      std::sort(one.begin(), one.end());
      std::sort(two.begin(), two.end());
    }
    EXPECT_TRUE(one == two) << "a second recovery found something else in " << queue.name;
  }
}

bool BrokerWorld::open() {
  unanswered_ = 0;
  const Model before = model_;
  if (files_.exists(std::string(kDataDirectory) + "/META")) {
    look();
    if (::testing::Test::HasFailure()) return false;
  }
  for (auto& [exchange, presence] : exchanges_) {
    if (presence == Presence::unsure) presence = Presence::absent;  // declared again
  }
  const std::uint64_t failures_before = files_.failures();
  machine_ = std::make_unique<Machine>(files_, luck_.next(), options_, shards_, wall_ms_);
  if (!machine_->start()) {
    EXPECT_TRUE(files_.powered_off() || files_.failures() > failures_before) << machine_->error;
    // What the look found was in the cache, and this start has not made it durable.
    model_ = before;
    return false;
  }
  ended_in_order_ = false;
  const std::size_t clients = 1 + luck_.below(3);
  for (std::size_t i = 0; i < clients; ++i) {
    if (!some_client()) return false;
  }
  return declare_everything();
}

Client* BrokerWorld::some_client() {
  std::vector<Client*> open;
  for (const auto& client : clients_) {
    if (client->connection && !client->busy()) open.push_back(client.get());
  }
  if (!open.empty() && clients_.size() > 1 && !luck_.one_in(8)) return open[luck_.below(open.size())];
  if (clients_.size() > 4) return open.empty() ? nullptr : open[luck_.below(open.size())];
  const Client::World shared{model_, unanswered_,
                             [this](ShardId shard) { return machine_->node().gate(shard.value).wall_ms(); }};
  auto client = std::make_unique<Client>(shared, next_client_++, static_cast<unsigned>(luck_.below(shards_)));
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

void BrokerWorld::act() {
  Client* client = some_client();
  if (!client || failed()) return;
  const std::uint64_t deed = luck_.below(200);
  if (deed < 80) {
    for (std::uint64_t count = 1 + luck_.below(6); count != 0; --count) publish(*client);
  } else if (deed < 92) {
    publish_to_all(*client);
  } else if (deed < 100) {
    publish_for_later(*client);
  } else if (deed < 116) {
    if (!client->consumers.empty() && luck_.one_in(3)) {
      cancel(*client);
    } else {
      consume(*client);
    }
  } else if (deed < 160) {
    settle_some(*client);
  } else if (deed < 180) {
    get(*client);
  } else if (deed < 184) {
    purge(*client);
  } else if (deed < 186) {
    remove(*client);
  } else if (deed < 188) {
    declare(*client, some_queue());
  } else if (deed < 190) {
    bind(*client, some_queue());
  } else if (deed < 194) {
    close(luck_.below(clients_.size()));
  } else if (deed < 197) {
    move(*client);
  } else if (deed < 199) {
    settle();
  } else {
    fill_disk();
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
    if (round % 6 == 4) publish_to_all(*client);
    if (round % 8 == 5) publish_for_later(*client);
    if (round % 7 == 3) get(*client);
    if (round % 9 == 8) settle();
    if (round % 9 == 3) move(*client);
    for (unsigned i = 0; i < 6 && !failed(); ++i) machine_->step();
  }
}

void BrokerWorld::take_some() {
  for (std::uint64_t count = 1 + luck_.below(12); count != 0 && !failed(); --count) {
    Client& client = *clients_[luck_.below(clients_.size())];
    if (client.busy()) continue;
    get(client);
    settle();
    if (!failed() && !client.busy()) settle_some(client);
  }
}

void BrokerWorld::settle() {
  machine_->run_until([&] { return unanswered_ == 0; });
}

bool BrokerWorld::stop() {
  settle();
  if (failed()) return false;
  for (ModelQueue& queue : model_.queues()) {
    for (auto& [id, copy] : queue.copies)
      ++copy.returns;  // what is held goes back when the clients are closed
  }
  return machine_->stop() && (ended_in_order_ = true);
}

void BrokerWorld::die(Death how) {
  for (const auto& client : clients_) client->lose_sent();
  for (ModelQueue& queue : model_.queues()) {
    if (std::exchange(queue.no_ack_gets, 0) > 0) model_.lose_any(queue);
  }
  if (machine_) wall_ms_ = machine_->wall_ms() + static_cast<std::int64_t>(luck_.below(500));
  clients_.clear();
  machine_.reset();
  if (how == Death::kill && !files_.powered_off()) {
    files_.forget_faults();
  } else {
    files_.crash(luck_);
  }
}

}  // namespace millrace::broker
