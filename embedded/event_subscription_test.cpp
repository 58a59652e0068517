// Listeners with a name over a broker: what is emitted while they are away waits for them.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <thread>
#include <type_traits>

#include "embedded/event_bus_test.hpp"
#include "millrace/embedded.hpp"

namespace millrace {
namespace {

using namespace embedded_test;
using namespace std::chrono_literals;

constexpr const char* kQueue = "millrace.events:billing:orders.placed:orders.*";

bool comes_true(const std::function<bool()>& condition) {
  for (const auto end = std::chrono::steady_clock::now() + 20s; std::chrono::steady_clock::now() < end;) {
    if (condition()) return true;
    std::this_thread::sleep_for(1ms);
  }
  return false;
}

// Names a number for each event that is heard, and what became of it otherwise.
struct Billing : Listening {
  auto note(Notes& to) {
    return [&to](const auto& order) { to.add(std::to_string(order.number)); };
  }
  event_listener bill(event_bus& bus, Notes& to) {
    return bus.on<OrderPlaced>("orders.*", note(to), listen_as("billing"));
  }
  static Heard numbers(int first, int last) {
    Heard all;
    for (int i = first; i <= last; ++i) all.push_back(std::to_string(i));
    return all;
  }
  static void emit(event_bus& bus, int first, int last) {
    for (int i = first; i <= last; ++i) bus.emit(OrderPlaced{i, ""});
  }
};

struct EventSubscription : Billing, OnOneBroker {
  // Once all that was emitted on this client is confirmed, and so routed.
  void wait_until_routed() { other_client.publish(Address("millrace.events", "orders.placed"), none()); }
  // An event that no listener is told of, and of which its emitter hears that a queue took it.
  static Message none() {
    Message message("{}");
    message.type = "no such type";
    return message;
  }
  bool is_there(const std::string& queue) {
    return kind_thrown([&] { other_client.inspect_queue(queue); }) == ErrorKind::none;
  }
  std::uint32_t waiting_in(const std::string& queue) { return other_client.inspect_queue(queue).messages; }
};

TEST_F(EventSubscription, hears_in_order_what_was_emitted_while_it_was_away) {
  event_bus emitting(carrier(other_client));
  {
    event_bus bus(carrier(client));
    auto listener = bill(bus, notes);
    emit(emitting, 1, 3);
    EXPECT_EQ(notes.wait_for(3), numbers(1, 3));
    listener.remove();
    emit(emitting, 4, 50);
    wait_until_routed();
    listener = bill(bus, notes);
    EXPECT_EQ(notes.wait_for(50), numbers(1, 50));
  }
  emit(emitting, 51, 100);
  wait_until_routed();
  Client next_client(broker.address());
  event_bus bus(carrier(next_client));
  auto listener = bill(bus, notes);
  EXPECT_EQ(notes.wait_for(100), numbers(1, 100)) << "the bus was gone";
  emit(emitting, 101, 101);
  EXPECT_EQ(notes.wait_for(101), numbers(1, 101));
}

TEST_F(EventSubscription, hears_each_event_once_beside_listeners_without_a_name) {
  event_bus bus(carrier(client));
  Notes plain;
  auto with_name = bill(bus, notes);
  auto without = bus.on<OrderPlaced>("orders.*", note(plain));
  emit(bus, 1, 20);
  EXPECT_EQ(notes.wait_for(20), numbers(1, 20));
  EXPECT_EQ(plain.wait_for(20), numbers(1, 20));
  with_name.remove();
  without.remove();
  EXPECT_EQ(notes.wait_for(0), numbers(1, 20));
  EXPECT_EQ(plain.wait_for(0), numbers(1, 20)) << "heard twice, from its queue and from the other's";
}

TEST_F(EventSubscription, drops_events_of_other_types_that_its_pattern_lets_through) {
  event_bus bus(carrier(client));
  auto listener = bill(bus, notes);
  bus.emit(OrderPaid{1});
  other_client.publish(Address("millrace.events", "orders.placed"), none());
  bus.emit(OrderPlaced{2, ""});
  EXPECT_EQ(notes.wait_for(1), Heard{"2"});
  listener.remove();
  EXPECT_TRUE(comes_true([&] { return other_client.inspect_queue(kQueue).consumers == 0; }));
  EXPECT_EQ(waiting_in(kQueue), 0u);
}

TEST_F(EventSubscription, is_one_for_a_name_a_type_and_a_pattern) {
  event_bus bus(carrier(client));
  Notes wide, paid, shipping;
  bill(bus, notes).remove();
  bus.on<OrderPlaced>("orders.#", note(wide), listen_as("billing")).remove();
  bus.on<OrderPaid>("orders.*", note(paid), listen_as("billing")).remove();
  bus.emit(OrderPlaced{1, ""});
  bus.emit("orders.placed.eu", OrderPlaced{2, ""});
  bus.emit(OrderPaid{3});
  auto all_wide = bus.on<OrderPlaced>("orders.#", note(wide), listen_as("billing"));
  auto all_paid = bus.on<OrderPaid>("orders.*", note(paid), listen_as("billing"));
  auto new_here = bus.on<OrderPlaced>("orders.*", note(shipping), listen_as("shipping"));
  bus.emit(OrderPlaced{4, ""});
  EXPECT_EQ(wide.wait_for(3), (Heard{"1", "2", "4"}));
  EXPECT_EQ(paid.wait_for(1), Heard{"3"});
  EXPECT_EQ(shipping.wait_for(1), Heard{"4"});
  auto with_the_first_pattern = bill(bus, notes);
  EXPECT_EQ(notes.wait_for(2), (Heard{"1", "4"})) << "neither dropped nor heard by the other pattern";
}

TEST_F(EventSubscription, listens_by_its_type_s_own_topic_when_no_pattern_is_given) {
  event_bus bus(carrier(client));
  bus.on<OrderPlaced>(note(notes), listen_as("billing")).remove();
  bus.emit(OrderPlaced{1, ""});
  bus.emit("orders.elsewhere", OrderPlaced{2, ""});
  bus.emit(OrderPlaced{3, ""});
  auto listener = bus.on<OrderPlaced>(note(notes), listen_as("billing"));
  EXPECT_EQ(notes.wait_for(2), (Heard{"1", "3"}));
  EXPECT_TRUE(is_there("millrace.events:billing:orders.placed:orders.placed"));
}

TEST_F(EventSubscription, is_shared_by_those_who_listen_alike) {
  event_bus here(carrier(client)), there(carrier(other_client));
  Notes others;
  auto mine = bill(here, notes);
  auto theirs = bill(there, others);
  int emitted = 0;
  for (; emitted < 10'000 && (notes.wait_for(0).empty() || others.wait_for(0).empty()); ++emitted)
    emit(here, emitted, emitted);
  const auto heard = [&] {
    Heard all = notes.wait_for(0);
    for (std::string& one : others.wait_for(0)) all.push_back(std::move(one));
    return all;
  };
  EXPECT_TRUE(comes_true([&] { return heard().size() == static_cast<std::size_t>(emitted); })) << emitted;
  const Heard all = heard();
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), all.size()) << "one was heard by both";
  EXPECT_LT(notes.wait_for(0).size(), all.size());
  EXPECT_LT(others.wait_for(0).size(), all.size());
}

TEST_F(EventSubscription, forgetting_deletes_what_is_kept_and_tells_those_who_share_it) {
  event_bus here(carrier(client)), there(carrier(other_client));
  auto mine = bill(here, notes);
  auto theirs = bill(there, notes);
  mine.forget();
  EXPECT_FALSE(mine.registered());
  EXPECT_FALSE(is_there(kQueue));
  const Heard why = failures.wait_for(1);
  ASSERT_EQ(why.size(), 1u);
  EXPECT_EQ(why[0].find("nothing more is heard by '" + std::string(kQueue) + "': "), 0u) << why[0];
  theirs.remove();
  emit(here, 1, 1);
  auto again = bill(here, notes);
  emit(here, 2, 2);
  EXPECT_EQ(notes.wait_for(1), Heard{"2"});
}

TEST_F(EventSubscription, forgetting_is_removing_where_there_is_nothing_to_forget) {
  event_bus bus(carrier(client));
  auto without_a_name = bus.on<OrderPlaced>(note(notes));
  without_a_name.forget();
  EXPECT_FALSE(without_a_name.registered());
  auto removed = bill(bus, notes);
  removed.remove();
  removed.forget();
  EXPECT_TRUE(is_there(kQueue)) << "there is no way back to it";
}

TEST_F(EventSubscription, forgetting_that_the_broker_is_not_told_of_removes_and_says_so) {
  Client closed(broker.address());
  event_bus bus(carrier(closed));
  auto listener = bill(bus, notes);
  closed.close();
  EXPECT_EQ(kind_thrown([&] { listener.forget(); }), ErrorKind::closed);
  EXPECT_FALSE(listener.registered());
  EXPECT_TRUE(is_there(kQueue));
}

TEST_F(EventSubscription, listeners_remove_and_forget_themselves_while_they_run) {
  event_bus bus(carrier(client));
  event_listener removing, forgetting;
  Notes forgotten;
  removing = bus.on<OrderPlaced>(
      "orders.*",
      [&](const OrderPlaced& order) {
        notes.add(std::to_string(order.number));
        if (order.number == 3) removing.remove();
      },
      listen_as("billing"));
  forgetting = bus.on<OrderPlaced>(
      [&](const OrderPlaced& order) {
        forgetting.forget();
        forgotten.add(std::to_string(order.number));
      },
      listen_as("once"));
  emit(bus, 1, 3);
  EXPECT_EQ(notes.wait_for(3), numbers(1, 3));
  EXPECT_EQ(forgotten.wait_for(1), Heard{"1"});
  EXPECT_FALSE(is_there("millrace.events:once:orders.placed:orders.placed"));
  emit(bus, 4, 6);
  auto next = bill(bus, notes);
  EXPECT_EQ(notes.wait_for(6), numbers(1, 6)) << "the one at which it removed itself is done with";
}

TEST_F(EventSubscription, gives_back_what_it_has_not_heard_when_its_bus_ends) {
  event_bus emitting(carrier(other_client));
  std::atomic<bool> stuck{true};
  event_bus keeping(carrier(client));
  EventLoop one_thread(1);
  Client busy(broker.address(), one_thread);
  {
    event_bus bus(carrier(busy));
    auto listener = bill(bus, failures);  // would be an error
    boost::asio::post(one_thread.executor(), [&] {
      while (stuck) std::this_thread::yield();
    });
    emit(emitting, 1, 20);
    EXPECT_TRUE(comes_true([&] { return waiting_in(kQueue) == 0; }))
        << "they are on their way to the listener";
    listener.remove();
    emit(emitting, 21, 40);
  }
  stuck = false;
  EXPECT_TRUE(comes_true([&] { return waiting_in(kQueue) == 40; })) << waiting_in(kQueue);
  auto next = bill(keeping, notes);
  EXPECT_EQ(notes.wait_for(40), numbers(1, 40));
  EXPECT_EQ(failures.wait_for(0), Heard{});
}

// Reads an event when it is let.
struct Gate {
  static constexpr std::string_view content_type = "text/plain";
  static std::string encode(const OrderPlaced& order) { return std::to_string(order.number); }
  static OrderPlaced decode(std::string_view body, std::type_identity<OrderPlaced>) {
    for (reached = true; !open;) std::this_thread::yield();
    return {std::stoi(std::string(body)), ""};
  }
  static inline std::atomic<bool> reached{false};
  static inline std::atomic<bool> open{false};
};

TEST_F(EventSubscription, gives_back_an_event_that_was_read_while_its_listener_was_removed) {
  Gate::reached = Gate::open = false;
  event_bus bus(over_broker<Gate, OrderPlaced>(client, reporting()));
  auto listener = bill(bus, failures);
  emit(bus, 1, 1);
  EXPECT_TRUE(comes_true([] { return Gate::reached.load(); }));
  listener.remove();
  Gate::open = true;
  auto next = bill(bus, notes);
  EXPECT_EQ(notes.wait_for(1), Heard{"1"});
  EXPECT_EQ(failures.wait_for(0), Heard{});
}

TEST_F(EventSubscription, an_event_at_which_the_listener_throws_is_reported_and_not_heard_again) {
  event_bus bus(carrier(client));
  const auto refuse = [&](const OrderPlaced& order) {
    notes.add(std::to_string(order.number));
    if (order.number == 1) throw std::runtime_error("not that one");
  };
  auto listener = bus.on<OrderPlaced>("orders.*", refuse, listen_as("billing"));
  other_client.publish(Address("millrace.events", "orders.placed"), "no JSON");
  emit(bus, 1, 2);
  EXPECT_EQ(notes.wait_for(2), numbers(1, 2));
  listener.remove();
  const Heard why = failures.wait_for(2);
  ASSERT_EQ(why.size(), 2u);
  EXPECT_NE(why[0].find("event 'orders.placed': "), std::string::npos) << why[0];
  EXPECT_EQ(why[1], "event 'orders.placed': not that one");
  EXPECT_TRUE(comes_true([&] { return other_client.inspect_queue(kQueue).consumers == 0; }));
  EXPECT_EQ(waiting_in(kQueue), 0u);
}

TEST_F(EventSubscription, goes_when_nobody_listens_for_long_enough) {
  broker_bus_options options = reporting();
  options.subscription_expires = 100ms;
  event_bus bus(over_broker<Json, OrderPlaced, OrderPaid>(client, options));
  auto listener = bill(bus, notes);
  event_bus otherwise(carrier(other_client));
  EXPECT_EQ(kind_thrown([&] { bill(otherwise, notes).keep(); }), ErrorKind::precondition)
      << "made with another time";
  listener.remove();
  EXPECT_TRUE(comes_true([&] {  // inspecting it would be using it
    return kind_thrown([&] { wait_until_routed(); }) == ErrorKind::unroutable;
  }));
}

TEST_F(EventSubscription, refuses_names_that_could_be_taken_for_others) {
  event_bus bus(carrier(client));
  const auto refused = [&](std::string pattern, const char* name) {
    return kind_thrown([&] { bus.on<OrderPlaced>(pattern, note(notes), listen_as(name)).keep(); });
  };
  EXPECT_EQ(refused("orders:x", "billing"), ErrorKind::invalid_argument);
  EXPECT_EQ(refused(std::string(250, 'x'), "billing"), ErrorKind::invalid_argument);
  EXPECT_EQ(kind_thrown([&] { bus.on<Unknown>([](const Unknown&) {}, listen_as("billing")).keep(); }),
            ErrorKind::invalid_argument);
}

// A broker that a test starts again.
struct EventSubscriptionRestart : testing::Test, Billing {
  EventSubscriptionRestart() {
    client_options.backoff_min = 5ms;
    client_options.backoff_max = 20ms;
  }
  void start() { broker.emplace(embedded_options{.data_dir = data_dir, .name = "subscriptions"}); }
  void restart() {
    broker.reset();
    start();
  }

