// The rank that docs/inprocess.md names for sharing fairly between keys.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

#include "millrace/queue.hpp"

namespace millrace {
namespace {

struct FairByKey {
  std::map<char, std::int64_t> finish{};
  std::int64_t virtual_time = 0;
  std::int64_t operator()(char key) {
    const std::int64_t rank = std::max(virtual_time, finish[key]);
    finish[key] = rank + 1;
    return rank;
  }
  void served(std::int64_t rank) noexcept { virtual_time = rank; }
};

TEST(Queue, a_rank_that_is_told_what_was_served_shares_between_keys) {
  queue<char, ranked<FairByKey>> tasks;
  for (int n = 0; n < 6; ++n) tasks.put('h');
  std::string order;
  order += tasks.get();
  order += tasks.get();
  for (int n = 0; n < 2; ++n) tasks.put('l');
  while (auto task = tasks.try_get()) order += *task;
  EXPECT_EQ(order, "hhlhlhhh");
}

}  // namespace
}  // namespace millrace
