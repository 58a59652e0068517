#include "broker/routing_table.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "broker/exchange/test_message.hpp"

namespace millrace::broker {
namespace {

using Ids = std::vector<std::uint64_t>;

struct Table : ::testing::Test {
  RoutingTable table{"/", test::formats(), 1};
  Ref<Message> message = test::message_with({});

  void exchange(std::string_view name, std::string_view type, Arguments with = {}) {
    ExchangeSpec spec = test::exchange_spec(type, std::move(with));
    spec.name = name;
    table.add_exchange(std::move(spec));
  }
  void queue(std::string_view name, std::uint64_t id) { table.add_queue(name, {QueueId(id), ShardId(0)}); }
  static BindingSpec binding(std::string_view source, std::string_view destination, bool to_exchange,
                             std::string_view key) {
    BindingSpec spec;
    spec.vhost = "/";
    spec.source = source;
    spec.destination = destination;
    spec.to_exchange = to_exchange;
    spec.routing_key = key;
    return spec;
  }
  Ids route(std::string_view name, std::string_view key) {
    QueueTargets found;
    const std::string_view keys[] = {key};
    EXPECT_TRUE(table.route(*table.find_exchange(name), keys, *message, found));
    Ids ids;
    for (const QueueAddress& address : found) ids.push_back(address.id.value);
    std::sort(ids.begin(), ids.end());
    return ids;
  }
};

TEST_F(Table, a_queue_declared_anew_has_none_of_its_predecessors_bindings) {
  exchange("x", "fanout");
  queue("q", 1);
  table.bind(binding("x", "q", false, ""));
  EXPECT_EQ(route("x", ""), (Ids{1}));
  table.remove_queue("q");
  queue("q", 2);
  EXPECT_EQ(route("x", ""), Ids{});
  EXPECT_EQ(route("", "q"), (Ids{2}));
}

TEST_F(Table, a_queue_put_in_anothers_place_takes_only_the_name) {
  exchange("x", "fanout");
  queue("q", 1);
  table.bind(binding("x", "q", false, ""));
  queue("q", 2);
  EXPECT_EQ(route("x", ""), Ids{});
  EXPECT_EQ(route("", "q"), (Ids{2}));
}

TEST_F(Table, every_change_raises_the_version) {
  std::uint64_t last = table.version();
  const auto changed = [&] {
    const bool rose = table.version() > last;
    last = table.version();
    return rose;
  };
  exchange("x", "direct");
  EXPECT_TRUE(changed());
  queue("q", 1);
  EXPECT_TRUE(changed());
  table.bind(binding("x", "q", false, "k"));
  EXPECT_TRUE(changed());
  table.set_alternate("x", "y");
  EXPECT_TRUE(changed());
  table.unbind(binding("x", "q", false, "k"));
  EXPECT_TRUE(changed());
  table.remove_queue("q");
  EXPECT_TRUE(changed());
  table.remove_exchange("x");
  EXPECT_TRUE(changed());
  route("", "q");
  EXPECT_FALSE(changed());
}

TEST_F(Table, routes_are_cacheable_where_only_the_key_decides) {
  exchange("direct", "direct");
  exchange("topic", "topic");
  exchange("headers", "headers");
  exchange("random", "x-random");
  exchange("history", "x-recent-history");
  EXPECT_TRUE(table.cacheable(*table.find_exchange("")));
  EXPECT_TRUE(table.cacheable(*table.find_exchange("direct")));
  for (const char* name : {"headers", "random", "history"})
    EXPECT_FALSE(table.cacheable(*table.find_exchange(name))) << name;

  table.bind(binding("direct", "topic", true, "k"));
  EXPECT_TRUE(table.cacheable(*table.find_exchange("direct")));
  table.bind(binding("topic", "headers", true, "k"));
  EXPECT_FALSE(table.cacheable(*table.find_exchange("direct")));
  EXPECT_FALSE(table.cacheable(*table.find_exchange("topic")));
  table.unbind(binding("topic", "headers", true, "k"));
  EXPECT_TRUE(table.cacheable(*table.find_exchange("direct")));
  table.set_alternate("topic", "random");
  EXPECT_FALSE(table.cacheable(*table.find_exchange("direct")));
}

TEST_F(Table, work_beyond_its_bound_gives_no_queues_at_all) {
  exchange("front", "fanout");
  exchange("costly", "topic");
  queue("q", 1);
  table.bind(binding("front", "q", false, ""));
  table.bind(binding("front", "costly", true, ""));
  for (unsigned bits = 0; bits < 1u << 13; ++bits) {
    std::string pattern;
    for (unsigned i = 0; i < 13; ++i) pattern += (bits >> i & 1) != 0 ? "#.a." : "#.b.";
    table.bind(binding("costly", "q", false, pattern + "x"));
  }
  std::string key = "a.b";
  for (int i = 0; i < 60; ++i) key += ".a.b";
  const std::string_view keys[] = {key};
  QueueTargets found;
  EXPECT_FALSE(table.route(*table.find_exchange("front"), keys, *message, found));
  EXPECT_TRUE(found.empty());
  EXPECT_EQ(route("front", "a"), (Ids{1}));
}

TEST_F(Table, more_repeats_than_are_searched_one_by_one_are_dropped_too) {
  exchange("a", "fanout");
  exchange("b", "fanout");
  table.bind(binding("a", "b", true, ""));
  for (std::uint64_t id = 1; id <= 100; ++id) {
    queue("q" + std::to_string(id), id);
    table.bind(binding("a", "q" + std::to_string(id), false, ""));
    table.bind(binding("b", "q" + std::to_string(id), false, ""));
  }
  EXPECT_EQ(route("a", "").size(), 100u);
}

// What the table should do, said as plainly as possible: a list of bindings, searched each time.
struct Model {
  struct OneExchange {
    std::string type;
    std::string alternate;
  };
  std::map<std::string, OneExchange> exchanges;
  std::map<std::string, std::uint64_t> queues;
  std::vector<BindingSpec> bindings;

