#include "management/definitions_import.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "broker/access/password.hpp"
#include "management/json_values.hpp"

namespace millrace::management {
namespace {

using namespace broker;

void no_chance(std::span<std::uint8_t> out) {
  std::fill(out.begin(), out.end(), std::uint8_t{7});
}

ImportedDefinitions import(std::string_view json) {
  auto imported = import_definitions(json, no_chance);
  EXPECT_TRUE(imported) << imported.error().text;
  return imported ? std::move(*imported) : ImportedDefinitions{};
}

std::string refusal(std::string_view json) {
  const auto imported = import_definitions(json, no_chance);
  return imported ? "accepted" : imported.error().text;
}

template <class T>
std::vector<T> all(const ImportedDefinitions& imported) {
  std::vector<T> found;
  for (const Change& change : imported.changes) {
    if (const auto* one = std::get_if<T>(&change)) found.push_back(*one);
  }
  return found;
}

TEST(DefinitionsImport, protects_a_vhost_or_not_where_the_file_says_so) {
  const auto imported = import(R"({"vhosts": [{"name": "a", "metadata": {"protected_from_deletion": true}},
                                              {"name": "b", "metadata": {"protected_from_deletion": false}},
                                              {"name": "c", "metadata": {}}]})");
  const auto protections = all<ProtectVhost>(imported);
  ASSERT_EQ(protections.size(), 2u);
  EXPECT_TRUE(protections[0].name == "a" && protections[0].is_protected);
  EXPECT_TRUE(protections[1].name == "b" && !protections[1].is_protected);
  EXPECT_NE(refusal(R"({"vhosts": [{"name": "a", "metadata": {"protected_from_deletion": 1}}]})"),
            "accepted");
}

TEST(DefinitionsImport, puts_everything_in_an_order_in_which_it_can_be_applied) {
  const auto imported = import(R"({
    "bindings": [{"source": "x", "vhost": "v", "destination": "q", "destination_type": "queue",
                  "routing_key": "k", "arguments": {"a": 1}}],
    "queues": [{"name": "q", "vhost": "v", "durable": true, "auto_delete": false,
                "arguments": {"x-queue-type": "quorum", "x-max-length": 10}}],
    "exchanges": [{"name": "x", "vhost": "v", "type": "topic", "durable": true, "auto_delete": false,
                   "internal": true, "arguments": {}},
                  {"name": "amq.direct", "vhost": "v", "type": "direct"}],
    "policies": [{"vhost": "v", "name": "p", "pattern": "^q", "apply-to": "queues", "priority": 3,
                  "definition": {"message-ttl": 1000}}],
    "parameters": [{"component": "vhost-limits", "vhost": "v", "name": "limits", "value": {"max-queues": 5}},
                   {"component": "operator_policy", "vhost": "v", "name": "o",
                    "value": {"pattern": "", "definition": {"max-length": 9}, "priority": 0, "apply-to": "all"}},
                   {"component": "shovel", "vhost": "v", "name": "s", "value": {}}],
    "topic_permissions": [{"user": "u", "vhost": "v", "exchange": "x", "write": "a", "read": "b"}],
    "permissions": [{"user": "u", "vhost": "v", "configure": ".*", "write": "w", "read": ""}],
    "vhosts": [{"name": "v", "metadata": {"description": "d", "tags": ["t"], "default_queue_type": "quorum"}}],
    "users": [{"name": "u", "password": "secret", "tags": "administrator, monitoring",
               "limits": {"max-connections": 3}}]
  })");
  ASSERT_EQ(imported.changes.size(), 12u);
  EXPECT_TRUE(std::holds_alternative<PutUser>(imported.changes.front()));
  EXPECT_TRUE(std::holds_alternative<PutBinding>(imported.changes.back()));

  const UserSpec user = all<PutUser>(imported)[0].user;
  EXPECT_EQ(user.tags, (std::vector<std::string>{"administrator", "monitoring"}));
  EXPECT_TRUE(verify_password(user.password, "secret"));
  EXPECT_EQ(all<PutVhost>(imported)[0].vhost.default_queue_type, "quorum");
  EXPECT_EQ(all<PutVhost>(imported)[0].vhost.tags, std::vector<std::string>{"t"});
  const auto limits = all<PutLimit>(imported);
  ASSERT_EQ(limits.size(), 2u);
  EXPECT_TRUE(limits[0].limit.of_user);
  EXPECT_EQ(limits[1].limit.value, 5);
  EXPECT_FALSE(limits[1].limit.of_user);
  const auto policies = all<PutPolicy>(imported);
  ASSERT_EQ(policies.size(), 2u);
  EXPECT_TRUE(policies[0].policy.is_operator);
  EXPECT_EQ(policies[0].policy.definition.find("max-length")->as_integer(), 9);
  EXPECT_EQ(policies[1].policy.priority, 3);
  EXPECT_EQ(all<PutExchange>(imported).size(), 1u) << "amq.direct is in every vhost";
  EXPECT_TRUE(all<PutExchange>(imported)[0].exchange.internal);
  EXPECT_EQ(*all<PutQueue>(imported)[0].queue->arguments.find("x-queue-type")->as_text(), "quorum");
  EXPECT_EQ(all<PutBinding>(imported)[0].binding.arguments.find("a")->as_integer(), 1);
  ASSERT_EQ(imported.notes.size(), 1u);
  EXPECT_NE(imported.notes[0].find("shovel"), std::string::npos);
}

