#include "auth/scopes.hpp"

#include <gtest/gtest.h>

#include "broker/access/access_control.hpp"

namespace millrace::auth {
namespace {

using broker::Permission;
using broker::ResourceKind;

Scopes read(std::vector<std::string> scopes) {
  return read_scopes(scopes, "us.");
}

bool may(const Scopes& scopes, std::string_view vhost, std::string_view name, Permission permission) {
  return scopes.rights->may(vhost, ResourceKind::queue, name, permission);
}

TEST(Scopes, allow_what_they_name_and_nothing_else) {
  const Scopes scopes = read({"us.read:v1/orders", "us.write:v*/a*z"});
  EXPECT_TRUE(may(scopes, "v1", "orders", Permission::read));
  EXPECT_FALSE(may(scopes, "v1", "orders", Permission::write));
  EXPECT_FALSE(may(scopes, "v1", "orders2", Permission::read));
  EXPECT_FALSE(may(scopes, "v2", "orders", Permission::read));
  EXPECT_FALSE(may(scopes, "v1", "orders", Permission::configure));
  EXPECT_TRUE(may(scopes, "v2", "az", Permission::write));
  EXPECT_TRUE(may(scopes, "v", "a-to-z", Permission::write));
  EXPECT_FALSE(may(scopes, "v", "a-to-zz-", Permission::write));
}

TEST(Scopes, open_the_vhosts_that_they_speak_of) {
  const Scopes scopes = read({"us.read:team-*/x"});
  EXPECT_TRUE(scopes.rights->may_enter("team-a"));
  EXPECT_FALSE(scopes.rights->may_enter("/"));
  EXPECT_FALSE(read({}).rights->may_enter("/"));
  EXPECT_FALSE(read({"us.tag:administrator"}).rights->may_enter("/"));
}

TEST(Scopes, write_what_means_something_as_percent_signs_do) {
  const Scopes scopes = read({"us.read:%2F/a%2Fb%2A*"});
  EXPECT_TRUE(may(scopes, "/", "a/b*", Permission::read));
  EXPECT_TRUE(may(scopes, "/", "a/b*more", Permission::read));
  EXPECT_FALSE(may(scopes, "/", "a/bc", Permission::read));
}

TEST(Scopes, of_topics_want_a_pattern_for_routing_keys) {
  const Scopes scopes = read({"us.write:*/plain", "us.write:*/topics/eu.*"});
  const auto may_write = [&](std::string_view exchange, std::string_view key) {
    return scopes.rights->may_topic("/", exchange, key, Permission::write);
  };
  EXPECT_TRUE(may_write("topics", "eu.orders"));
  EXPECT_FALSE(may_write("topics", "us.orders"));
  EXPECT_FALSE(may_write("plain", "eu.orders"));
  EXPECT_FALSE(scopes.rights->may_topic("/", "topics", "eu.orders", Permission::read));
}

TEST(Scopes, give_tags) {
  EXPECT_EQ(read({"us.tag:administrator", "us.tag:monitoring", "tag:policymaker"}).tags,
            (std::vector<std::string>{"administrator", "monitoring"}));
}

TEST(Scopes, of_others_or_malformed_give_nothing) {
  const Scopes scopes =
      read({"read:*/*", "them.read:*/*", "us.read:*", "us.read:*/*/*/*", "us.read:%2/*", "us.read:%zz/*",
            "us.READ:*/*", "us.", "us.read:", "us.own:*/*", "us.read:%ff/%FF"});
  EXPECT_FALSE(scopes.rights->may_enter("/"));
  EXPECT_FALSE(may(scopes, "/", "q", Permission::read));
  EXPECT_TRUE(scopes.tags.empty());
}

TEST(Scopes, are_not_slow_with_many_stars) {
  const Scopes scopes = read({"us.read:*/" + std::string(200, '*') + "b", "us.read:*/a*a*a*a*a*a*a*a*a*b"});
  EXPECT_FALSE(may(scopes, "/", std::string(255, 'a'), Permission::read));
}

}  // namespace
}  // namespace millrace::auth
