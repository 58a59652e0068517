#include "broker_look.hpp"

#include <gtest/gtest.h>

#include "broker_messages.hpp"

namespace millrace::broker {
namespace {

// Reads whatever there is and settles nothing.
class Drainer final : public ConnectionListener {
 public:
  void on_confirm(std::span<const Confirmation>) override {}
  void on_deliver(ConsumerId consumer, Delivery&& delivery) override {
    found[consumer.value].push_back(
        {id_of(*delivery.message), delivery.delivery_count, delivery.redelivered});
    durable = durable && delivery.message->durable();
    ++count;
  }
  void on_consumer_cancelled(ConsumerId) override {}
  void on_blocked(std::string_view) override {}
  void on_unblocked() override {}
  void on_close_requested(const Error&) override {}
  void on_turn_end() override {}

  std::map<std::uint64_t, std::vector<Found>> found;  // by consumer
  std::uint64_t count = 0;
  bool durable = true;
};

// Consumes every queue of the wish that is there; the consumer's number is one above its place.
Contents drain(Machine& machine, const LookWish& wish, Drainer& drainer,
               std::unique_ptr<Connection>& connection) {
  Contents contents;
  machine.run_until([&] {
    auto opened = machine.node().gate(0).open(Subject{"guest", {"administrator"}}, "/", {}, drainer);
    if (opened) connection = std::move(*opened);
    return connection != nullptr;
  });
  if (!connection) return contents;
  std::size_t unanswered = wish.queues.size();
  for (std::size_t i = 0; i < wish.queues.size(); ++i) {
    Consume consume;
    consume.queue = wish.queues[i];
    consume.id = ConsumerId(i + 1);
    consume.credit = 1'000'000;
    connection->consume(consume, [&, i](result<QueueAddress> answer) {
      --unanswered;
      if (answer) contents[wish.queues[i]];
    });
  }
  machine.run_until([&] { return unanswered == 0; });
  machine.run_until([&] { return machine.wall_ms() >= wish.until_ms; });
  // The disk is looked at every two seconds for ever: rest is when nothing else happens for longer than any
  // retry waits.
  std::uint64_t seen = UINT64_MAX;
  while (seen != drainer.count) {
    seen = drainer.count;
    machine.run_for(runtime::Milliseconds(1500));
  }
  for (std::size_t i = 0; i < wish.queues.size(); ++i) {
    const auto it = contents.find(wish.queues[i]);
    if (it != contents.end()) it->second = std::move(drainer.found[i + 1]);
  }
  return contents;
}

}  // namespace

Contents look_at(simulation::FileSystem& files, const NodeOptions& options, const LookWish& wish,
                 Prng& luck) {
  if (wish.stop_before) {
    Machine machine(files, luck.next(), options, wish.shards, wish.wall_ms);
    EXPECT_TRUE(machine.start()) << machine.error;
    if (!machine.error.empty() || !machine.stop()) return {};
  }
  auto copy = files.clone();
  Machine machine(*copy, luck.next(), options, wish.shards, wish.wall_ms);
  if (!machine.start()) {
    ADD_FAILURE() << "recovery fails: " << machine.error;
    return {};
  }
  const std::uint64_t expected = machine.node().recovery().messages;
  Drainer drainer;
  std::unique_ptr<Connection> connection;
  Contents contents = drain(machine, wish, drainer, connection);
  EXPECT_TRUE(drainer.count >= expected || wish.may_drop)
      << "recovery counted " << expected << " messages, " << drainer.count << " are served";
  EXPECT_LE(drainer.count, expected + wish.held_back) << "more is served than recovery counted";
  EXPECT_TRUE(drainer.durable) << "a transient message survived";
  connection.reset();
  return contents;
}

}  // namespace millrace::broker
