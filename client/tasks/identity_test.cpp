#include "client/tasks/identity.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <regex>
#include <set>
#include <string>

namespace millrace::tasks {
namespace {

TEST(Identity, is_a_uuid_of_version_4) {
  const std::regex form("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");
  std::set<std::string> ids;
  std::set<char> variants;
  for (int i = 0; i < 1000; ++i) {
    const std::string id = make_id();
    ASSERT_TRUE(std::regex_match(id, form)) << id;
    variants.insert(id[19]);
    ids.insert(id);
  }
  EXPECT_EQ(ids.size(), 1000U);
  EXPECT_EQ(variants.size(), 4U);
}

// Random bytes are taken for many ids at once, and a fork copies those that are left.
TEST(Identity, a_forked_child_makes_ids_of_its_own) {
  (void)make_id();
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const std::string id = make_id();
    _exit(write(ends[1], id.data(), id.size()) == static_cast<ssize_t>(id.size()) ? 0 : 1);
  }
  close(ends[1]);
  std::array<char, 64> theirs{};
  const ssize_t size = read(ends[0], theirs.data(), theirs.size());
  close(ends[0]);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  ASSERT_EQ(size, 36);
  EXPECT_NE(make_id(), std::string(theirs.data(), 36));
}

}  // namespace
}  // namespace millrace::tasks
