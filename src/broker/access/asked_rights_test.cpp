#include "broker/access/asked_rights.hpp"

#include <gtest/gtest.h>

#include "broker/access/access_control.hpp"
#include "broker/connection.hpp"

namespace millrace::broker {
namespace {

class NobodysAuthority final : public Authority {
  bool understands(std::string_view) const noexcept override { return false; }
  void log_in(AuthorityLogin, Answer) override {}
};

RightQuestion about(ResourceKind kind, std::string name, Permission permission) {
  RightQuestion question;
  question.about = RightQuestion::About::resource;
  question.vhost = "/";
  question.kind = kind;
  question.name = std::move(name);
  question.permission = permission;
  return question;
}

class KnownRightsTest : public testing::Test {
 protected:
  bool may(ResourceKind kind, std::string_view name, Permission permission) const {
    return rights_.may("/", kind, name, permission);
  }
  NobodysAuthority authority_;
  KnownRights rights_{authority_, "/"};
};

TEST_F(KnownRightsTest, refuse_what_was_not_asked_for) {
  EXPECT_FALSE(may(ResourceKind::queue, "q", Permission::read));
  EXPECT_FALSE(rights_.may_topic("/", "x", "k", Permission::write));
  EXPECT_TRUE(rights_.may_enter("/"));
  EXPECT_FALSE(rights_.may_enter("other"));
}

TEST_F(KnownRightsTest, keep_what_was_answered_apart) {
  rights_.learn(about(ResourceKind::queue, "q", Permission::read), {true, 5000}, 0);
  EXPECT_TRUE(may(ResourceKind::queue, "q", Permission::read));
  EXPECT_FALSE(may(ResourceKind::queue, "q", Permission::write));
  EXPECT_FALSE(may(ResourceKind::exchange, "q", Permission::read));
  EXPECT_FALSE(may(ResourceKind::queue, "q2", Permission::read));
  EXPECT_FALSE(rights_.may("other", ResourceKind::queue, "q", Permission::read));
  rights_.learn(about(ResourceKind::queue, "q", Permission::read), {false, 5000}, 0);
  EXPECT_FALSE(may(ResourceKind::queue, "q", Permission::read));
}

TEST_F(KnownRightsTest, of_topics_are_not_those_of_names_that_look_alike) {
  RightQuestion question = about(ResourceKind::exchange, "a", Permission::write);
  question.about = RightQuestion::About::topic;
  question.routing_key = "bc";
  rights_.learn(question, {true, 5000}, 0);
  EXPECT_TRUE(rights_.may_topic("/", "a", "bc", Permission::write));
  EXPECT_FALSE(rights_.may_topic("/", "ab", "c", Permission::write));
  EXPECT_FALSE(rights_.may_topic("/", "a", "bc", Permission::read));
  EXPECT_FALSE(may(ResourceKind::exchange, "a", Permission::write));
}

TEST_F(KnownRightsTest, go_stale_and_are_asked_for_again) {
  const RightQuestion question = about(ResourceKind::queue, "q", Permission::read);
  EXPECT_FALSE(rights_.is_fresh(question, 0));
  rights_.learn(question, {true, 5000}, 0);
  EXPECT_TRUE(rights_.is_fresh(question, 4'999'999'999));
  EXPECT_FALSE(rights_.is_fresh(question, 5'000'000'000));
  EXPECT_TRUE(may(ResourceKind::queue, "q", Permission::read));
}

TEST_F(KnownRightsTest, are_fresh_for_a_moment_whatever_was_said) {
  const RightQuestion question = about(ResourceKind::queue, "q", Permission::read);
  rights_.learn(question, {false, 0}, 0);
  EXPECT_TRUE(rights_.is_fresh(question, 999'999'999));
}

TEST_F(KnownRightsTest, decide_where_the_brokers_permissions_would_say_otherwise) {
  AccessControl access;
  access.put_user({"ann", "", {}});
  access.put_permission({"ann", "/", ".*", ".*", ".*"});
  Subject subject;
  subject.user = "ann";
  EXPECT_TRUE(access.authorize(subject, "/", ResourceKind::queue, "q", Permission::read).has_value());
  subject.rights = std::make_shared<AskedRights>(authority_, std::vector<std::string>{"/"});
  EXPECT_FALSE(access.authorize(subject, "/", ResourceKind::queue, "q", Permission::read).has_value());
  EXPECT_FALSE(access.authorize_topic(subject, "/", "x", "k", Permission::write).has_value());
  EXPECT_TRUE(access.authorize_vhost(subject, "/").has_value());
  EXPECT_FALSE(access.authorize_vhost(subject, "other").has_value());
}

}  // namespace
}  // namespace millrace::broker