  void drop_bindings_of(const std::string& name, bool exchange) {
    std::erase_if(bindings, [&](const BindingSpec& one) {
      return (one.destination == name && one.to_exchange == exchange) || (exchange && one.source == name);
    });
  }
  std::set<std::uint64_t> route(const std::string& first, const std::string& key) const {
    std::set<std::uint64_t> reached;
    std::set<std::string> seen{first};
    std::vector<std::string> work{first};
    while (!work.empty()) {
      const std::string name = work.back();
      work.pop_back();
      const OneExchange& exchange = exchanges.at(name);
      bool routed = false;
      const auto visit = [&](const std::string& next) {
        if (exchanges.contains(next) && seen.insert(next).second) work.push_back(next);
      };
      for (const BindingSpec& one : bindings) {
        if (one.source != name) continue;
        if (exchange.type == "direct" && one.routing_key != key) continue;
        routed = true;
        if (one.to_exchange) {
          visit(one.destination);
        } else {
          reached.insert(queues.at(one.destination));
        }
      }
      if (!routed && !exchange.alternate.empty()) visit(exchange.alternate);
    }
    return reached;
  }
};

TEST_F(Table, agrees_with_the_plain_model_while_everything_comes_and_goes) {
  for (const std::uint64_t seed : {20331u, 20332u, 20333u}) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Prng random(seed);
    RoutingTable subject("/", test::formats(), seed);
    Model model;
    std::uint64_t last_id = 0;
    const auto name = [&](const char* prefix) { return prefix + std::to_string(random.below(6)); };
    for (int step = 0; step < 4000; ++step) {
      const std::string exchange = name("x");
      const std::string queue = name("q");
      switch (random.below(12)) {
        case 0:
          subject.remove_exchange(exchange);
          model.exchanges.erase(exchange);
          model.drop_bindings_of(exchange, true);
          break;
        case 1:
          subject.remove_queue(queue);
          model.queues.erase(queue);
          model.drop_bindings_of(queue, false);
          break;
        case 2: {
          if (model.exchanges.contains(exchange)) break;
          ExchangeSpec spec = test::exchange_spec(random.one_in(2) ? "direct" : "fanout");
          spec.name = exchange;
          if (random.one_in(3)) spec.arguments.set("alternate-exchange", Value::text(name("x")));
          const Value* alternate = spec.arguments.find("alternate-exchange");
          model.exchanges[exchange] = {spec.type, alternate != nullptr ? *alternate->as_text() : ""};
          subject.add_exchange(std::move(spec));
          break;
        }
        case 3:
          if (model.queues.contains(queue)) break;
          model.queues[queue] = ++last_id;
          subject.add_queue(queue, {QueueId(last_id), ShardId(0)});
          break;
        default: {
          const bool to_exchange = random.one_in(3);
          const BindingSpec spec = binding(exchange, to_exchange ? name("x") : queue, to_exchange, name("k"));
          const auto there = std::find(model.bindings.begin(), model.bindings.end(), spec);
          if (random.one_in(3)) {
            subject.unbind(spec);
            if (there != model.bindings.end()) model.bindings.erase(there);
            break;
          }
          subject.bind(spec);
          const bool possible =
              model.exchanges.contains(exchange) && (to_exchange ? model.exchanges.contains(spec.destination)
                                                                 : model.queues.contains(spec.destination));
          if (possible && there == model.bindings.end()) model.bindings.push_back(spec);
        }
      }
      const std::string from = name("x");
      const std::string key = name("k");
      Exchange* start = subject.find_exchange(from);
      ASSERT_EQ(start != nullptr, model.exchanges.contains(from)) << from << " at step " << step;
      if (start == nullptr) continue;
      QueueTargets found;
      const std::string_view keys[] = {key};
      ASSERT_TRUE(subject.route(*start, keys, *message, found));
      std::set<std::uint64_t> ids;
      for (const QueueAddress& address : found) {
        ASSERT_TRUE(ids.insert(address.id.value).second) << "twice, at step " << step;
      }
      ASSERT_EQ(ids, model.route(from, key)) << from << " by " << key << " at step " << step;
    }
  }
}

}  // namespace
}  // namespace millrace::broker
