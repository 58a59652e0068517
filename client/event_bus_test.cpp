#include "millrace/event_bus.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

namespace millrace {
namespace {

struct OrderPlaced {
  static constexpr std::string_view topic = "orders.placed";
  int number = 0;
};

struct OrderPaid {
  static constexpr std::string_view topic = "orders.paid";
  int number = 0;
};

TEST(EventBus, calls_the_listeners_of_a_type_in_order) {
  event_bus bus;
  std::string heard;
  auto first =
      bus.on<OrderPlaced>([&](const OrderPlaced& order) { heard += "a" + std::to_string(order.number); });
  auto other = bus.on<OrderPaid>([&](const OrderPaid&) { heard += "paid"; });
  auto second =
      bus.on<OrderPlaced>([&](const OrderPlaced& order) { heard += "b" + std::to_string(order.number); });
  bus.emit(OrderPlaced{1});
  bus.emit(OrderPlaced{2});
  EXPECT_EQ(heard, "a1b1a2b2");
}

TEST(EventBus, a_removed_listener_hears_nothing_more) {
  event_bus bus;
  int heard = 0;
  auto count = [&heard](const OrderPlaced&) { ++heard; };
  auto removed = bus.on<OrderPlaced>(count);
  bus.on<OrderPlaced>(count).keep();
  {
    auto scoped = bus.on<OrderPlaced>(count);
    bus.emit(OrderPlaced{});
    EXPECT_EQ(heard, 3);
  }
  EXPECT_TRUE(removed.registered());
  removed.remove();
  removed.remove();
  EXPECT_FALSE(removed.registered());
  bus.emit(OrderPlaced{});
  EXPECT_EQ(heard, 4);
}

TEST(EventBus, patterns_choose_topics_of_a_type) {
  event_bus bus;
  std::string heard;
  auto europe = bus.on<OrderPlaced>("orders.*.eu", [&](const OrderPlaced&) { heard += "e"; });
  auto all = bus.on<OrderPlaced>("orders.#", [&](const OrderPlaced&) { heard += "a"; });
  bus.emit("orders.placed.eu", OrderPlaced{});
  bus.emit("orders.placed.us", OrderPlaced{});
  bus.emit("orders.placed.eu", OrderPaid{});
  EXPECT_EQ(heard, "eaa");
  EXPECT_THROW(bus.emit(std::string(256, 'x'), OrderPlaced{}), std::length_error);
}

TEST(EventBus, through_a_loop_nothing_is_called_inside_emit) {
  std::deque<std::function<void()>> tasks;
  std::vector<int> heard;
  event_listener listener;
  {
    event_bus bus([&](std::function<void()> task) { tasks.push_back(std::move(task)); });
    listener = bus.on<OrderPlaced>([&](const OrderPlaced& order) { heard.push_back(order.number); });
    for (int n : {1, 2, 3}) bus.emit(OrderPlaced{n});
    EXPECT_TRUE(heard.empty());
    tasks[0]();
    tasks[1]();
    EXPECT_EQ(heard, (std::vector{1, 2}));
  }
  tasks[2]();
  EXPECT_EQ(heard.size(), 2U) << "the bus is gone";
  EXPECT_FALSE(listener.registered());
}

TEST(EventBus, a_listener_removed_while_an_event_is_on_its_way_does_not_hear_it) {
  std::deque<std::function<void()>> tasks;
  event_bus bus([&](std::function<void()> task) { tasks.push_back(std::move(task)); });
  int heard = 0;
  auto listener = bus.on<OrderPlaced>([&](const OrderPlaced&) { ++heard; });
  bus.emit(OrderPlaced{});
  listener.remove();
  tasks.front()();
  EXPECT_EQ(heard, 0);
}

TEST(EventBus, an_exception_of_one_listener_keeps_no_other_from_being_called) {
  event_bus bus;
  int heard = 0;
  auto bad = bus.on<OrderPlaced>([](const OrderPlaced&) { throw std::runtime_error("bad listener"); });
  auto good = bus.on<OrderPlaced>([&](const OrderPlaced&) { ++heard; });
  EXPECT_THROW(bus.emit(OrderPlaced{}), std::runtime_error);
  EXPECT_EQ(heard, 1);
}

TEST(EventBus, listeners_may_emit_register_and_remove) {
  event_bus bus;
  std::string heard;
  event_listener once, late;
  once = bus.on<OrderPlaced>([&](const OrderPlaced& order) {
    once.remove();
    late = bus.on<OrderPlaced>([&](const OrderPlaced&) { heard += "late"; });
    bus.emit(OrderPaid{order.number});
    heard += "once";
  });
  auto paid = bus.on<OrderPaid>([&](const OrderPaid&) { heard += "paid"; });
  bus.emit(OrderPlaced{});
  EXPECT_EQ(heard, "paidonce") << "who registers meanwhile hears the next one";
  bus.emit(OrderPlaced{});
  EXPECT_EQ(heard, "paidoncelate");
}

TEST(EventBus, remove_waits_for_a_listener_that_is_running) {
  event_bus bus;
  std::atomic<bool> inside{false}, done{false};
  auto listener = bus.on<OrderPlaced>([&](const OrderPlaced&) {
    inside = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    done = true;
  });
  std::jthread emitter([&] { bus.emit(OrderPlaced{}); });
  while (!inside) std::this_thread::yield();
  listener.remove();
  EXPECT_TRUE(done);
}

TEST(EventBus, inside_one_process_a_name_means_nothing) {
  std::deque<std::function<void()>> tasks;
  event_bus by_loop([&](std::function<void()> task) { tasks.push_back(std::move(task)); });
  event_bus at_once;
  std::string heard;
  const listen_as name("billing");
  for (event_bus* bus : {&at_once, &by_loop}) {
    auto first = bus->on<OrderPlaced>([&](const OrderPlaced&) { heard += "a"; }, name);
    auto second = bus->on<OrderPlaced>(
        "orders.*", [&](const OrderPlaced&) { heard += "b"; }, name);
    auto plain = bus->on<OrderPlaced>([&](const OrderPlaced&) { heard += "c"; });
    bus->emit(OrderPlaced{});
    if (!tasks.empty()) tasks.front()();
    EXPECT_EQ(heard, "abc");
    first.forget();
    EXPECT_FALSE(first.registered());
    second.remove();
    bus->emit(OrderPlaced{});
    auto again = bus->on<OrderPlaced>([&](const OrderPlaced&) { heard += "d"; }, name);
    plain.remove();
    if (!tasks.empty()) again.remove(), tasks.back()();
    EXPECT_EQ(heard, bus == &at_once ? "abcc" : "abc") << "nothing is kept for it";
    heard.clear();
  }
  EXPECT_THROW(listen_as(""), std::invalid_argument);
  EXPECT_THROW(listen_as("billing:eu"), std::invalid_argument);
}

// Keeps for each name what is emitted, until it is brought on.
class KeepingCarrier final : public event_carrier {
 public:
  std::vector<std::string>& log;
  std::function<bool(const event&)> deliver;
  std::optional<event> kept;

