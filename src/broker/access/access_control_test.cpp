#include "broker/access/access_control.hpp"

#include <gtest/gtest.h>

namespace millrace::broker {
namespace {

struct Access : ::testing::Test {
  AccessControl access;
  Subject ann{"ann", {}};

  void SetUp() override { access.put_user({"ann", "", {}}); }
  void permit(std::string configure, std::string write, std::string read, std::string vhost = "/") {
    access.put_permission({"ann", std::move(vhost), std::move(configure), std::move(write), std::move(read)});
  }
  bool may(Permission permission, std::string_view queue, std::string_view vhost = "/") {
    return access.authorize(ann, vhost, ResourceKind::queue, queue, permission).has_value();
  }
  bool may_write_topic(std::string_view exchange, std::string_view key, std::string_view vhost = "/") {
    return access.authorize_topic(ann, vhost, exchange, key, Permission::write).has_value();
  }
};

TEST_F(Access, is_refused_where_nothing_was_granted) {
  const result<void> refused = access.authorize(ann, "/", ResourceKind::queue, "q", Permission::configure);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Errc::access_refused);
  EXPECT_EQ(refused.error().text, "configure access to queue 'q' in vhost '/' refused for user 'ann'");
}

TEST_F(Access, goes_by_the_pattern_of_the_operation) {
  permit("^c", "^w", "^r");
  EXPECT_TRUE(may(Permission::configure, "cats"));
  EXPECT_FALSE(may(Permission::write, "cats"));
  EXPECT_TRUE(may(Permission::write, "wolves"));
  EXPECT_TRUE(may(Permission::read, "rats"));
  EXPECT_FALSE(may(Permission::read, "wolves"));
}

TEST_F(Access, searches_the_name_unanchored) {
  permit("", "b", "");
  EXPECT_TRUE(may(Permission::write, "abc"));
  EXPECT_FALSE(may(Permission::write, "aXc"));
}

TEST_F(Access, an_empty_pattern_matches_only_the_empty_name) {
  permit("", "", "");
  EXPECT_FALSE(may(Permission::read, "q"));
  EXPECT_FALSE(may(Permission::read, "\n"));
  EXPECT_TRUE(may(Permission::read, ""));
}

TEST_F(Access, understands_look_ahead) {
  permit("", "^(?!secret)", "");
  EXPECT_TRUE(may(Permission::write, "open"));
  EXPECT_FALSE(may(Permission::write, "secret.q"));
}

TEST_F(Access, checks_the_default_exchange_by_its_long_name) {
  permit("", "^amq\\.default$", "");
  EXPECT_TRUE(access.authorize(ann, "/", ResourceKind::exchange, "", Permission::write).has_value());
  permit("", "^other$", "");
  const result<void> refused = access.authorize(ann, "/", ResourceKind::exchange, "", Permission::write);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().text,
            "write access to exchange 'amq.default' in vhost '/' refused for user 'ann'");
}

TEST_F(Access, a_malformed_pattern_denies) {
  permit("(", "[a", "*");
  EXPECT_FALSE(may(Permission::configure, "("));
  EXPECT_FALSE(may(Permission::write, "a"));
  EXPECT_FALSE(may(Permission::read, "x"));
}

TEST_F(Access, a_name_that_is_not_utf8_is_denied) {
  permit(".*", ".*", ".*");
  EXPECT_TRUE(may(Permission::read, "gr\xc3\xbc\xc3\x9f"));
  EXPECT_FALSE(may(Permission::read, "gr\xfc\xdf"));
}

TEST_F(Access, grants_of_one_vhost_say_nothing_about_another) {
  permit(".*", ".*", ".*", "/");
  permit("", "", "", "other");
  EXPECT_TRUE(may(Permission::read, "q", "/"));
  EXPECT_FALSE(may(Permission::read, "q", "other"));
  EXPECT_FALSE(may(Permission::read, "q", "third"));
}

