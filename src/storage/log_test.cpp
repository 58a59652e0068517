// The log on a sound machine. What power cuts and failures do to it is in tests/simulation.
#include "storage/log.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "simulation/file_system.hpp"
#include "simulation/scheduler.hpp"
#include "storage/log_format.hpp"

namespace millrace::storage {
namespace {

using namespace std::chrono_literals;

constexpr RecordType kType = RecordType::message;

class LogTest : public ::testing::Test, public LogListener {
 protected:
  LogTest() {
    options.directory = "d";
    options.file_bytes = 16u << 10;
    EXPECT_TRUE(files.create_directories("d"));
    EXPECT_TRUE(files.sync_directory("."));
  }

  void on_durable(Lsn durable) override {
    EXPECT_GT(durable, reported);
    reported = durable;
  }
  void on_log_pressure(Lsn through) override { asked.push_back(through); }

  void open(Lsn checkpointed = Lsn(0)) {
    log.reset();
    replayed.clear();
    reported = Lsn(0);
    auto opened = Log::open(
        shard.runtime(files), options, checkpointed, *this,
        [this](const Record& record) {
          replayed.push_back(std::to_string(record.entity) + ":" + std::string(as_text(record.payload)));
        },
        recovery);
    ASSERT_TRUE(opened) << opened.error().text;
    log = std::move(*opened);
  }
  Lsn append(const std::string& text, std::uint64_t entity = 1) {
    return log->append(kType, 0, entity, as_bytes(text));
  }
  void close() {
    bool closed = false;
    log->close([&] { closed = true; });
    scheduler.run_until_idle();
    EXPECT_TRUE(closed);
    log.reset();
  }

