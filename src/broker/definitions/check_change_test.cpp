#include "broker/definitions/check_change.hpp"

#include <gtest/gtest.h>

namespace millrace::broker {
namespace {

std::string refusal(const Change& change) {
  const auto checked = check_change(change);
  return checked.has_error() ? checked.error().text : "";
}

QueueSpec queue_named(std::string name) {
  QueueSpec queue;
  queue.vhost = "/";
  queue.name = std::move(name);
  return queue;
}

TEST(CheckChange, names_are_what_every_protocol_can_say) {
  const std::string longest(255, 'x'), too_long(256, 'x');
  EXPECT_EQ(refusal(PutQueue{queue_named(longest)}), "");
  EXPECT_EQ(refusal(PutQueue{queue_named(too_long)}), "queue name is longer than 255 bytes");
  EXPECT_EQ(refusal(PutQueue{queue_named("")}), "queue name is empty");
  EXPECT_EQ(refusal(PutExchange{ExchangeSpec{"/", too_long, "direct"}}),
            "exchange name is longer than 255 bytes");
  EXPECT_EQ(refusal(PutVhost{{too_long, "", {}, ""}}), "vhost name is longer than 255 bytes");
  EXPECT_EQ(refusal(PutVhost{{"", "", {}, ""}}), "vhost name is empty");
  EXPECT_EQ(refusal(PutUser{{"", "", {}}}), "user name is empty");
  EXPECT_EQ(refusal(PutBinding{{"/", "x", "q", false, too_long, {}}}),
            "routing key name is longer than 255 bytes");
}

TEST(CheckChange, patterns_mean_something) {
  EXPECT_EQ(refusal(PutPermission{{"u", "v", "", "^a.*", ".*"}}), "");
  EXPECT_NE(refusal(PutPermission{{"u", "v", "", "(", ".*"}}).find("'write'"), std::string::npos);
  EXPECT_NE(refusal(PutTopicPermission{{"u", "v", "x", ".*", "["}}).find("'read'"), std::string::npos);
  EXPECT_NE(refusal(PutPolicy{{"v", "p", "*", "queues", 0, {}, false}}).find("'pattern'"), std::string::npos);
  EXPECT_NE(refusal(PutPolicy{{"v", "p", ".", "all queues", 0, {}, false}}).find("apply-to"),
            std::string::npos);
  EXPECT_EQ(refusal(PutPolicy{{"v", "p", ".", "streams", 0, {}, true}}), "");
}

TEST(CheckChange, parameters_are_named_and_bounded) {
  EXPECT_EQ(refusal(PutParameter{{"", "", "g", "1"}}), "");
  EXPECT_EQ(refusal(PutParameter{{"v", "shovel", "s", "1"}}), "");
  EXPECT_EQ(refusal(PutParameter{{"v", "", "s", "1"}}), "component name is empty");
  EXPECT_EQ(refusal(PutParameter{{"", "", "", "1"}}), "parameter name is empty");
  EXPECT_NE(refusal(PutParameter{{"", "", "g", std::string(kMaxParameterBytes + 1, '1')}}), "");
}

}  // namespace
}  // namespace millrace::broker
