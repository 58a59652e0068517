#include "broker/definitions/change.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/prng.hpp"
#include "simulation/seeds.hpp"

namespace millrace::broker {
namespace {

Arguments some_arguments() {
  return Arguments({{"x-max-length", Value::integer(5)},
                    {"nested", Value::table(Arguments(
                                   {{"list", Value::array({Value::text("a"), Value::boolean(true)})}}))}});
}

ExchangeSpec some_exchange() {
  ExchangeSpec exchange{"/", "orders", "x-delayed-message", true, true, true, some_arguments(), {}, {}};
  exchange.store = QueueId(1u << 20);
  exchange.owner = ShardId(300);
  return exchange;
}

QueueSpec some_queue() {
  QueueSpec queue;
  queue.vhost = "/";
  queue.name = std::string("a name\0with more", 16);
  queue.durable = true;
  queue.auto_delete = true;
  queue.exclusive_owner = ConnectionId(UINT64_MAX);
  queue.arguments = some_arguments();
  queue.address = {QueueId(77), ShardId(3)};
  queue.declared_by = "ann";
  return queue;
}

// One of each kind, no field left as it is made.
std::vector<Change> one_of_each() {
  const BindingSpec binding{"/", "orders", "q", true, "a.*.#", some_arguments()};
  return {
      PutVhost{{"v", "what it is for", {"tag", "other"}, "quorum"}},
      DeleteVhost{"v"},
      PutExchange{some_exchange()},
      DeleteExchange{"v", "orders"},
      PutQueue{some_queue()},
      DeleteQueue{"v", "q", {QueueId(9), ShardId(2)}},
      PutBinding{binding},
      DeleteBinding{binding},
      PutUser{{"u", "stored", {"administrator"}}},
      DeleteUser{"u"},
      PutPermission{{"u", "v", "c", "w", "r"}},
      DeletePermission{"u", "v"},
      PutTopicPermission{{"u", "v", "x", "w", "r"}},
      DeleteTopicPermission{"u", "v", "x"},
      PutPolicy{{"v", "p", "^a", "queues", -7, some_arguments(), true}},
      DeletePolicy{"v", "p", true},
      PutLimit{{true, "u", "max-connections", 12}},
      NextQueueId{1234567},
      PutParameter{{"v", "shovel", "s", "{\"a\":1}"}},
      DeleteParameter{"v", "shovel", "s"},
      ProtectVhost{"v", true},
  };
}

std::vector<std::uint8_t> encoded(const Change& change) {
  Buffer out;
  put_change(out, change);
  return {out.view().begin(), out.view().end()};
}

TEST(Change, comes_back_as_it_was_written) {
  const std::vector<Change> changes = one_of_each();
  ASSERT_EQ(changes.size(), std::variant_size_v<Change>);
  for (std::size_t i = 0; i < changes.size(); ++i) {
    ASSERT_EQ(changes[i].index(), i) << "one of each, in the order of their numbers on disk";
    const auto bytes = encoded(changes[i]);
    Reader in(bytes);
    const Change read = read_change(in);
    EXPECT_FALSE(in.failed()) << i;
    EXPECT_TRUE(in.at_end()) << i;
    EXPECT_EQ(read.index(), i);
    EXPECT_EQ(encoded(read), bytes) << i;
  }
}

// The bytes could be the same and a field be missing from both ways: these look at the fields.
TEST(Change, keeps_every_field) {
  const auto read = [](const Change& change) {
    const auto bytes = encoded(change);
    Reader in(bytes);
    return read_change(in);
  };
  const QueueSpec queue = *std::get<PutQueue>(read(PutQueue{some_queue()})).queue;
  EXPECT_EQ(queue.name, some_queue().name);
  EXPECT_TRUE(queue.durable && queue.auto_delete);
  EXPECT_EQ(queue.exclusive_owner, ConnectionId(UINT64_MAX));
  EXPECT_EQ(queue.arguments, some_arguments());
  EXPECT_EQ(queue.address, (QueueAddress{QueueId(77), ShardId(3)}));
  EXPECT_EQ(queue.declared_by, "ann");
  const auto exchange = std::get<PutExchange>(read(PutExchange{some_exchange()})).exchange;
  EXPECT_EQ(exchange.type, "x-delayed-message");
  EXPECT_TRUE(exchange.durable && exchange.auto_delete && exchange.internal);
  EXPECT_EQ(exchange.store, QueueId(1u << 20));
  EXPECT_EQ(exchange.owner, ShardId(300));
  const auto policy = std::get<PutPolicy>(read(one_of_each()[14])).policy;
  EXPECT_EQ(policy.pattern, "^a");
  EXPECT_EQ(policy.apply_to, "queues");
  EXPECT_EQ(policy.priority, -7);
  EXPECT_TRUE(policy.is_operator);
  const auto limit = std::get<PutLimit>(read(one_of_each()[16])).limit;
  EXPECT_TRUE(limit.of_user);
  EXPECT_EQ(limit.value, 12);
  EXPECT_EQ(std::get<PutBinding>(read(one_of_each()[6])).binding,
            std::get<PutBinding>(one_of_each()[6]).binding);
  EXPECT_EQ(std::get<PutVhost>(read(one_of_each()[0])).vhost.tags,
            (std::vector<std::string>{"tag", "other"}));
  const auto protection = std::get<ProtectVhost>(read(one_of_each()[20]));
  EXPECT_EQ(protection.name, "v");
  EXPECT_TRUE(protection.is_protected);
}

// docs/format/records.md has these bytes: what declared a queue before anybody wrote down who did.
TEST(Change, of_a_queue_is_read_as_it_was_written_before_there_were_declarers) {
  const std::uint8_t before[] = {0x04, 0x01, 0x2f, 0x01, 0x71, 0x01, 0x00, 0x00, 0x01, 0x0c, 0x78,
                                 0x2d, 0x71, 0x75, 0x65, 0x75, 0x65, 0x2d, 0x74, 0x79, 0x70, 0x65,
                                 0x53, 0x04, 0x06, 0x71, 0x75, 0x6f, 0x72, 0x75, 0x6d, 0x01, 0x00};
  const auto expect_queue = [](const Change& change) {
    const QueueSpec& queue = *std::get<PutQueue>(change).queue;
    EXPECT_EQ(queue.name, "q");
    EXPECT_TRUE(queue.durable);
    EXPECT_EQ(queue.address, (QueueAddress{QueueId(1), ShardId(0)}));
    EXPECT_EQ(queue.declared_by, "");
  };
  Reader record(before);
  expect_queue(read_change(record));
  EXPECT_TRUE(record.at_end() && !record.failed());

  // In a checkpoint something follows, which a declarer must not be made of.
  std::vector<std::uint8_t> followed(std::begin(before), std::end(before));
  const auto next = encoded(DeleteUser{"u"});
  followed.insert(followed.end(), next.begin(), next.end());
  Reader checkpoint(followed);
  expect_queue(read_change(checkpoint, ChangeForm::without_declarers));
  EXPECT_EQ(std::get<DeleteUser>(read_change(checkpoint, ChangeForm::without_declarers)).name, "u");
  EXPECT_TRUE(checkpoint.at_end() && !checkpoint.failed());
}

// But for a queue in front of its declarer: that is one of before.
TEST(Change, that_is_cut_short_anywhere_is_malformed) {
  for (const Change& change : one_of_each()) {
    const auto bytes = encoded(change);
    const bool is_queue = std::holds_alternative<PutQueue>(change);
    const std::size_t declarer = is_queue ? bytes.size() - 1 - some_queue().declared_by.size() : 0;
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      Reader in(ByteView(bytes.data(), length));
      (void)read_change(in);
      EXPECT_EQ(in.failed(), !is_queue || length != declarer)
          << "kind " << change.index() << ", " << length << " of " << bytes.size();
    }
  }
}

TEST(Change, of_an_unknown_kind_is_malformed) {
  const std::uint8_t bytes[] = {std::variant_size_v<Change>, 0, 0, 0, 0};
  Reader in(bytes);
  (void)read_change(in);
  EXPECT_TRUE(in.failed());
}

TEST(Change, that_claims_more_than_there_is_is_malformed) {
  // A vhost with two names of no length, and 2^62 tags.
  const std::uint8_t bytes[] = {0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f};
  Reader in(bytes);
  (void)read_change(in);
  EXPECT_TRUE(in.failed());
}

TEST(Change, that_is_damaged_is_malformed_or_another_change) {
  simulation::for_each_seed(2000, [](std::uint64_t seed) {
    Prng luck(seed);
    const std::vector<Change> changes = one_of_each();
    auto bytes = encoded(changes[luck.below(changes.size())]);
    for (std::uint64_t flips = 1 + luck.below(4); flips != 0; --flips)
      bytes[luck.below(bytes.size())] ^= static_cast<std::uint8_t>(1u << luck.below(8));
    Reader in(bytes);
    const Change read = read_change(in);
    if (in.failed()) return;
    // What was taken for sound can be written, and means the same to the next reader.
    const auto again = encoded(read);
    Reader second(again);
    EXPECT_EQ(encoded(read_change(second)), again);
    EXPECT_FALSE(second.failed());
  });
}

}  // namespace
}  // namespace millrace::broker