// Each change comes after the outcome was asked for, and so learned.
TEST_F(Access, every_change_takes_effect_at_once) {
  const std::uint64_t first = access.version();
  EXPECT_FALSE(may(Permission::read, "q"));
  permit("", "", "q");
  EXPECT_TRUE(may(Permission::read, "q"));
  permit("", "", "p");
  EXPECT_FALSE(may(Permission::read, "q"));
  permit("", "", "q");
  EXPECT_TRUE(may(Permission::read, "q"));
  access.remove_permission("ann", "/");
  EXPECT_FALSE(may(Permission::read, "q"));
  permit("", "", "q");
  EXPECT_TRUE(may(Permission::read, "q"));
  access.remove_vhost("/");
  EXPECT_FALSE(may(Permission::read, "q"));
  permit("", "", "q");
  EXPECT_TRUE(may(Permission::read, "q"));
  access.remove_user("ann");
  EXPECT_FALSE(may(Permission::read, "q"));
  access.put_user({"ann", "", {}});
  EXPECT_FALSE(may(Permission::read, "q"));  // a user of the same name is another user
  EXPECT_GT(access.version(), first);
}

TEST_F(Access, outcomes_of_look_alike_questions_are_kept_apart) {
  access.put_user({"a", "", {}});
  access.put_permission({"a", "nn", ".*", ".*", ".*"});
  EXPECT_TRUE(
      access.authorize(Subject{"a", {}}, "nn", ResourceKind::queue, "q", Permission::read).has_value());
  EXPECT_FALSE(
      access.authorize(Subject{"an", {}}, "n", ResourceKind::queue, "q", Permission::read).has_value());
  EXPECT_FALSE(
      access.authorize(Subject{"ann", {}}, "", ResourceKind::queue, "q", Permission::read).has_value());
}

TEST_F(Access, more_outcomes_than_are_kept_stay_right) {
  permit("", "7$", "");
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 70'000; ++i) {
      const std::string name = std::to_string(i);
      ASSERT_EQ(may(Permission::write, name), name.ends_with('7')) << name;
    }
  }
}

TEST_F(Access, to_a_vhost_needs_a_permission_in_it) {
  const result<void> refused = access.authorize_vhost(ann, "/");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Errc::not_allowed);
  EXPECT_EQ(refused.error().text, "access to vhost '/' refused for user 'ann'");
  access.put_topic_permission({"ann", "/", "amq.topic", ".*", ".*"});
  EXPECT_FALSE(access.authorize_vhost(ann, "/").has_value());
  permit("", "", "");
  EXPECT_TRUE(access.authorize_vhost(ann, "/").has_value());
  EXPECT_FALSE(access.authorize_vhost(Subject{"bob", {}}, "/").has_value());
  access.remove_permission("ann", "/");
  EXPECT_FALSE(access.authorize_vhost(ann, "/").has_value());
}

TEST_F(Access, nothing_is_refused_to_the_owner_whatever_a_user_of_its_name_may) {
  const Subject owner{"ann", {}, true};
  access.put_topic_permission({"ann", "/", "x", "", ""});
  EXPECT_TRUE(access.authorize(owner, "/", ResourceKind::queue, "q", Permission::configure).has_value());
  EXPECT_TRUE(access.authorize_topic(owner, "/", "x", "a.b", Permission::write).has_value());
  EXPECT_TRUE(access.authorize_vhost(owner, "/").has_value());
  EXPECT_FALSE(access.authorize(ann, "/", ResourceKind::queue, "q", Permission::configure).has_value());
  EXPECT_FALSE(access.authorize_topic(ann, "/", "x", "a.b", Permission::write).has_value());
  EXPECT_FALSE(access.authorize_vhost(ann, "/").has_value());
}

