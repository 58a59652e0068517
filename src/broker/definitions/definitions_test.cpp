#include "broker/definitions/definitions.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace millrace::broker {
namespace {

BindingSpec binding(std::string source, std::string destination, std::string key, bool to_exchange = false) {
  return {"/", std::move(source), std::move(destination), to_exchange, std::move(key), {}};
}

class DefinitionsTest : public ::testing::Test {
 protected:
  DefinitionsTest() { definitions.apply(PutVhost{{"/", "", {}, ""}}); }

  void put_exchange(std::string name, bool durable = true) {
    ExchangeSpec exchange;
    exchange.vhost = "/";
    exchange.name = std::move(name);
    exchange.type = "direct";
    exchange.durable = durable;
    definitions.apply(PutExchange{exchange});
  }
  void put_queue(std::string name, std::uint64_t id, bool durable = true, std::uint64_t owner = 0) {
    QueueSpec queue;
    queue.vhost = "/";
    queue.name = std::move(name);
    queue.durable = durable;
    queue.exclusive_owner = ConnectionId(owner);
    queue.address = {QueueId(id), ShardId(0)};
    definitions.apply(PutQueue{std::move(queue)});
  }
  const VhostDefinitions& vhost() const { return *definitions.find_vhost("/"); }

  Definitions definitions;
};

// What a snapshot says, in no order.
std::vector<std::string> bytes_of(const std::vector<Change>& changes) {
  std::vector<std::string> all;
  for (const Change& change : changes) {
    Buffer out;
    put_change(out, change);
    all.emplace_back(as_text(out.view()));
  }
  std::sort(all.begin(), all.end());
  return all;
}

TEST_F(DefinitionsTest, a_deleted_queue_takes_its_bindings_along) {
  put_exchange("x");
  put_queue("q", 1);
  put_queue("r", 2);
  definitions.apply(PutBinding{binding("x", "q", "k")});
  definitions.apply(PutBinding{binding("x", "r", "k")});
  definitions.apply(DeleteQueue{"/", "q", {QueueId(1), ShardId(0)}});
  EXPECT_FALSE(vhost().queues.contains("q"));
  EXPECT_EQ(vhost().bindings_from("x"), (std::vector{binding("x", "r", "k")}));
  EXPECT_TRUE(vhost().bindings_to("q", false).empty());
}

TEST_F(DefinitionsTest, a_late_deletion_does_not_hit_the_queue_declared_since) {
  put_queue("q", 1);
  put_queue("q", 2);
  definitions.apply(DeleteQueue{"/", "q", {QueueId(1), ShardId(0)}});
  EXPECT_TRUE(vhost().queues.contains("q"));
}

TEST_F(DefinitionsTest, know_the_exclusive_queues_of_a_connection) {
  using Names = std::set<std::string, std::less<>>;
  put_queue("q", 1, true, 7);
  put_queue("r", 2, false, 7);
  put_queue("s", 3, false, 8);
  put_queue("t", 4);
  EXPECT_EQ(vhost().exclusive.size(), 2u);
  EXPECT_EQ(vhost().exclusive.at(7), (Names{"q", "r"}));
  definitions.apply(DeleteQueue{"/", "q", {QueueId(9), ShardId(0)}});  // another one, long gone
  EXPECT_EQ(vhost().exclusive.at(7), (Names{"q", "r"}));
  definitions.apply(DeleteQueue{"/", "q", {QueueId(1), ShardId(0)}});
  EXPECT_EQ(vhost().exclusive.at(7), (Names{"r"}));
  put_queue("r", 5, false, 8);
  EXPECT_EQ(vhost().exclusive.size(), 1u);
  EXPECT_EQ(vhost().exclusive.at(8), (Names{"r", "s"}));
}

TEST_F(DefinitionsTest, a_deleted_exchange_takes_the_bindings_at_both_ends_along) {
  for (const char* name : {"a", "b", "c"}) put_exchange(name);
  definitions.apply(PutBinding{binding("a", "b", "k", true)});
  definitions.apply(PutBinding{binding("b", "c", "k", true)});
  definitions.apply(DeleteExchange{"/", "b"});
  EXPECT_TRUE(vhost().bindings.empty());
  EXPECT_FALSE(vhost().has_bindings_from("a"));
}

TEST_F(DefinitionsTest, a_binding_is_there_once_and_is_told_from_others_by_all_it_says) {
  put_exchange("x");
  put_exchange("q");
  put_queue("q", 1);
  BindingSpec with = binding("x", "q", "k");
  with.arguments.set("x-match", Value::text("any"));
  for (int twice = 0; twice < 2; ++twice) {
    definitions.apply(PutBinding{binding("x", "q", "k")});
    definitions.apply(PutBinding{binding("x", "q", "k", true)});
    definitions.apply(PutBinding{with});
  }
  EXPECT_EQ(vhost().bindings.size(), 3u);
  EXPECT_EQ(vhost().bindings_from("x").size(), 3u);
  EXPECT_EQ(vhost().bindings_to("q", true).size(), 1u);
  definitions.apply(DeleteBinding{with});
  EXPECT_FALSE(vhost().has_binding(with));
  EXPECT_TRUE(vhost().has_binding(binding("x", "q", "k")));
}

TEST_F(DefinitionsTest, a_deleted_vhost_or_user_takes_rights_and_limits_along) {
  for (const char* user : {"u", "w"}) {
    definitions.apply(PutUser{{user, "", {}}});
    definitions.apply(PutPermission{{user, "/", "", "", ""}});
    definitions.apply(PutTopicPermission{{user, "/", "x", "", ""}});
    definitions.apply(PutLimit{{true, user, "max-channels", 1}});
  }
  definitions.apply(PutLimit{{false, "/", "max-queues", 1}});
  definitions.apply(DeleteUser{"u"});
  EXPECT_EQ(definitions.permissions().size(), 1u);
  EXPECT_EQ(definitions.topic_permissions().size(), 1u);
  EXPECT_EQ(definitions.limits().size(), 2u);
  definitions.apply(DeleteVhost{"/"});
  EXPECT_TRUE(definitions.permissions().empty());
  EXPECT_TRUE(definitions.topic_permissions().empty());
  ASSERT_EQ(definitions.limits().size(), 1u);
  EXPECT_TRUE(definitions.limits()[0].of_user);
}

TEST_F(DefinitionsTest, a_protected_vhost_is_so_until_it_is_unprotected_or_made_anew) {
  definitions.apply(ProtectVhost{"none", true});
  definitions.apply(ProtectVhost{"/", true});
  definitions.apply(PutVhost{{"/", "described anew", {}, ""}});
  EXPECT_TRUE(vhost().is_protected);
  Definitions recovered;
  for (const Change& change : definitions.durable_snapshot()) recovered.apply(change);
  EXPECT_TRUE(recovered.find_vhost("/")->is_protected);
  recovered.apply(ProtectVhost{"/", false});
  EXPECT_FALSE(recovered.find_vhost("/")->is_protected);
  definitions.apply(DeleteVhost{"/"});
  definitions.apply(PutVhost{{"/", "", {}, ""}});
  EXPECT_FALSE(vhost().is_protected);
}

TEST_F(DefinitionsTest, a_right_or_limit_is_replaced_and_a_negative_limit_removed) {
  definitions.apply(PutPermission{{"u", "/", "a", "a", "a"}});
  definitions.apply(PutPermission{{"u", "/", "b", "b", "b"}});
  ASSERT_EQ(definitions.permissions().size(), 1u);
  EXPECT_EQ(definitions.permissions()[0].read, "b");
  definitions.apply(PutLimit{{false, "/", "max-queues", 1}});
  definitions.apply(PutLimit{{false, "/", "max-queues", 2}});
  ASSERT_EQ(definitions.limits().size(), 1u);
  EXPECT_EQ(definitions.limits()[0].value, 2);
  definitions.apply(PutLimit{{false, "/", "max-queues", -1}});
  EXPECT_TRUE(definitions.limits().empty());
}

TEST_F(DefinitionsTest, policies_of_operators_have_names_of_their_own) {
  definitions.apply(PutPolicy{{"/", "p", "a", "all", 0, {}, false}});
  definitions.apply(PutPolicy{{"/", "p", "b", "all", 0, {}, true}});
  EXPECT_EQ(vhost().policies.at("p").pattern, "a");
  EXPECT_EQ(vhost().operator_policies.at("p").pattern, "b");
  definitions.apply(DeletePolicy{"/", "p", true});
  EXPECT_TRUE(vhost().operator_policies.empty());
  EXPECT_EQ(vhost().policies.size(), 1u);
}

TEST_F(DefinitionsTest, ids_are_never_given_twice) {
  put_queue("q", 41);
  EXPECT_EQ(definitions.next_queue_id(), 42u);
  definitions.apply(DeleteQueue{"/", "q", {QueueId(41), ShardId(0)}});
  definitions.apply(NextQueueId{7});
  EXPECT_EQ(definitions.next_queue_id(), 42u);
  Definitions restarted;
  for (const Change& change : definitions.durable_snapshot()) restarted.apply(change);
  EXPECT_EQ(restarted.next_queue_id(), 42u);
}

TEST_F(DefinitionsTest, a_snapshot_rebuilds_everything_and_a_durable_one_what_survives) {
  put_exchange("durable");
  put_exchange("transient", false);
  put_queue("durable", 1);
  put_queue("transient", 2, false);
  put_queue("exclusive", 3, true, 5);
  for (const char* source : {"durable", "transient"}) {
    for (const char* queue : {"durable", "transient", "exclusive"})
      definitions.apply(PutBinding{binding(source, queue, "k")});
  }
  definitions.apply(PutUser{{"u", "", {}}});
  definitions.apply(PutPermission{{"u", "/", "", "", ""}});
  definitions.apply(PutPolicy{{"/", "p", "a", "all", 0, {}, false}});
  definitions.apply(PutLimit{{false, "/", "max-queues", 9}});

  Definitions replica;
  for (const Change& change : definitions.snapshot()) replica.apply(change);
  EXPECT_EQ(bytes_of(replica.snapshot()), bytes_of(definitions.snapshot()));

  Definitions restarted;
  for (const Change& change : definitions.durable_snapshot()) restarted.apply(change);
  const VhostDefinitions& left = *restarted.find_vhost("/");
  EXPECT_EQ(left.exchanges.size(), 1u);
  EXPECT_EQ(left.queues.size(), 1u);
  EXPECT_EQ(left.bindings.size(), 1u);
  EXPECT_TRUE(left.has_binding(binding("durable", "durable", "k")));
  EXPECT_EQ(left.policies.size(), 1u);
  EXPECT_EQ(restarted.users().size(), 1u);
  EXPECT_EQ(restarted.limits().size(), 1u);
}

TEST_F(DefinitionsTest, changes_of_what_is_not_there_are_ignored) {
  ExchangeSpec exchange;
  exchange.vhost = "gone";
  definitions.apply(PutExchange{exchange});
  definitions.apply(DeleteExchange{"gone", "x"});
  definitions.apply(DeleteQueue{"/", "q", {QueueId(1), ShardId(0)}});
  definitions.apply(DeleteBinding{binding("x", "q", "k")});
  definitions.apply(DeleteUser{"nobody"});
  definitions.apply(DeleteVhost{"gone"});
  definitions.apply(DeletePolicy{"gone", "p", false});
  EXPECT_EQ(definitions.vhosts().size(), 1u);
  EXPECT_FALSE(definitions.is_durable(DeleteQueue{"/", "q", {QueueId(1), ShardId(0)}}));
}

}  // namespace
}  // namespace millrace::broker
