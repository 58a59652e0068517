#include "runtime/os/disk_thread.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

namespace millrace::runtime {
namespace {

// Keeps what is posted until the test runs it, as a shard's turn would.
class GatheredTasks final : public Executor {
 public:
  void post(Task task) override {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  void run() {
    for (Task& task : tasks_) task();
    tasks_.clear();
  }

 private:
  std::mutex mutex_;
  std::vector<Task> tasks_;
};

TEST(DiskThread, does_work_in_order_off_the_thread_and_completes_in_order) {
  GatheredTasks turns;
  DiskThread disk("disk", turns);
  const auto here = std::this_thread::get_id();
  std::vector<int> worked;
  std::vector<int> completed;
  for (int i = 0; i < 1000; ++i) {
    disk.submit(
        [&worked, here, i] {
          EXPECT_NE(std::this_thread::get_id(), here);
          worked.push_back(i);
        },
        [&completed, i] { completed.push_back(i); });
  }
  disk.stop();  // does all that is queued first
  EXPECT_EQ(worked.size(), 1000u);
  EXPECT_TRUE(std::is_sorted(worked.begin(), worked.end()));
  EXPECT_TRUE(completed.empty());
  turns.run();
  EXPECT_EQ(completed, worked);
}

TEST(DiskThread, destroys_the_work_before_its_completion_is_posted) {
  GatheredTasks turns;
  auto owned = std::make_shared<int>(1);
  const std::weak_ptr<int> watched = owned;
  DiskThread disk("disk", turns);
  bool gone = false;
  disk.submit([owned = std::move(owned)] { EXPECT_EQ(*owned, 1); }, [&] { gone = watched.expired(); });
  disk.stop();
  turns.run();
  EXPECT_TRUE(gone);
}

}  // namespace
}  // namespace millrace::runtime