TEST_F(Access, to_topics_is_free_until_they_are_granted) {
  permit(".*", ".*", ".*");
  EXPECT_TRUE(may_write_topic("amq.topic", "any"));
  access.put_topic_permission({"ann", "/", "amq.topic", "^mine\\.", "^yours\\."});
  EXPECT_TRUE(may_write_topic("amq.topic", "mine.a"));
  EXPECT_FALSE(may_write_topic("amq.topic", "yours.a"));
  EXPECT_TRUE(may_write_topic("other", "yours.a"));
  EXPECT_TRUE(access.authorize_topic(ann, "/", "amq.topic", "yours.a", Permission::read).has_value());
  const result<void> refused = access.authorize_topic(ann, "/", "amq.topic", "a.b", Permission::write);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Errc::access_refused);
  EXPECT_EQ(refused.error().text,
            "write access to topic 'a.b' in exchange 'amq.topic' in vhost '/' refused for user 'ann'");
  access.remove_topic_permission("ann", "/", "amq.topic");
  EXPECT_TRUE(may_write_topic("amq.topic", "yours.a"));
}

TEST_F(Access, the_end_of_a_permission_leaves_topic_permissions_in_force) {
  permit(".*", ".*", ".*");
  access.put_topic_permission({"ann", "/", "amq.topic", "^a$", ""});
  access.remove_permission("ann", "/");
  permit(".*", ".*", ".*");
  EXPECT_FALSE(may_write_topic("amq.topic", "b"));
}

TEST_F(Access, variables_in_topic_patterns_are_literals) {
  access.put_user({"a.c", "", {}});
  access.put_topic_permission({"a.c", "v+", "x", "^{username}-{vhost}$", ""});
  const Subject dotted{"a.c", {}};
  const auto may_write = [&](std::string_view key) {
    return access.authorize_topic(dotted, "v+", "x", key, Permission::write).has_value();
  };
  EXPECT_TRUE(may_write("a.c-v+"));
  EXPECT_FALSE(may_write("abc-v+"));
  EXPECT_FALSE(may_write("a.c-vv"));
  EXPECT_FALSE(may_write("{username}-{vhost}"));
}

TEST_F(Access, a_user_name_cannot_widen_its_topic_pattern) {
  for (const std::string& name : {std::string("x|.*"), std::string(".*"), std::string("a)|(?:.*"),
                                  std::string("\\E.*\\Q"), std::string("[^a]"), std::string("")}) {
    access.put_user({name, "", {}});
    access.put_topic_permission({name, "/", "x", "^{username}$", ""});
    const Subject subject{name, {}};
    EXPECT_TRUE(access.authorize_topic(subject, "/", "x", name, Permission::write).has_value()) << name;
    EXPECT_FALSE(access.authorize_topic(subject, "/", "x", "victim", Permission::write).has_value()) << name;
  }
}

TEST_F(Access, limits_are_set_read_and_taken_back) {
  EXPECT_EQ(access.limit_of(true, "ann", "max-connections"), -1);
  access.put_limit({true, "ann", "max-connections", 5});
  access.put_limit({true, "ann", "max-channels", 0});
  access.put_limit({false, "ann", "max-connections", 7});
  EXPECT_EQ(access.limit_of(true, "ann", "max-connections"), 5);
  EXPECT_EQ(access.limit_of(true, "ann", "max-channels"), 0);
  EXPECT_EQ(access.limit_of(false, "ann", "max-connections"), 7);
  access.put_limit({true, "ann", "max-connections", 6});
  EXPECT_EQ(access.limit_of(true, "ann", "max-connections"), 6);
  access.put_limit({true, "ann", "max-connections", -1});
  EXPECT_EQ(access.limit_of(true, "ann", "max-connections"), -1);
  access.remove_user("ann");
  EXPECT_EQ(access.limit_of(true, "ann", "max-channels"), -1);
  access.remove_vhost("ann");
  EXPECT_EQ(access.limit_of(false, "ann", "max-connections"), -1);
}

}  // namespace
}  // namespace millrace::broker
