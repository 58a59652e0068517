#include "broker/access/management_rights.hpp"

#include <gtest/gtest.h>

namespace millrace::broker {
namespace {

Subject with_tag(const char* tag) {
  return Subject{"u", {tag}};
}

struct ManagementRights : testing::Test {
  ManagementRights() {
    access.put_user({"u", "", {}});
    access.put_permission({"u", "own", ".*", ".*", ".*"});
  }
  bool may(const char* tag, const Change& change) const {
    return authorize_change(with_tag(tag), change, access).has_value();
  }
  AccessControl access;
};

TEST_F(ManagementRights, a_tag_gives_its_role_and_what_is_below_it) {
  using R = ManagementRole;
  const struct {
    const char* tag;
    bool management, policymaker, monitoring, administrator;
  } cases[] = {
      {"administrator", true, true, true, true},
      {"monitoring", true, false, true, false},
      {"policymaker", true, true, false, false},
      {"management", true, false, false, false},
      {"impersonator", false, false, false, false},
      {"Administrator", false, false, false, false},
      {"", false, false, false, false},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(has_role(with_tag(c.tag), R::management), c.management) << c.tag;
    EXPECT_EQ(has_role(with_tag(c.tag), R::policymaker), c.policymaker) << c.tag;
    EXPECT_EQ(has_role(with_tag(c.tag), R::monitoring), c.monitoring) << c.tag;
    EXPECT_EQ(has_role(with_tag(c.tag), R::administrator), c.administrator) << c.tag;
  }
  EXPECT_FALSE(has_role(Subject{"u", {}}, R::management));
}

TEST_F(ManagementRights, several_tags_give_the_roles_of_each) {
  const Subject both{"u", {"policymaker", "monitoring"}};
  EXPECT_TRUE(has_role(both, ManagementRole::policymaker));
  EXPECT_TRUE(has_role(both, ManagementRole::monitoring));
  EXPECT_FALSE(has_role(both, ManagementRole::administrator));
}

TEST_F(ManagementRights, a_policymaker_changes_parameters_of_its_vhosts_and_global_ones) {
  for (const char* tag : {"policymaker", "administrator"}) {
    EXPECT_TRUE(may(tag, PutParameter{{"own", "shovel", "s", "1"}})) << tag;
    EXPECT_TRUE(may(tag, DeleteParameter{"own", "shovel", "s"})) << tag;
    EXPECT_TRUE(may(tag, PutParameter{{"", "", "g", "1"}})) << tag;
  }
  EXPECT_FALSE(may("policymaker", PutParameter{{"other", "shovel", "s", "1"}}));
  EXPECT_FALSE(may("policymaker", DeleteParameter{"other", "shovel", "s"}));
  for (const char* tag : {"management", "monitoring", ""}) {
    EXPECT_FALSE(may(tag, PutParameter{{"own", "shovel", "s", "1"}})) << tag;
    EXPECT_FALSE(may(tag, PutParameter{{"", "", "g", "1"}})) << tag;
  }
}

TEST_F(ManagementRights, only_an_administrator_changes_users_vhosts_permissions_and_limits) {
  std::vector<Change> changes;
  changes.push_back(PutUser{{"x", "", {"administrator"}}});
  changes.push_back(DeleteUser{"x"});
  changes.push_back(PutVhost{{"own", "", {}, ""}});
  changes.push_back(DeleteVhost{"own"});
  changes.push_back(ProtectVhost{"own", false});
  changes.push_back(PutPermission{{"u", "own", "", "", ""}});
  changes.push_back(DeletePermission{"u", "own"});
  changes.push_back(PutTopicPermission{{"u", "own", "", "", ""}});
  changes.push_back(DeleteTopicPermission{"u", "own", ""});
  changes.push_back(PutLimit{{false, "own", "max-queues", 1}});
  changes.push_back(PutPolicy{{"own", "o", ".", "queues", 0, {}, true}});
  changes.push_back(DeletePolicy{"own", "o", true});
  changes.push_back(PutExchange{ExchangeSpec{"own", "x", "direct"}});
  for (const Change& change : changes) {
    EXPECT_TRUE(may("administrator", change)) << change.index();
    for (const char* tag : {"monitoring", "policymaker", "management", ""}) {
      EXPECT_FALSE(may(tag, change)) << tag << " " << change.index();
    }
  }
}

TEST_F(ManagementRights, policies_need_a_policymaker_with_access_to_the_vhost) {
  const Change own = PutPolicy{{"own", "p", ".", "queues", 0, {}, false}};
  const Change other = PutPolicy{{"other", "p", ".", "queues", 0, {}, false}};
  EXPECT_TRUE(may("policymaker", own));
  EXPECT_TRUE(may("administrator", own));
  EXPECT_FALSE(may("monitoring", own));
  EXPECT_FALSE(may("policymaker", other));
  EXPECT_TRUE(may("administrator", other));
  EXPECT_TRUE(may("policymaker", DeletePolicy{"own", "p", false}));
  EXPECT_FALSE(may("policymaker", DeletePolicy{"other", "p", false}));
}

}  // namespace
}  // namespace millrace::broker