  std::string data_dir;
  std::optional<embedded> broker;
  ClientOptions client_options{"embedded://subscriptions"};
};

// On the disk.
struct EventSubscriptionKept : EventSubscriptionRestart {
  EventSubscriptionKept() {
    std::string pattern = ::testing::TempDir() + "millrace-events-XXXXXX";
    data_dir = ::mkdtemp(pattern.data());
    start();
  }
  ~EventSubscriptionKept() override {
    broker.reset();
    std::filesystem::remove_all(data_dir);
  }
};

TEST_F(EventSubscriptionKept, survives_the_broker_for_who_is_away_and_for_who_was_there_all_the_time) {
  Client client(client_options), other_client(client_options);
  event_bus bus(carrier(client)), emitting(carrier(other_client));
  Notes away;
  auto here = bill(bus, notes);
  bus.on<OrderPlaced>("orders.*", note(away), listen_as("archive")).remove();
  emit(emitting, 1, 10);
  EXPECT_EQ(notes.wait_for(10), numbers(1, 10));
  restart();
  emit(emitting, 11, 20);
  // One whose acknowledgement was lost with the connection is heard again, before these.
  EXPECT_TRUE(comes_true([&] { return notes.wait_for(11).back() == "20"; }));
  const Heard heard = notes.wait_for(20);
  EXPECT_EQ(Heard(heard.end() - 10, heard.end()), numbers(11, 20));
  auto back = bus.on<OrderPlaced>("orders.*", note(away), listen_as("archive"));
  EXPECT_EQ(away.wait_for(20), numbers(1, 20));
}

TEST_F(EventSubscriptionKept, hears_an_event_again_that_it_had_not_done_with) {
  Client client(client_options);
  event_bus bus(carrier(client));
  std::atomic<bool> working{true};
  const auto work = [&](const OrderPlaced& order) {
    notes.add(std::to_string(order.number));
    while (working) std::this_thread::yield();
  };
  auto listener = bus.on<OrderPlaced>("orders.*", work, listen_as("billing"));
  emit(bus, 1, 2);
  EXPECT_EQ(notes.wait_for(1), Heard{"1"});
  restart();
  working = false;
  EXPECT_EQ(notes.wait_for(3), (Heard{"1", "1", "2"}));
}

// In memory a restart forgets every queue: there is what the client declares again.
TEST_F(EventSubscriptionRestart, is_made_again_while_somebody_listens_and_never_afterwards) {
  start();
  Client client(client_options);
  event_bus bus(carrier(client)), second_bus(carrier(client));
  auto first = bill(bus, notes);
  auto second = bill(second_bus, notes);
  auto removed = bus.on<OrderPlaced>(note(notes), listen_as("removed"));
  first.remove();
  removed.remove();
  restart();
  const std::string left = "millrace.events:removed:orders.placed:orders.placed";
  EXPECT_TRUE(comes_true([&] { return client.inspect_queue(kQueue).consumers == 1; }));
  EXPECT_EQ(kind_thrown([&] { client.inspect_queue(left); }), ErrorKind::not_found);
  emit(bus, 1, 1);
  EXPECT_EQ(notes.wait_for(1), Heard{"1"});
  second.remove();
  restart();
  EXPECT_EQ(kind_thrown([&] { client.inspect_queue(kQueue); }), ErrorKind::not_found);
}

TEST_F(EventSubscriptionRestart, is_not_made_again_after_somebody_deleted_it) {
  start();
  Client client(client_options);
  event_bus bus(carrier(client));
  auto listener = bill(bus, notes);
  Client(client_options).delete_queue(kQueue);
  EXPECT_EQ(failures.wait_for(1).size(), 1u);
  restart();
  EXPECT_EQ(kind_thrown([&] { client.inspect_queue(kQueue); }), ErrorKind::not_found);
}

}  // namespace
}  // namespace millrace
