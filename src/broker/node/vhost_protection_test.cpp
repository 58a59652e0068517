// What is protected from deletion is there until somebody unprotects it, or resets all there is.
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "broker/definitions/definitions.hpp"
#include "broker/management.hpp"
#include "broker/node/simulated_node_test.hpp"

namespace millrace::broker {
namespace {

class VhostProtection : public testing::Test {
 protected:
  VhostProtection() : node(files) {
    node->management().attach(node.shard(), [this](const Management::Changes& changes) {
      for (const Change& change : *changes) definitions.apply(change);
    });
    node.run_for(runtime::Milliseconds(100));
  }

  result<void> change(Change wanted) {
    return wait([&](Done<void> done) {
      node->management().change(administrator, {std::move(wanted)}, std::move(done));
    });
  }
  template <class Ask>
  result<void> wait(Ask ask) {
    std::optional<result<void>> answer;
    ask([&answer](result<void> outcome) { answer = std::move(outcome); });
    node.run_until([&] { return answer.has_value(); });
    return *answer;
  }
  bool is_there(std::string_view vhost) const { return definitions.find_vhost(vhost) != nullptr; }

  simulation::FileSystem files;
  Definitions definitions;
  SimulatedNode node;
  const Subject administrator{"guest", {"administrator"}};
};

TEST_F(VhostProtection, refuses_a_deletion_until_it_ends) {
  ASSERT_TRUE(change(PutVhost{{"v", "", {}, ""}}));
  ASSERT_TRUE(change(PutVhost{{"w", "", {}, ""}}));
  ASSERT_TRUE(change(ProtectVhost{"v", true}));
  const auto refused = change(DeleteVhost{"v"});
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().code, Errc::precondition_failed);
  EXPECT_EQ(refused.error().text,
            "Refusing to delete virtual host 'v' because it is protected from deletion");
  EXPECT_TRUE(is_there("v"));
  EXPECT_TRUE(change(DeleteVhost{"w"}));
  EXPECT_FALSE(is_there("w"));
  ASSERT_TRUE(change(ProtectVhost{"v", false}));
  EXPECT_TRUE(change(DeleteVhost{"v"}));
  EXPECT_FALSE(is_there("v"));
  EXPECT_EQ(change(ProtectVhost{"v", true}).error().code, Errc::not_found);
}

TEST_F(VhostProtection, does_not_keep_anything_from_a_reset) {
  for (const char* name : {"/", "a", "z"}) {
    ASSERT_TRUE(change(PutVhost{{name, "", {}, ""}}));
    ASSERT_TRUE(change(ProtectVhost{name, true}));
  }
  const auto reset = wait([&](Done<void> done) { node->management().reset(administrator, std::move(done)); });
  EXPECT_TRUE(reset) << reset.error().text;
  EXPECT_FALSE(is_there("a") || is_there("z"));
  ASSERT_TRUE(is_there("/"));
  EXPECT_FALSE(definitions.find_vhost("/")->is_protected);
  EXPECT_TRUE(definitions.users().contains("guest"));
}

}  // namespace
}  // namespace millrace::broker
