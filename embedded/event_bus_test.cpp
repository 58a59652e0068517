// The event bus over a broker: the same bus as in process, and what it looks like to others.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "embedded/event_bus_test.hpp"
#include "millrace/embedded.hpp"

namespace millrace {
namespace {

using namespace embedded_test;
using namespace std::chrono_literals;

struct EventBusOverBroker : Listening, OnOneBroker {
  auto note(std::string prefix) {
    return [this, prefix](const auto& order) { notes.add(prefix + std::to_string(order.number)); };
  }
  // Before long a mandatory message finds no queue.
  bool nobody_listens(const std::string& topic) {
    for (int i = 0; i < 1000; ++i) {
      const ErrorKind kind =
          kind_thrown([&] { other_client.publish(Address("millrace.events", topic), "{}"); });
      if (kind != ErrorKind::none) return kind == ErrorKind::unroutable;
    }
    return false;
  }
};

TEST_F(EventBusOverBroker, brings_events_to_listeners_of_every_program_in_order) {
  event_bus here(carrier(client));
  event_bus there(carrier(other_client));
  auto mine = here.on<OrderPlaced>(note("here "));
  here.emit(OrderPlaced{0, "heard here alone"});
  EXPECT_EQ(notes.wait_for(1), Heard{"here 0"});
  mine.remove();
  auto theirs = there.on<OrderPlaced>(note("there "));
  Heard expected{"here 0"};
  for (int i = 1; i <= 100; ++i) {
    here.emit(OrderPlaced{i, "x"});
    expected.push_back("there " + std::to_string(i));
  }
  EXPECT_EQ(notes.wait_for(101), expected);
}

TEST_F(EventBusOverBroker, types_and_patterns_choose) {
  event_bus bus(carrier(client));
  auto placed = bus.on<OrderPlaced>("orders.#", note("placed "));
  auto europe = bus.on<OrderPlaced>("orders.*.eu", note("eu "));
  auto paid = bus.on<OrderPaid>(note("paid "));
  bus.emit(OrderPlaced{1, ""});
  bus.emit("orders.placed.eu", OrderPlaced{2, ""});
  bus.emit(OrderPaid{3});
  bus.emit("elsewhere", OrderPaid{4});
  bus.emit(OrderPaid{5});
  EXPECT_EQ(notes.wait_for(5), (Heard{"placed 1", "placed 2", "eu 2", "paid 3", "paid 5"}));
}

TEST_F(EventBusOverBroker, listeners_come_and_go_also_inside_listeners) {
  event_bus bus(carrier(client));
  event_listener second;
  event_listener first = bus.on<OrderPlaced>([&](const OrderPlaced& order) {
    notes.add("first " + std::to_string(order.number));
    first.remove();
    second = bus.on<OrderPlaced>(note("second "));
    bus.emit(OrderPlaced{order.number + 1, ""});
  });
  bus.emit(OrderPlaced{1, ""});
  EXPECT_EQ(notes.wait_for(2), (Heard{"first 1", "second 2"}));
  EXPECT_FALSE(first.registered());
}

TEST_F(EventBusOverBroker, a_pattern_stays_bound_while_somebody_listens_to_it) {
  event_bus bus(carrier(client));
  auto one = bus.on<OrderPlaced>(note("one "));
  auto two = bus.on<OrderPlaced>(note("two "));
  one.remove();
  bus.emit(OrderPlaced{1, ""});
  EXPECT_EQ(notes.wait_for(1), Heard{"two 1"});
  two.remove();
  EXPECT_TRUE(nobody_listens("orders.placed"));
}

TEST_F(EventBusOverBroker, travels_as_an_ordinary_message_of_a_topic_exchange) {
  event_bus bus(carrier(client));
  other_client.declare_exchange(ExchangeSpec("millrace.events", "topic"));
  other_client.declare_queue("spy");
  other_client.bind(BindingSpec("millrace.events", "spy", "#"));
  Consumer spy = other_client.consume("spy");
  bus.emit("orders.placed.eu", OrderPlaced{7, "Ann"});
  Delivery seen = spy.next();
  EXPECT_EQ(seen.routing_key(), "orders.placed.eu");
  EXPECT_EQ(seen.message().type, "orders.placed");
  EXPECT_EQ(seen.message().content_type, "application/json");
  EXPECT_EQ(seen.body(), R"({"number":7,"customer":"Ann"})");
  EXPECT_TRUE(seen.message().persistent);
  seen.ack();

  // And by a program that knows nothing of types.
  auto paid = bus.on<OrderPaid>(note("paid "));
  other_client.publish(Address("millrace.events", "orders.paid"), R"({"number":8})");
  EXPECT_EQ(notes.wait_for(1), Heard{"paid 8"});
}

TEST_F(EventBusOverBroker, what_cannot_be_read_or_throws_is_reported_and_stops_nothing) {
  event_bus bus(carrier(client));
  auto paid = bus.on<OrderPaid>([&](const OrderPaid& order) {
    if (order.number == 1) throw std::runtime_error("not that one");
    notes.add("paid " + std::to_string(order.number));
  });
  other_client.publish(Address("millrace.events", "orders.paid"), "no JSON");
  bus.emit(OrderPaid{1});
  bus.emit(OrderPaid{2});
  EXPECT_EQ(notes.wait_for(1), Heard{"paid 2"});
  const Heard why = failures.wait_for(2);
  ASSERT_EQ(why.size(), 2u);
  EXPECT_NE(why[0].find("cannot be read as application/json"), std::string::npos) << why[0];
  EXPECT_EQ(why[1], "event 'orders.paid': not that one");
}

TEST_F(EventBusOverBroker, refuses_types_that_were_not_named) {
  event_bus bus(carrier(client));
  const auto refused = [](auto call) { return kind_thrown(call) == ErrorKind::invalid_argument; };
  EXPECT_TRUE(refused([&] { bus.emit(Unknown{}); }));
  EXPECT_TRUE(refused([&] { bus.on<Unknown>([](const Unknown&) {}).keep(); }));
  EXPECT_TRUE(refused([&] { over_broker<Json, OrderPaid, OrderPaid>(client); }));
}

TEST_F(EventBusOverBroker, leaves_no_queue_behind_and_listeners_may_outlive_it) {
  event_listener late;
  {
    event_bus bus(carrier(client));
    late = bus.on<OrderPaid>(note("paid "));
    EXPECT_TRUE(late.registered());
  }
  EXPECT_FALSE(late.registered());
  late.remove();
  EXPECT_TRUE(nobody_listens("orders.paid"));
}

TEST(EventBusOverBrokerRestart, listens_again_after_the_broker_came_back) {
  auto broker = std::make_unique<embedded>(embedded_options{.name = "bus-restart"});
  ClientOptions options(broker->address());
  options.backoff_min = 5ms;
  options.backoff_max = 20ms;
  Client client(options);
  Notes notes;
  std::atomic<int> connects{0};
  client.on_event([&](const Event& event) { connects += event.kind == EventKind::connected; });
  event_bus bus(over_broker<Json, OrderPaid>(client));
  auto paid = bus.on<OrderPaid>([&](const OrderPaid& order) { notes.add(std::to_string(order.number)); });
  bus.emit(OrderPaid{1});
  EXPECT_EQ(notes.wait_for(1), Heard{"1"});
  broker.reset();
  broker = std::make_unique<embedded>(embedded_options{.name = "bus-restart"});
  for (int i = 0; i < 2000 && connects < 2; ++i) std::this_thread::sleep_for(10ms);
  bus.emit(OrderPaid{2});
  EXPECT_EQ(notes.wait_for(2), (Heard{"1", "2"}));
}

}  // namespace
}  // namespace millrace
