// What a crash finds sent on and not yet settled comes once, to every place it was sent to.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "broker/management.hpp"
#include "broker/node/simulated_node_test.hpp"

namespace millrace::broker {
namespace {

constexpr runtime::Milliseconds kSoon(100);
constexpr int kKills = 8;  // what is sent on is settled within half as many steps

// A connection to a node, and what it is told.
class Program final : public ConnectionListener {
 public:
  explicit Program(simulation::FileSystem& files) : node_(files) {
    node_.run_until([this] {
      auto opened = node_->gate(0).open(Subject{"guest", {"administrator"}}, "/", {}, *this);
      if (opened) connection_ = std::move(*opened);
      return connection_ != nullptr;
    });
  }

  void declare_exchange(std::string_view name, std::string_view type) {
    ExchangeDeclare declare;
    declare.name = name;
    declare.type = type;
    declare.durable = true;
    ask([&](Done<void> done) { connection_->declare_exchange(declare, std::move(done)); });
  }
  void declare_queue(std::string_view name, Arguments arguments = {}) {
    QueueDeclare declare;
    declare.name = name;
    declare.durable = true;
    declare.arguments = std::move(arguments);
    ask([&](Done<void> done) {
      connection_->declare_queue(
          declare,
          [done = std::move(done)](const result<QueueStatus>& answer) mutable { done(outcome_of(answer)); });
    });
  }
  void bind(std::string_view exchange, std::string_view queue) {
    ask([&](Done<void> done) { connection_->bind(exchange, queue, false, "", {}, std::move(done)); });
  }
  // Until it is confirmed.
  void publish(std::string_view queue, std::string_view body, std::uint8_t priority = 0) {
    Message::Fields fields;
    fields.durable = true;
    fields.priority = priority;
    fields.received_ms = node_->gate(0).wall_ms();
    fields.routing_key = queue;
    Publish publish;
    publish.routing_key = queue;
    publish.message = Message::create(fields, as_bytes(body));
    publish.token = ++published_;
    const auto outcome = connection_->publish(publish);
    ASSERT_TRUE(outcome && outcome->routed && outcome->pending);
    node_.run_until([this] { return confirmed_ == published_; });
  }
  std::optional<GotMessage> get(std::string_view queue) {
    std::optional<GotMessage> got;
    ask([&](Done<void> done) {
      connection_->get(queue, false,
                       [&got, done = std::move(done)](result<std::optional<GotMessage>> answer) mutable {
                         if (answer) got = std::move(*answer);
                         done(outcome_of(answer));
                       });
    });
    return got;
  }
  void reject(const GotMessage& message) {
    connection_->settle(message.queue, ConsumerId(), {&message.delivery.seq, 1}, Settlement::reject);
  }
  std::vector<std::string> drain(std::string_view queue) {
    std::vector<std::string> bodies;
    while (const auto got = get(queue)) bodies.emplace_back(as_text(got->delivery.message->body()));
    return bodies;
  }

  void run_for(runtime::Nanoseconds time) { node_.run_for(time); }
  void run_steps(int count) {
    node_.run_until([&] { return count-- == 0; });
  }

  // From the node.
  void on_confirm(std::span<const Confirmation> confirmations) override {
    confirmed_ += confirmations.size();
    for (const Confirmation& confirmation : confirmations) EXPECT_TRUE(confirmation.accepted);
  }
  void on_deliver(ConsumerId, Delivery&&) override {}
  void on_consumer_cancelled(ConsumerId) override {}
  void on_blocked(std::string_view) override {}
  void on_unblocked() override {}
  void on_close_requested(const Error&) override {}
  void on_turn_end() override {}

 private:
  template <class Call>
  void ask(Call call) {
    bool answered = false;
    call([&](const result<void>& outcome) {
      answered = true;
      EXPECT_TRUE(outcome) << outcome.error().text;
    });
    node_.run_until([&] { return answered; });
  }

  SimulatedNode node_;
  std::unique_ptr<Connection> connection_;
  std::uint64_t published_ = 0;
  std::uint64_t confirmed_ = 0;
};

// A history and what follows it, where the messages of `queue` go when they die. Between its copies, of which
// one goes by the history, and its settlement a message takes a few steps.
void declare_dying(Program& program, std::string_view queue, Arguments arguments) {
  program.declare_exchange("history", "x-recent-history");
  program.declare_queue("follower");
  program.bind("history", "follower");
  arguments.set("x-dead-letter-exchange", Value::text("history"));
  program.declare_queue(queue, std::move(arguments));
}

// The process is killed so many steps after its first message began to die.
void die(Program& program, std::string_view queue, int steps) {
  const auto dying = program.get(queue);
  ASSERT_TRUE(dying);
  program.reject(*dying);
  program.run_steps(steps);
}

void expect_once(Program& program, const std::string& body, int steps) {
  program.declare_queue("newcomer");
  program.bind("history", "newcomer");
  program.run_for(kSoon);
  EXPECT_EQ(program.drain("newcomer"), std::vector<std::string>{body}) << steps << " steps";
  EXPECT_EQ(program.drain("follower"), std::vector<std::string>{body}) << steps << " steps";
}

TEST(SentOn, is_remembered_once_by_a_history_whenever_the_process_is_killed) {
  for (int steps = 0; steps < kKills; ++steps) {
    simulation::FileSystem files;
    {
      Program program(files);
      declare_dying(program, "orders", {});
      program.publish("orders", "once");
      die(program, "orders", steps);
    }
    Program program(files);
    program.run_for(kSoon);
    if (const auto again = program.get("orders")) program.reject(*again);
    program.run_for(kSoon);
    expect_once(program, "once", steps);
  }
}

bool has_segment(const simulation::FileSystem& files) {
  const auto paths = files.paths();
  return std::any_of(paths.begin(), paths.end(), [](const std::string& path) {
    return path.find("/segment-") != std::string::npos && !path.ends_with(".tmp");
  });
}

// Two levels share the numbers of a queue, so that only who reads a run of it knows which are in it.
TEST(SentOn, comes_once_out_of_a_segment_that_the_next_start_cannot_read) {
  for (int steps = 0; steps < kKills; ++steps) {
    simulation::FileSystem files;
    {
      Program program(files);
      declare_dying(program, "levels", Arguments({{"x-max-priority", Value::integer(1)}}));
      program.declare_queue("filler");
      for (int i = 0; i < 6; ++i) program.publish("levels", std::to_string(i), i % 2 == 0);
      const std::string filler(4096, 'x');
      for (int i = 0; i < 100 && !has_segment(files); ++i) program.publish("filler", filler);
      ASSERT_TRUE(has_segment(files));
      program.run_for(kSoon);
      die(program, "levels", steps);
    }
    files.fail_reads(1);
    Program program(files);
    files.fail_reads(0);
    program.run_for(runtime::Milliseconds(5000));  // the queue tries again
    const auto next = program.get("levels");
    ASSERT_TRUE(next);
    if (as_text(next->delivery.message->body()) == "0") program.reject(*next);
    program.run_for(kSoon);
    expect_once(program, "0", steps);
  }
}

}  // namespace
}  // namespace millrace::broker