  explicit KeepingCarrier(std::vector<std::string>& told) : log(told) {}
  void carry(event what, receiver to_all) override {
    to_all(what);
    kept = std::move(what);
  }
  void listening(std::string_view pattern, std::type_index) override { note("listening", pattern); }
  void not_listening(std::string_view pattern) noexcept override { note("not listening", pattern); }
  std::unique_ptr<event_subscription> subscribe(std::string_view name, std::string_view pattern,
                                                std::type_index, one_receiver to) override {
    note("subscribed " + std::string(name), pattern);
    deliver = std::move(to);
    return std::make_unique<Kept>(*this);
  }

 private:
  struct Kept final : event_subscription {
    KeepingCarrier& carrier;
    explicit Kept(KeepingCarrier& of) : carrier(of) {}
    ~Kept() override { carrier.note("stopped", ""); }
    void forget() override {
      carrier.note("forgotten", "");
      throw std::runtime_error("cannot be told");
    }
  };
  void note(std::string what, std::string_view pattern) {
    log.push_back(std::move(what.append(pattern.empty() ? "" : " ").append(pattern)));
  }
};

TEST(EventBus, a_carrier_that_keeps_events_for_a_name_delivers_to_that_listener_alone) {
  std::vector<std::string> log;
  auto made = std::make_unique<KeepingCarrier>(log);
  KeepingCarrier& carrier = *made;
  event_bus bus(std::move(made));
  auto plain = bus.on<OrderPlaced>([&](const OrderPlaced&) { log.push_back("plain"); });
  auto kept = bus.on<OrderPlaced>(
      "orders.*", [&](const OrderPlaced&) { log.push_back("kept"); }, listen_as("billing"));
  EXPECT_EQ(log, (std::vector<std::string>{"listening orders.placed", "subscribed billing orders.*"}));
  log.clear();
  bus.emit(OrderPlaced{});
  EXPECT_EQ(log, std::vector<std::string>{"plain"});
  EXPECT_TRUE(carrier.deliver(*carrier.kept));
  EXPECT_EQ(log, (std::vector<std::string>{"plain", "kept"}));
  log.clear();
  kept.remove();
  EXPECT_EQ(log, std::vector<std::string>{"stopped"});
  EXPECT_FALSE(carrier.deliver(*carrier.kept)) << "so that it is kept for the next one";

  kept = bus.on<OrderPlaced>([](const OrderPlaced&) {}, listen_as("billing"));
  log.clear();
  EXPECT_THROW(kept.forget(), std::runtime_error);
  EXPECT_EQ(log, (std::vector<std::string>{"forgotten", "stopped"}));
  EXPECT_FALSE(kept.registered());
}

// Meant for the thread sanitizer as well.
TEST(EventBus, many_threads_emit_while_listeners_come_and_go) {
  event_bus bus;
  std::atomic<int> kept{0};
  bus.on<OrderPlaced>([&](const OrderPlaced&) { ++kept; }).keep();
  {
    std::vector<std::jthread> threads;
    for (int n = 0; n < 3; ++n) {
      threads.emplace_back([&] {
        for (int i = 0; i < 1000; ++i) bus.emit(OrderPlaced{i});
      });
      threads.emplace_back([&] {
        for (int i = 0; i < 200; ++i) {
          std::atomic<int> mine{0};  // gone after remove(), as the sanitizers would notice
          auto listener = bus.on<OrderPaid>([&](const OrderPaid&) { ++mine; });
          bus.emit(OrderPaid{});
          listener.remove();
          EXPECT_GE(mine, 1);
        }
      });
    }
  }
  EXPECT_EQ(kept, 3000);
}

TEST(EventTopic, matches_as_a_topic_exchange_does) {
  const std::string_view matching[][2] = {
      {"a.b", "a.b"},     {"*.b", "a.b"},     {"#", ""},          {"#", "a.b.c"},       {"a.#", "a"},
      {"#.c", "a.b.c"},   {"#.c", "c"},       {"a.#.c", "a.c"},   {"a.#.c", "a.c.b.c"}, {"#.#", "a"},
      {"a.*.#", "a.b.c"}, {"*.#.*", "a.b"},   {"", ""},           {"*", "a"},           {"a..b", "a..b"},
      {"a.*.b", "a..b"},  {"#.a.#", "b.a.c"}, {"#.b.c", "b.b.c"},
  };
  for (const auto& [pattern, topic] : matching)
    EXPECT_TRUE(topic_matches(pattern, topic)) << pattern << " " << topic;
  const std::string_view other[][2] = {
      {"a.b", "a"}, {"a", "a.b"}, {"*", ""},      {"*", "a.b"},       {"*.#.*", "a"}, {"a.#.c", "a.b"},
      {"", "a"},    {"a.*", "a"}, {"#.a", "a.b"}, {"*.b.#", "a.c.b"}, {"a*", "ab"},
  };
  for (const auto& [pattern, topic] : other)
    EXPECT_FALSE(topic_matches(pattern, topic)) << pattern << " " << topic;
}

}  // namespace
}  // namespace millrace