TEST(DefinitionsImport, takes_the_hashes_of_rabbitmq) {
  // Salt 908DC60A, password "test12": the example of RabbitMQ's documentation.
  const auto imported = import(R"({"users": [{"name": "u", "tags": [],
      "password_hash": "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR",
      "hashing_algorithm": "rabbit_password_hashing_sha256"}]})");
  const auto users = all<PutUser>(imported);
  ASSERT_EQ(users.size(), 1u);
  EXPECT_TRUE(verify_password(users[0].user.password, "test12"));
  EXPECT_FALSE(verify_password(users[0].user.password, "test13"));
}

TEST(DefinitionsImport, takes_operator_policies_as_rabbitmq_writes_them) {
  const auto imported = import(R"({"parameters": [{"component": "operator_policy", "vhost": "/", "name": "o",
      "value": {"apply-to": "all", "definition": [["message-ttl", 60000], ["max-length", 9]], "pattern": "^jobs",
                "priority": 0}}]})");
  const auto policies = all<PutPolicy>(imported);
  ASSERT_EQ(policies.size(), 1u);
  EXPECT_EQ(policies[0].policy.definition.find("message-ttl")->as_integer(), 60000);
  EXPECT_EQ(policies[0].policy.definition.find("max-length")->as_integer(), 9);
}

TEST(DefinitionsImport, names_the_element_that_is_wrong) {
  EXPECT_EQ(
      refusal(R"({"queues": [{"name": "a", "vhost": "/"}, {"name": "q", "vhost": "/", "durable": "yes"}]})"),
      "queues[1] (name 'q'): 'durable' must be true or false");
  EXPECT_EQ(refusal(R"({"queues": [{"name": "q"}]})"), "queues[0] (name 'q'): 'vhost' is missing");
  EXPECT_EQ(refusal(R"({"users": [{"name": "u"}]})"),
            "users[0] (name 'u'): 'password_hash' or 'password' is missing");
  EXPECT_EQ(refusal(R"({"bindings": [7]})"), "bindings[0]: must be an object");
  EXPECT_EQ(refusal(R"({"bindings": {}})"), "'bindings' must be a list");
  EXPECT_EQ(refusal("[]"), "the outermost JSON value must be an object");
  EXPECT_EQ(refusal("{").substr(0, 12), "is not JSON:");
  EXPECT_EQ(read_definitions("/nonexistent.json", no_chance).error().code, Errc::io_error);
}

TEST(JsonValues, come_back_as_they_went) {
  const auto json = boost::json::parse(
      R"({"i":-5,"d":1.5,"s":"text","b":true,"n":null,"a":[1,"two",[3]],"o":{"x":{"y":9223372036854775807}}})");
  const auto arguments = arguments_from_json(json.get_object());
  ASSERT_TRUE(arguments);
  EXPECT_EQ(arguments->find("i")->as_integer(), -5);
  EXPECT_EQ(boost::json::value(json_from_arguments(*arguments)), json);
  EXPECT_FALSE(value_from_json(boost::json::parse("18446744073709551615")));
}

}  // namespace
}  // namespace millrace::management