  simulation::Scheduler scheduler{1};
  simulation::Shard& shard = scheduler.add_shard();
  simulation::FileSystem files;
  LogOptions options;
  LogRecovery recovery;
  std::unique_ptr<Log> log;
  std::vector<std::string> replayed;
  std::vector<Lsn> asked;
  Lsn reported;
};

TEST_F(LogTest, lets_settlements_wait_for_company_but_not_for_long) {
  open();
  const Lsn settled = log->append(RecordType::settle, 0, 1, as_bytes("a"));
  log->flush(true);
  scheduler.run_for(Log::kSettleDelay / 2);
  EXPECT_LT(log->durable(), settled) << "nobody waits for it";
  scheduler.run_for(Log::kSettleDelay);
  EXPECT_GE(log->durable(), settled);

  const Lsn with_others = log->append(RecordType::settle, 0, 1, as_bytes("b"));
  append("a message");
  log->flush(true);
  EXPECT_GE(log->durable(), with_others);

  // Much of it goes at once.
  const Lsn much = log->append(RecordType::settle, 0, 1, as_bytes(std::string(Log::kSettleBytes / 32, 's')));
  for (int i = 0; i < 32; ++i) {
    log->append(RecordType::settle, 0, 1, as_bytes(std::string(Log::kSettleBytes / 32, 's')));
  }
  log->flush(false);
  scheduler.run_for(Log::kSettleDelay / 2);
  EXPECT_GE(log->durable(), much);

  log->append(RecordType::settle, 0, 1, as_bytes("last"));
  log->flush(true);
  close();
  open();
  EXPECT_EQ(replayed.back(), "1:last");
}

TEST_F(LogTest, replays_what_was_appended_in_order) {
  open();
  const ByteView parts[] = {as_bytes("in "), {}, as_bytes("parts")};
  append("one", 7);
  log->append(kType, 3, 8, parts);
  const Lsn last = append("");
  log->flush(false);
  EXPECT_LT(log->durable(), last);
  EXPECT_GT(log->unflushed_bytes(), 0u);
  scheduler.run_until_idle();
  EXPECT_EQ(log->durable(), last);
  EXPECT_EQ(reported, last);
  EXPECT_EQ(log->unflushed_bytes(), 0u);
  open();
  EXPECT_EQ(replayed, (std::vector<std::string>{"7:one", "8:in parts", "1:"}));
  EXPECT_EQ(recovery.records, 3u);
  EXPECT_FALSE(recovery.corrupt);
  EXPECT_GT(log->appended(), last);
}

TEST_F(LogTest, all_that_comes_while_the_disk_works_is_one_group) {
  open();
  scheduler.run_until_idle();  // the spares are made
  const auto before = files.syncs();
  append("first");
  log->flush(false);
  for (int i = 0; i < 10; ++i) {
    append("later");
    log->flush(false);
  }
  scheduler.run_until_idle();
  EXPECT_EQ(files.syncs() - before, 2u);
  EXPECT_EQ(reported, log->appended());
}

TEST_F(LogTest, makes_spares_when_the_start_is_over) {
  open();
  scheduler.run_for(runtime::Milliseconds(50));
  EXPECT_EQ(files.paths().size(), 1u);
  scheduler.run_for(runtime::Milliseconds(10'000));
  EXPECT_EQ(files.paths().size(), options.files);
}

TEST_F(LogTest, an_idle_shard_commits_inline) {
  open();
  scheduler.run_until_idle();
  const Lsn last = append("now");
  log->flush(true);
  EXPECT_EQ(reported, last);
}

TEST_F(LogTest, asks_for_room_once_a_file_and_recycles_what_is_released) {
  open();
  scheduler.run_until_idle();
  std::vector<Lsn> answered;
  for (int i = 0; i < 400; ++i) {
    append(std::string(1000, 'x'));
    log->flush(i % 2 == 0);
    scheduler.run_until_idle();
    if (asked.size() == answered.size()) continue;
    answered.push_back(asked.back());
    log->release(asked.back());
  }
  EXPECT_EQ(asked, answered);
  EXPECT_GT(asked.size(), 20u);
  EXPECT_EQ(files.paths().size(), 4u);
  EXPECT_LE(files.paths().back(), "d/wal-0000000000000004");
  open(answered.back());
  EXPECT_FALSE(recovery.corrupt) << recovery.corruption;
  EXPECT_GT(replayed.size(), 20u);
  EXPECT_LT(replayed.size(), 70u);
}

TEST_F(LogTest, goes_on_in_more_files_while_nothing_is_released) {
  open();
  for (int i = 0; i < 200; ++i) {
    append(std::string(1000, 'x'));
    log->flush(false);
    if (i % 3 == 0) scheduler.run_until_idle();
  }
  scheduler.run_until_idle();
  EXPECT_GT(files.paths().size(), 12u);
  log->release(log->durable());
  scheduler.run_until_idle();
  EXPECT_EQ(files.paths().size(), 4u);
  open();
  EXPECT_TRUE(recovery.corrupt);  // nobody wrote a checkpoint
}

TEST_F(LogTest, a_group_larger_than_a_file_is_cut_at_records) {
  open();
  for (int i = 0; i < 100; ++i) append(std::to_string(i) + std::string(1000, 'x'));
  log->flush(true);
  scheduler.run_until_idle();
  EXPECT_EQ(reported, log->appended());
  open();
  ASSERT_EQ(replayed.size(), 100u);
  EXPECT_TRUE(replayed[99].starts_with("1:99x"));
}

TEST_F(LogTest, closing_makes_all_durable_in_every_mode) {
  for (const SyncMode mode : {SyncMode::sync, SyncMode::interval, SyncMode::os}) {
    options.mode = mode;
    options.directory = "d" + std::to_string(static_cast<int>(mode));
    ASSERT_TRUE(files.create_directories(options.directory));
    ASSERT_TRUE(files.sync_directory("."));
    open();
    for (int i = 0; i < 40; ++i) {
      append(std::to_string(i) + std::string(1000, 'x'));
      if (i % 10 == 0) log->flush(true);
    }
    close();
    Prng luck(1);
    for (int round = 0; round < 20; ++round) {
      auto cut = files.crash_clone(luck);
      std::size_t count = 0;
      LogRecovery found;
      auto opened = Log::open(
          shard.runtime(*cut), options, Lsn(0), *this, [&](const Record&) { ++count; }, found);
      ASSERT_TRUE(opened);
      EXPECT_EQ(count, 40u);
    }
  }
}

TEST_F(LogTest, after_a_clean_stop_only_what_is_in_the_log_is_read) {
  options.file_bytes = 4u << 20;
  const auto read_by_open = [this] {
    const std::uint64_t before = files.bytes_read();
    open();
    return files.bytes_read() - before;
  };
  open();
  append("kept");
  log->flush(true);
  scheduler.run_until_idle();
  EXPECT_GT(read_by_open(), options.file_bytes);
  close();
  EXPECT_LT(read_by_open(), options.file_bytes);
  EXPECT_EQ(replayed, std::vector<std::string>{"1:kept"});
  // It went on from there.
  EXPECT_GT(read_by_open(), options.file_bytes);
}

// The end that a clean stop told holds for nothing that comes after it.
TEST_F(LogTest, damage_right_behind_a_clean_stop_is_found) {
  open();
  close();
  const std::string path = options.directory + "/wal-0000000000000001";
  const auto image = files.contents(path);
  std::size_t end = kFileHeaderBlockBytes;
  while (image[end + 20] != 0) end += kRecordHeaderBytes + load_le<std::uint32_t>(&image[end]);
  open();
  for (const char* text : {"promised", "another"}) {
    append(text);
    log->flush(true);
    scheduler.run_until_idle();
  }
  log.reset();
  files.flip_bit(path, 8 * (end + kRecordHeaderBytes));
  open();
  EXPECT_TRUE(recovery.corrupt);
}

TEST_F(LogTest, the_interval_bounds_what_a_power_cut_takes) {
  options.mode = SyncMode::interval;
  open();
  scheduler.run_until_idle();
  append("a");
  log->flush(true);
  EXPECT_EQ(reported, log->appended());
  const auto before = files.syncs();
  scheduler.run_for(99ms);
  EXPECT_EQ(files.syncs(), before);
  scheduler.run_for(10ms);
  EXPECT_EQ(files.syncs(), before + 1);
  scheduler.run_for(1s);
  EXPECT_EQ(files.syncs(), before + 1);  // nothing to do, no timer
}

TEST_F(LogTest, waits_for_room_on_a_full_disk) {
  open();
  scheduler.run_until_idle();
  files.set_capacity(4 * options.file_bytes);
  for (int i = 0; i < 70; ++i) append(std::string(1000, 'x'));
  log->flush(false);
  scheduler.run_for(1s);
  EXPECT_LT(reported, log->appended());
  files.set_capacity(8 * options.file_bytes);
  scheduler.run_for(1s);
  EXPECT_EQ(reported, log->appended());
}

// A power cut persists sectors in any order, so a record of an earlier epoch may come to lie behind the last
// one of this epoch, with a fitting LSN.
TEST_F(LogTest, a_falling_epoch_ends_the_log) {
  for (const std::uint32_t epoch : {2u, 1u}) {
    options.directory = "e" + std::to_string(epoch);
    ASSERT_TRUE(files.create_directories(options.directory));
    open();
    open();  // the second epoch
    const Lsn last = append("kept");
    log->flush(true);
    scheduler.run_until_idle();
    log.reset();

    const std::string path = options.directory + "/wal-0000000000000001";
    auto image = files.contents(path);
    std::size_t at = kFileHeaderBlockBytes;
    while (image[at + 20] != 0) at += kRecordHeaderBytes + load_le<std::uint32_t>(&image[at]);
    store_record_header(&image[at], {0, 0, epoch, last.next(), kType, 0, 9});
    seal_record(load_le<std::uint32_t>(&image[12]), &image[at], kRecordHeaderBytes);
    files.put(path, image);
    open();
    EXPECT_FALSE(recovery.corrupt);
    EXPECT_EQ(replayed.size(), epoch == 2 ? 2u : 1u);
  }
}

}  // namespace
}  // namespace millrace::storage
