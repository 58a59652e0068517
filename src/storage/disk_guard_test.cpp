#include <gtest/gtest.h>

#include "storage/data_directory.hpp"
#include "storage/simulated_disk_test.hpp"

namespace millrace::storage {
namespace {

using State = DiskGuard::State;

// Figures small enough to read: a reserve of 100, the alarm below 200, its end from 300 on.
class DiskGuards : public ::testing::Test {
 protected:
  std::unique_ptr<DiskGuard> open() {
    auto guard = DiskGuard::open(
        disk.files, {.directory = "/data", .reserve_bytes = 100, .low_water_bytes = 200, .clear_bytes = 300});
    EXPECT_TRUE(guard) << guard.error().text;
    return guard ? std::move(*guard) : nullptr;
  }
  // Others fill the disk until this much is free.
  void leave_free(std::uint64_t bytes) { disk.files.set_capacity(used() + bytes); }
  std::uint64_t used() {
    std::uint64_t sum = 0;
    for (const std::string& path : disk.files.paths()) sum += disk.files.contents(path).size();
    return sum;
  }
  bool reserved() { return disk.holds("reserve") && disk.contents("reserve").size() == 100; }

  SimulatedDisk disk{1, 10000};
};

TEST_F(DiskGuards, hold_a_reserve_while_there_is_room) {
  auto guard = open();
  EXPECT_EQ(guard->check(), State::normal);
  EXPECT_TRUE(reserved());
  EXPECT_EQ(guard->free_bytes(), 9900u);
  guard = open();
  EXPECT_EQ(guard->check(), State::normal);
  EXPECT_TRUE(reserved());
}

TEST_F(DiskGuards, give_the_reserve_up_at_the_alarm_and_take_it_again_at_its_end) {
  auto guard = open();
  leave_free(200);
  EXPECT_EQ(guard->check(), State::normal);
  leave_free(199);
  EXPECT_EQ(guard->check(), State::alarm);
  EXPECT_FALSE(disk.holds("reserve"));
  EXPECT_EQ(guard->free_bytes(), 299u);
  leave_free(399);  // above low water, but not enough to end an alarm
  EXPECT_EQ(guard->check(), State::alarm);
  EXPECT_FALSE(reserved());
  leave_free(400);
  EXPECT_EQ(guard->check(), State::normal);
  EXPECT_TRUE(reserved());
  EXPECT_EQ(guard->free_bytes(), 300u);
  EXPECT_EQ(guard->check(), State::normal);
}

TEST_F(DiskGuards, take_other_bounds_while_they_watch) {
  auto guard = open();
  leave_free(250);
  EXPECT_EQ(guard->check(), State::normal);
  guard->set_bounds(260, 300);
  EXPECT_EQ(guard->check(), State::alarm);
  EXPECT_FALSE(disk.holds("reserve"));
  leave_free(350);
  EXPECT_EQ(guard->check(), State::alarm);
  guard->set_bounds(200, 250);
  EXPECT_EQ(guard->check(), State::normal);
  EXPECT_TRUE(reserved());
}

TEST_F(DiskGuards, opening_on_a_full_disk_is_an_alarm_and_no_error) {
  leave_free(50);
  auto guard = open();
  EXPECT_EQ(guard->check(), State::alarm);
  EXPECT_FALSE(disk.holds("reserve"));
  leave_free(10000);
  EXPECT_EQ(guard->check(), State::normal);
  EXPECT_TRUE(reserved());
}

TEST_F(DiskGuards, opening_with_too_little_for_the_reserve_is_an_alarm) {
  leave_free(299);  // 199 besides the reserve
  auto guard = open();
  EXPECT_EQ(guard->check(), State::alarm);
  leave_free(10000);
  guard = open();
  leave_free(199);
  guard = open();  // a reserve is there, but the room that it leaves is too little
  EXPECT_EQ(guard->check(), State::alarm);
  EXPECT_FALSE(disk.holds("reserve"));
}

TEST_F(DiskGuards, a_reserve_of_another_size_is_made_anew) {
  disk.files.put("/data/reserve", as_bytes("short"));
  auto guard = open();
  EXPECT_EQ(guard->check(), State::normal);
  EXPECT_TRUE(reserved());
}

TEST_F(DiskGuards, a_disk_that_cannot_be_asked_changes_nothing) {
  auto guard = open();
  leave_free(10);
  disk.files.fail_at(disk.files.steps() + 1);
  EXPECT_EQ(guard->check(), State::normal);
  EXPECT_EQ(guard->check(), State::alarm);
  leave_free(10000);
  disk.files.fail_at(disk.files.steps() + 1);
  EXPECT_EQ(guard->check(), State::alarm);
  EXPECT_EQ(guard->check(), State::normal);
}

TEST_F(DiskGuards, a_reserve_that_cannot_be_made_keeps_the_alarm) {
  leave_free(50);
  auto guard = open();
  leave_free(10000);
  for (int step = 2; step <= 3; ++step) {  // opening, allocating
    disk.files.fail_at(disk.files.steps() + step, Errc::disk_full);
    EXPECT_EQ(guard->check(), State::alarm);
    EXPECT_FALSE(disk.holds("reserve"));
  }
  EXPECT_EQ(guard->check(), State::normal);
}

TEST_F(DiskGuards, failures_at_the_start_are_told) {
  for (int step = 1; step <= 2; ++step) {  // looking for the reserve, measuring
    disk.files.fail_at(disk.files.steps() + step);
    const auto guard = DiskGuard::open(disk.files, {.directory = "/data", .reserve_bytes = 100});
    ASSERT_FALSE(guard) << step;
    EXPECT_EQ(guard.error().code, Errc::io_error);
  }
}

}  // namespace
}  // namespace millrace::storage
