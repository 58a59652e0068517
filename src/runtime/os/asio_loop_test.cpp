#include "runtime/os/asio_loop.hpp"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>

#include <future>

namespace millrace::runtime {
namespace {

struct Scheduling {
  int niceness;
  int policy;
  bool operator==(const Scheduling&) const = default;
};

Scheduling of_this_thread() {
  return {getpriority(PRIO_PROCESS, 0), sched_getscheduler(0)};
}

Scheduling of(AsioLoop& loop) {
  std::promise<Scheduling> asked;
  loop.post([&] { asked.set_value(of_this_thread()); });
  loop.start();
  return asked.get_future().get();
}

TEST(AsioLoop, gives_way_to_shards_in_the_background_alone) {
  const Scheduling before = of_this_thread();
  AsioLoop giving_way("background", Precedence::background);
  const Scheduling scheduling = of(giving_way);
  EXPECT_GE(scheduling.niceness, 10);
  EXPECT_EQ(scheduling.policy, SCHED_BATCH);
  AsioLoop ordinary("equal");
  EXPECT_EQ(of(ordinary), before);
  EXPECT_EQ(of_this_thread(), before);  // the one who made them
}

}  // namespace
}  // namespace millrace::runtime
