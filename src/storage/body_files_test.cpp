#include "storage/body_files.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "simulation/seeds.hpp"
#include "storage/body_file.hpp"
#include "storage/simulated_disk_test.hpp"

namespace millrace::storage {
namespace {

using WrittenBody = result<BodyFileId>;

std::vector<std::uint8_t> body_of(std::size_t bytes) {
  std::vector<std::uint8_t> body(bytes);
  std::iota(body.begin(), body.end(), std::uint8_t{3});
  return body;
}

std::unique_ptr<BodyFiles> open(SimulatedDisk& disk) {
  auto bodies = BodyFiles::open(disk.runtime(), SimulatedDisk::kDirectory);
  EXPECT_TRUE(bodies) << bodies.error().text;
  return bodies ? std::move(*bodies) : nullptr;
}

std::optional<WrittenBody> write(SimulatedDisk& disk, BodyFiles& bodies, ByteView body) {
  std::optional<WrittenBody> outcome;
  bodies.write(body, nullptr, [&](WrittenBody done) { outcome = std::move(done); });
  disk.settle();
  return outcome;
}

void expect_holds(SimulatedDisk& disk, BodyFiles& bodies, BodyFileId id, ByteView body) {
  const auto now = bodies.read_now(id);
  ASSERT_TRUE(now) << now.error().text;
  EXPECT_TRUE(as_text(now->view()) == as_text(body));
  std::vector<std::uint8_t> room(body.size());
  const auto into_room = bodies.read_now(id, room);
  ASSERT_TRUE(into_room) << into_room.error().text;
  EXPECT_TRUE(as_text(ByteView(room)) == as_text(body));
  std::optional<result<Buffer>> later;
  bodies.read(id, [&](result<Buffer> done) { later = std::move(done); });
  disk.settle();
  ASSERT_TRUE(later && *later);
  EXPECT_TRUE(as_text((*later)->view()) == as_text(body));
}

TEST(BodyFiles, hold_bodies_of_every_length) {
  SimulatedDisk disk(1);
  auto bodies = open(disk);
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, kBodyPieceBytes - 1, kBodyPieceBytes,
                                  kBodyPieceBytes + 1, 3 * kBodyPieceBytes}) {
    const auto body = body_of(bytes);
    const auto id = write(disk, *bodies, body);
    ASSERT_TRUE(id && *id) << bytes;
    expect_holds(disk, *bodies, **id, body);
  }
  bodies = open(disk);
  EXPECT_EQ(bodies->list().size(), 6u);
  expect_holds(disk, *bodies, BodyFileId(6), body_of(3 * kBodyPieceBytes));
}

TEST(BodyFiles, are_not_read_into_room_of_another_size) {
  SimulatedDisk disk(1);
  auto bodies = open(disk);
  const auto body = body_of(100);
  const auto id = **write(disk, *bodies, body);
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{99}, std::size_t{101}}) {
    std::vector<std::uint8_t> room(bytes);
    EXPECT_EQ(bodies->read_now(id, room).error().code, Errc::corrupt) << bytes;
  }
}

TEST(BodyFiles, are_removed_in_the_background) {
  SimulatedDisk disk(1);
  auto bodies = open(disk);
  const auto body = body_of(100);
  const auto id = **write(disk, *bodies, body);
  bodies->remove(id);
  bodies->remove(BodyFileId(77));
  disk.settle();
  EXPECT_TRUE(disk.files.paths().empty());
  EXPECT_EQ(bodies->read_now(id).error().code, Errc::not_found);
}

TEST(BodyFiles, a_number_that_recovery_met_is_not_used_again) {
  SimulatedDisk disk(1);
  auto bodies = open(disk);
  const auto body = body_of(100);
  EXPECT_EQ(**write(disk, *bodies, body), BodyFileId(1));
  bodies->remove(BodyFileId(1));
  disk.settle();
  bodies = open(disk);
  bodies->keep_number(BodyFileId(1));
  EXPECT_EQ(**write(disk, *bodies, body), BodyFileId(2));
}

TEST(BodyFiles, opening_removes_what_is_half_written_and_nothing_else) {
  SimulatedDisk disk(1);
  disk.files.put("/data/body-0000000000000009.tmp", as_bytes("half"));
  disk.files.put("/data/body-9", as_bytes("not ours"));
  disk.files.put("/data/checkpoint.tmp", as_bytes("not ours"));
  auto bodies = open(disk);
  EXPECT_TRUE(bodies->list().empty());
  EXPECT_EQ(disk.files.paths().size(), 2u);
  EXPECT_EQ(**write(disk, *bodies, body_of(5)), BodyFileId(10));
}

TEST(BodyFiles, keep_alive_what_they_write_and_drop_completions_at_the_end) {
  SimulatedDisk disk(1);
  auto bodies = open(disk);
  auto body = std::make_shared<std::vector<std::uint8_t>>(body_of(2 * kBodyPieceBytes));
  bool gone_at_completion = false;
  const std::weak_ptr<void> watched = body;
  const ByteView view = *body;
  bodies->write(
      view, [owned = std::move(body)] {},
      [&](WrittenBody done) { gone_at_completion = done && watched.expired(); });
  disk.settle();
  EXPECT_TRUE(gone_at_completion);
  bodies->write({}, nullptr, [](WrittenBody) { ADD_FAILURE() << "completed after the end"; });
  bodies->read(BodyFileId(1), [](result<Buffer>) { ADD_FAILURE() << "completed after the end"; });
  disk.scheduler.step();
  bodies.reset();
  disk.settle();
}

TEST(BodyFiles, a_full_disk_is_found_out_before_anything_is_written) {
  SimulatedDisk disk(1, 1u << 20);
  auto bodies = open(disk);
  const auto outcome = write(disk, *bodies, body_of(1u << 20));
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->error().code, Errc::disk_full);
  EXPECT_EQ(disk.files.bytes_written(), 0u);
  EXPECT_TRUE(disk.files.paths().empty());
  const auto small = body_of(1000);
  expect_holds(disk, *bodies, **write(disk, *bodies, small), small);
}

TEST(BodyFiles, a_failure_in_any_step_of_a_write_adds_nothing) {
  const auto body = body_of(kBodyPieceBytes + 10);
  SimulatedDisk counted(1);
  auto counting = open(counted);
  const std::uint64_t before = counted.files.steps();
  ASSERT_TRUE(write(counted, *counting, body));
  const std::uint64_t steps = counted.files.steps() - before;
  ASSERT_GE(steps, 9u);
  for (std::uint64_t step = 1; step <= steps; ++step) {
    SimulatedDisk disk(1);
    auto bodies = open(disk);
    disk.files.fail_at(disk.files.steps() + step);
    const auto outcome = write(disk, *bodies, body);
    ASSERT_TRUE(outcome && !*outcome) << step;
    EXPECT_EQ(outcome->error().code, Errc::io_error);
    EXPECT_TRUE(disk.files.paths().empty()) << step;
  }
}

TEST(BodyFiles, a_failure_in_any_step_of_a_read_is_told) {
  for (int step = 1; step <= 4; ++step) {
    SimulatedDisk disk(1);
    auto bodies = open(disk);
    const auto body = body_of(kBodyPieceBytes + 10);
    const auto id = **write(disk, *bodies, body);
    disk.files.fail_at(disk.files.steps() + step);
    std::optional<result<Buffer>> read;
    bodies->read(id, [&](result<Buffer> done) { read = std::move(done); });
    disk.settle();
    ASSERT_TRUE(read);
    EXPECT_EQ(read->error().code, Errc::io_error) << step;
    expect_holds(disk, *bodies, id, body);
  }
}

TEST(BodyFiles, a_power_cut_in_any_step_leaves_a_body_whole_or_absent) {
  simulation::for_each_seed(10, [](std::uint64_t seed) {
    const auto body = body_of(kBodyPieceBytes + 5000);
    bool completed = false;
    PowerCuts cuts;
    cuts.scenario = [&](SimulatedDisk& disk) {
      completed = false;
      auto bodies = BodyFiles::open(disk.runtime(), SimulatedDisk::kDirectory);
      if (!bodies) return;
      const auto outcome = write(disk, **bodies, body);
      completed = outcome && *outcome;
    };
    cuts.check = [&](SimulatedDisk& disk) {
      auto bodies = open(disk);
      const auto ids = bodies->list();
      ASSERT_GE(ids.size(), completed ? 1u : 0u);
      for (const BodyFileId id : ids) expect_holds(disk, *bodies, id, body);
      EXPECT_EQ(disk.files.paths().size(), ids.size());
    };
    cuts.run(seed);
  });
}

TEST(BodyFiles, any_flipped_bit_and_any_cut_is_found) {
  SimulatedDisk disk(1);
  auto bodies = open(disk);
  const auto id = **write(disk, *bodies, body_of(20));
  const std::string path = "/data/body-0000000000000001";
  const auto whole = disk.files.contents(path);
  ASSERT_EQ(whole.size(), kBodyFileHeaderBytes + 20);
  for (std::uint64_t bit = 0; bit < whole.size() * 8; ++bit) {
    disk.files.flip_bit(path, bit);
    const auto read = bodies->read_now(id);
    ASSERT_FALSE(read) << "bit " << bit;
    const bool version = bit / 8 >= 8 && bit / 8 < 12;
    EXPECT_TRUE(read.error().code == Errc::corrupt ||
                (version && read.error().code == Errc::precondition_failed))
        << "bit " << bit;
    disk.files.flip_bit(path, bit);
  }
  EXPECT_TRUE(bodies->read_now(id));
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    disk.files.put(path, ByteView(whole).subspan(0, bytes));
    EXPECT_EQ(bodies->read_now(id).error().code, Errc::corrupt) << bytes;
  }
}

}  // namespace
}  // namespace millrace::storage
