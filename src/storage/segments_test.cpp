#include "storage/segments.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <map>
#include <memory>

#include "runtime/os/file_system.hpp"
#include "simulation/seeds.hpp"
#include "storage/segment_format.hpp"
#include "storage/simulated_disk_test.hpp"

namespace millrace::storage {
namespace {

using WrittenRuns = result<std::vector<SegmentRun>>;

// The bytes of an item follow from its place, so that what is read back can be told from all else.
std::string payload_of(std::uint64_t entity, std::uint64_t seq, std::size_t bytes) {
  std::string text = std::to_string(entity) + ":" + std::to_string(seq) + ":";
  while (text.size() < bytes) text += static_cast<char>('a' + (text.size() * 7 + seq) % 26);
  text.resize(bytes);
  return text;
}

struct Batch {
  void add(std::uint64_t entity, std::uint64_t seq, std::size_t bytes) {
    texts->push_back(std::make_unique<std::string>(payload_of(entity, seq, bytes)));
    const ByteView whole = as_bytes(*texts->back());
    const std::size_t third = whole.size() / 3;
    items.push_back({entity,
                     seq,
                     seq * 10 + entity,
                     {whole.subspan(0, third), whole.subspan(third, third), whole.subspan(2 * third)}});
  }
  std::vector<SegmentItem> items;
  std::shared_ptr<std::vector<std::unique_ptr<std::string>>> texts =
      std::make_shared<std::vector<std::unique_ptr<std::string>>>();
};

// Three entities; more than two steps of 1 MiB; items of nothing, and one larger than a step.
Batch some_batch() {
  Batch batch;
  for (std::uint64_t seq = 5; seq < 25; ++seq) batch.add(3, seq, seq * 1000);
  batch.add(4, 1, 0);
  batch.add(4, 7, 1500000);
  for (std::uint64_t seq = 0; seq < 3; ++seq) batch.add(900, seq * 100, 400000);
  return batch;
}

Batch small_batch(std::uint64_t entity) {
  Batch batch;
  for (std::uint64_t seq = 1; seq < 9; ++seq) batch.add(entity, seq, 300 * seq);
  return batch;
}

void write(Segments& segments, SegmentKind kind, const Batch& batch, std::optional<WrittenRuns>& outcome) {
  segments.write(
      kind, batch.items, [texts = batch.texts] {},
      [&outcome](WrittenRuns done) { outcome = std::move(done); });
}

std::vector<SegmentRun> write_now(SimulatedDisk& disk, Segments& segments, const Batch& batch,
                                  SegmentKind kind = SegmentKind::durable) {
  std::optional<WrittenRuns> outcome;
  write(segments, kind, batch, outcome);
  disk.settle();
  EXPECT_TRUE(outcome && *outcome) << (outcome ? outcome->error().text : "not completed");
  return outcome && *outcome ? **outcome : std::vector<SegmentRun>();
}

std::unique_ptr<Segments> open(runtime::ShardRuntime runtime,
                               const std::string& directory = SimulatedDisk::kDirectory) {
  auto segments = Segments::open(runtime, directory);
  EXPECT_TRUE(segments) << segments.error().text;
  return segments ? std::move(*segments) : nullptr;
}

// Reads a run in pieces as a queue does: what ends inside an item is read again with the rest.
std::vector<SegmentItem> read_run(Segments& segments, const SegmentRun& run, Batch& out) {
  std::vector<SegmentItem> found;
  std::uint64_t offset = run.offset;
  std::size_t wanted = 4096;
  while (offset < run.offset + run.bytes) {
    auto piece = segments.read_now(run.segment, offset, wanted);
    EXPECT_TRUE(piece) << piece.error().text;
    if (!piece) break;
    ByteView bytes = piece->view();
    StoredItem item;
    ItemStatus status;
    while (offset < run.offset + run.bytes && (status = next_item(bytes, item)) == ItemStatus::item) {
      out.texts->push_back(std::make_unique<std::string>(as_text(item.payload)));
      found.push_back({run.entity, item.seq, item.meta, {as_bytes(*out.texts->back())}});
      offset += kSegmentItemHeaderBytes + item.payload.size();
    }
    if (offset == run.offset + run.bytes) break;
    EXPECT_EQ(status, ItemStatus::need_more);
    if (status != ItemStatus::need_more) break;
    wanted = std::max<std::size_t>(4096, item_bytes(bytes));
  }
  return found;
}

void expect_holds(Segments& segments, const std::vector<SegmentRun>& runs, const Batch& batch) {
  std::size_t next = 0;
  for (const SegmentRun& run : runs) {
    Batch out;
    const auto found = read_run(segments, run, out);
    ASSERT_EQ(found.size(), run.count);
    EXPECT_EQ(found.front().seq, run.first_seq);
    EXPECT_EQ(found.back().seq, run.last_seq);
    for (const SegmentItem& item : found) {
      ASSERT_LT(next, batch.items.size());
      const SegmentItem& wanted = batch.items[next];
      EXPECT_EQ(item.entity, wanted.entity);
      EXPECT_EQ(item.seq, wanted.seq);
      EXPECT_EQ(item.meta, wanted.meta);
      EXPECT_TRUE(as_text(item.parts[0]) == *(*batch.texts)[next]) << "payload of item " << next;
      ++next;
    }
  }
  EXPECT_EQ(next, batch.items.size());
}

TEST(Segments, hold_what_was_written_and_still_do_when_opened_again) {
  SimulatedDisk disk(1);
  const Batch batch = some_batch();
  auto segments = open(disk.runtime());
  const auto runs = write_now(disk, *segments, batch);
  ASSERT_EQ(runs.size(), 3u);
  EXPECT_EQ(runs[0].count, 20u);
  EXPECT_EQ(runs[1].entity, 4u);
  EXPECT_EQ(runs[2].last_seq, 200u);
  expect_holds(*segments, runs, batch);
  const std::uint64_t bytes = segments->bytes_on_disk();
  EXPECT_EQ(bytes, disk.contents("segment-0000000000000001").size());

  segments = open(disk.runtime());
  EXPECT_EQ(segments->list(), std::vector<SegmentId>{SegmentId(1)});
  EXPECT_EQ(segments->bytes_on_disk(), bytes);
  const auto stored = segments->runs(SegmentId(1));
  ASSERT_TRUE(stored) << stored.error().text;
  EXPECT_EQ(*stored, runs);
  expect_holds(*segments, *stored, batch);
}

TEST(Segments, of_the_transient_kind_are_read_but_not_synced_and_gone_after_a_restart) {
  SimulatedDisk disk(1);
  auto segments = open(disk.runtime());
  const Batch batch = some_batch();
  const std::uint64_t syncs = disk.files.syncs();
  const auto runs = write_now(disk, *segments, batch, SegmentKind::transient);
  EXPECT_EQ(disk.files.syncs(), syncs);
  expect_holds(*segments, runs, batch);
  EXPECT_TRUE(segments->list().empty());
  EXPECT_TRUE(disk.holds("transient-0000000000000001"));
  segments = open(disk.runtime());
  EXPECT_FALSE(disk.holds("transient-0000000000000001"));
  EXPECT_EQ(segments->bytes_on_disk(), 0u);
  EXPECT_EQ(segments->runs(SegmentId(1)).error().code, Errc::not_found);
}

TEST(Segments, opening_leaves_files_of_others_alone) {
  SimulatedDisk disk(1);
  for (const char* name :
       {"/data/wal-0", "/data/segment-12", "/data/segment-000000000000000g", "/data/x.tmp"}) {
    disk.files.put(name, as_bytes("not ours"));
  }
  disk.files.put("/data/segment-0000000000000007.tmp", as_bytes("half-written"));
  auto segments = open(disk.runtime());
  EXPECT_TRUE(segments->list().empty());
  EXPECT_EQ(disk.files.paths().size(), 4u);
  // A number that was in use is not used again.
  EXPECT_EQ(write_now(disk, *segments, small_batch(1)).at(0).segment, SegmentId(8));
}

TEST(Segments, let_other_disk_work_in_between_the_steps_of_a_write) {
  SimulatedDisk disk(1);
  auto segments = open(disk.runtime());
  std::optional<WrittenRuns> outcome;
  const Batch batch = some_batch();
  write(*segments, SegmentKind::durable, batch, outcome);
  std::vector<std::uint64_t> written;
  std::uint64_t before = disk.files.bytes_written();
  while (!outcome) {
    disk.runtime().disk.submit([] {}, [] {});
    if (!disk.scheduler.step()) break;
    if (disk.files.bytes_written() != before) written.push_back(disk.files.bytes_written() - before);
    before = disk.files.bytes_written();
  }
  disk.settle();
  ASSERT_GE(written.size(), 3u);
  EXPECT_EQ(written[0], 1u << 20);  // the step which holds the item of 1.5 MB writes more
  for (const std::uint64_t bytes : written) EXPECT_LE(bytes, (1u << 20) + 1500000u);
}

TEST(Segments, are_written_one_after_the_other_and_complete_in_order) {
  SimulatedDisk disk(3);
  auto segments = open(disk.runtime());
  std::vector<std::uint64_t> completed;
  const Batch large = some_batch();
  const Batch small = small_batch(1);
  for (int i = 0; i < 3; ++i) {
    segments->write(
        SegmentKind::durable, i == 0 ? large.items : small.items, [a = large.texts, b = small.texts] {},
        [&](WrittenRuns done) { completed.push_back(done->at(0).segment.value); });
  }
  segments->write(SegmentKind::durable, {}, nullptr, [&](WrittenRuns done) { EXPECT_TRUE(done->empty()); });
  disk.settle();
  EXPECT_EQ(completed, (std::vector<std::uint64_t>{1, 2, 3}));
  EXPECT_EQ(segments->list().size(), 3u);
}

TEST(Segments, are_read_in_the_background_and_end_where_the_file_ends) {
  SimulatedDisk disk(1);
  auto segments = open(disk.runtime());
  const auto runs = write_now(disk, *segments, some_batch());
  const auto file = disk.contents("segment-0000000000000001");
  std::optional<result<Buffer>> read;
  for (const auto& [offset, bytes] : std::map<std::uint64_t, std::size_t>{{0, 64},
                                                                          {64, 4096},
                                                                          {4095, 2},
                                                                          {4096, 8192},
                                                                          {10001, 300000},
                                                                          {file.size() - 5, 100},
                                                                          {file.size(), 9},
                                                                          {file.size() + 10000, 9}}) {
    segments->read(SegmentId(1), offset, bytes, [&](result<Buffer> done) { read = std::move(done); });
    disk.settle();
    ASSERT_TRUE(read && *read);
    const std::size_t begin = std::min<std::size_t>(offset, file.size());
    const std::size_t count = std::min<std::size_t>(bytes, file.size() - begin);
    EXPECT_EQ(as_text((*read)->view()), as_text(ByteView(file).subspan(begin, count))) << offset;
    read.reset();
  }
  segments->read(SegmentId(9), 0, 1, [&](result<Buffer> done) { read = std::move(done); });
  EXPECT_FALSE(read);  // never from within the call
  disk.settle();
  ASSERT_TRUE(read);
  EXPECT_EQ(read->error().code, Errc::not_found);
}

TEST(Segments, a_read_that_fails_says_so) {
  SimulatedDisk disk(1);
  auto segments = open(disk.runtime());
  const auto runs = write_now(disk, *segments, small_batch(1));
  for (int step = 1; step <= 2; ++step) {  // opening, reading
    disk.files.fail_at(disk.files.steps() + step);
    std::optional<result<Buffer>> read;
    segments->read(SegmentId(1), 0, 1, [&](result<Buffer> done) { read = std::move(done); });
    disk.settle();
    ASSERT_TRUE(read);
    EXPECT_EQ(read->error().code, Errc::io_error);
  }
}

TEST(Segments, removing_waits_for_reads_asked_for_before) {
  SimulatedDisk disk(1);
  auto segments = open(disk.runtime());
  const auto runs = write_now(disk, *segments, small_batch(1));
  write_now(disk, *segments, small_batch(2));
  const std::uint64_t both = segments->bytes_on_disk();
  std::optional<result<Buffer>> read;
  segments->read(SegmentId(1), runs[0].offset, 100, [&](result<Buffer> done) { read = std::move(done); });
  segments->remove(SegmentId(1));
  segments->remove(SegmentId(1));
  EXPECT_EQ(segments->list(), std::vector<SegmentId>{SegmentId(2)});
  EXPECT_EQ(segments->read_now(SegmentId(1), 0, 1).error().code, Errc::not_found);
  disk.settle();
  ASSERT_TRUE(read && *read);
  EXPECT_EQ((*read)->size(), 100u);
  EXPECT_FALSE(disk.holds("segment-0000000000000001"));
  EXPECT_EQ(segments->bytes_on_disk() * 2, both);
}

TEST(Segments, keeps_alive_what_it_writes_and_no_longer) {
  SimulatedDisk disk(1);
  auto segments = open(disk.runtime());
  Batch batch = some_batch();
  const std::weak_ptr<void> watched = batch.texts;
  bool gone_at_completion = false;
  segments->write(
      SegmentKind::durable, batch.items, [texts = batch.texts] {},
      [&](WrittenRuns done) { gone_at_completion = done && watched.expired(); });
  batch.texts.reset();
  EXPECT_FALSE(watched.expired());
  disk.settle();
  EXPECT_TRUE(gone_at_completion);
}

TEST(Segments, completions_die_with_the_object) {
  SimulatedDisk disk(1);
  auto segments = open(disk.runtime());
  const Batch batch = some_batch();
  for (int i = 0; i < 2; ++i) {
    segments->write(
        SegmentKind::durable, batch.items, [texts = batch.texts] {},
        [](WrittenRuns) { ADD_FAILURE() << "a write completed after the end"; });
  }
  for (int i = 0; i < 3; ++i) disk.scheduler.step();
  segments->read(SegmentId(1), 0, 1,
                 [](result<Buffer>) { ADD_FAILURE() << "a read completed after the end"; });
  segments.reset();
  disk.settle();
  EXPECT_EQ(batch.texts.use_count(), 1);
}

TEST(Segments, a_full_disk_adds_nothing_and_is_survived) {
  SimulatedDisk disk(1, 2u << 20);
  auto segments = open(disk.runtime());
  std::optional<WrittenRuns> outcome;
  const Batch batch = some_batch();
  write(*segments, SegmentKind::durable, batch, outcome);
  disk.settle();
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->error().code, Errc::disk_full);
  EXPECT_EQ(disk.files.bytes_written(), 0u);  // found out before anything was written
  EXPECT_TRUE(disk.files.paths().empty());
  EXPECT_TRUE(segments->list().empty());
  EXPECT_EQ(segments->bytes_on_disk(), 0u);
  const Batch small = small_batch(2);
  expect_holds(*segments, write_now(disk, *segments, small), small);
}

TEST(Segments, a_failure_in_any_step_adds_nothing) {
  const Batch batch = some_batch();
  const Batch small = small_batch(7);
  SimulatedDisk counted(1);
  auto counting = open(counted.runtime());
  const std::uint64_t before = counted.files.steps();
  write_now(counted, *counting, batch);
  const std::uint64_t steps = counted.files.steps() - before;
  ASSERT_GE(steps, 8u);
  for (std::uint64_t step = 1; step <= steps; ++step) {
    SCOPED_TRACE("step " + std::to_string(step));
    SimulatedDisk disk(1);
    auto segments = open(disk.runtime());
    disk.files.fail_at(disk.files.steps() + step);
    std::optional<WrittenRuns> outcome;
    write(*segments, SegmentKind::durable, batch, outcome);
    disk.settle();
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->error().code, Errc::io_error);
    EXPECT_TRUE(disk.files.paths().empty());
    EXPECT_TRUE(segments->list().empty());
    expect_holds(*segments, write_now(disk, *segments, small), small);
  }
}

TEST(Segments, a_power_cut_in_any_step_leaves_a_segment_whole_or_absent) {
  const Batch first = small_batch(1);
  Batch second;  // of two steps
  for (std::uint64_t seq = 1; seq < 4; ++seq) second.add(2, seq, 400000);
  second.add(8, 1, 10);
  simulation::for_each_seed(10, [&](std::uint64_t seed) {
    bool completed = false;
    PowerCuts cuts;
    cuts.prepare = [&](SimulatedDisk& disk) { write_now(disk, *open(disk.runtime()), first); };
    cuts.scenario = [&](SimulatedDisk& disk) {
      completed = false;
      auto segments = Segments::open(disk.runtime(), SimulatedDisk::kDirectory);
      if (!segments) return;
      std::optional<WrittenRuns> outcome;
      write(**segments, SegmentKind::durable, second, outcome);
      disk.settle();
      completed = outcome && *outcome;
    };
    cuts.check = [&](SimulatedDisk& disk) {
      auto segments = open(disk.runtime());
      const auto ids = segments->list();
      ASSERT_GE(ids.size(), completed ? 2u : 1u);
      ASSERT_LE(ids.size(), 2u);
      for (const SegmentId id : ids) {
        const auto runs = segments->runs(id);
        ASSERT_TRUE(runs) << runs.error().text;
        expect_holds(*segments, *runs, id == SegmentId(1) ? first : second);
      }
      EXPECT_EQ(disk.files.paths().size(), ids.size());
    };
    cuts.run(seed);
  });
}

TEST(Segments, any_flipped_bit_of_an_item_is_found) {
  SimulatedDisk disk(1);
  auto segments = open(disk.runtime());
  Batch batch;
  batch.add(1, 1, 40);
  batch.add(1, 2, 3);
  const auto run = write_now(disk, *segments, batch).at(0);
  const auto file = disk.contents("segment-0000000000000001");
  for (std::uint64_t bit = 0; bit < (kSegmentItemHeaderBytes + 40) * 8; ++bit) {
    std::vector<std::uint8_t> bytes(file.begin() + run.offset, file.begin() + run.offset + run.bytes);
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    ByteView view = bytes;
    StoredItem item;
    // A length that grew may ask for bytes that are not there; with them the checksum would not fit.
    const ItemStatus status = next_item(view, item);
    EXPECT_NE(status, ItemStatus::item) << "bit " << bit;
    EXPECT_TRUE(bit < 32 || status == ItemStatus::corrupt) << "bit " << bit;
  }
}

TEST(Segments, any_flipped_bit_of_index_or_trailer_is_found) {
  SimulatedDisk disk(1);
  auto segments = open(disk.runtime());
  Batch batch;
  for (std::uint64_t entity = 1; entity < 4; ++entity) batch.add(entity, 1, 40);
  const auto runs = write_now(disk, *segments, batch);
  const std::string name = "segment-0000000000000001";
  const std::uint64_t size = disk.contents(name).size();
  const std::uint64_t index = runs.back().offset + runs.back().bytes;
  std::vector<std::uint64_t> bytes;
  for (std::uint64_t at = index; at < index + 3 * kSegmentRunBytes; ++at) bytes.push_back(at);
  for (std::uint64_t at = size - kSegmentTrailerBytes; at < size; ++at) bytes.push_back(at);
  for (const std::uint64_t byte : bytes) {
    for (std::uint64_t bit = byte * 8; bit < byte * 8 + 8; ++bit) {
      disk.files.flip_bit("/data/" + name, bit);
      const auto read = segments->runs(SegmentId(1));
      ASSERT_FALSE(read) << "byte " << byte;
      const bool version = byte >= size - kSegmentTrailerBytes + 8 && byte < size - kSegmentTrailerBytes + 12;
      EXPECT_TRUE(read.error().code == Errc::corrupt ||
                  (version && read.error().code == Errc::precondition_failed))
          << "byte " << byte << ": " << read.error().text;
      disk.files.flip_bit("/data/" + name, bit);
    }
  }
  EXPECT_TRUE(segments->runs(SegmentId(1)));
}

TEST(Segments, a_cut_or_misplaced_file_is_corrupt_and_stays) {
  SimulatedDisk disk(1);
  auto segments = open(disk.runtime());
  write_now(disk, *segments, small_batch(1));
  const auto whole = disk.contents("segment-0000000000000001");
  const ByteView bytes = whole;
  disk.files.put("/data/segment-0000000000000002", {});
  disk.files.put("/data/segment-0000000000000003", bytes.subspan(0, 4096));
  disk.files.put("/data/segment-0000000000000004", bytes.subspan(0, bytes.size() - 1));
  disk.files.put("/data/segment-0000000000000005", bytes);
  segments = open(disk.runtime());
  ASSERT_EQ(segments->list().size(), 5u);
  EXPECT_TRUE(segments->runs(SegmentId(1)));
  for (std::uint64_t id = 2; id <= 5; ++id) {
    const auto read = segments->runs(SegmentId(id));
    ASSERT_FALSE(read) << id;
    EXPECT_EQ(read.error().code, Errc::corrupt);
    EXPECT_NE(read.error().text.find("segment-000000000000000" + std::to_string(id)), std::string::npos);
  }
}

TEST(Segments, a_length_out_of_all_bounds_is_corrupt_at_once) {
  std::vector<std::uint8_t> bytes(100, 0xff);
  ByteView view = bytes;
  StoredItem item;
  EXPECT_EQ(next_item(view, item), ItemStatus::corrupt);
  ByteView few = ByteView(bytes).subspan(0, 3);
  EXPECT_EQ(next_item(few, item), ItemStatus::need_more);
  EXPECT_EQ(item_bytes(few), 0u);
}

TEST(Segments, work_on_a_real_file_system) {
  std::string pattern = ::testing::TempDir() + "millrace-segments-XXXXXX";
  const std::string directory = ::mkdtemp(pattern.data());
  {
    runtime::PosixFileSystem files;
    simulation::Scheduler scheduler(1);
    const runtime::ShardRuntime runtime = scheduler.add_shard().runtime(files);
    auto segments = open(runtime, directory);
    const Batch batch = some_batch();
    std::optional<WrittenRuns> outcome;
    write(*segments, SegmentKind::durable, batch, outcome);
    scheduler.run_until_idle();
    ASSERT_TRUE(outcome && *outcome) << outcome->error().text;
    expect_holds(*segments, **outcome, batch);
    segments = open(runtime, directory);
    const auto runs = segments->runs(SegmentId(1));
    ASSERT_TRUE(runs) << runs.error().text;
    expect_holds(*segments, *runs, batch);
    segments->remove(SegmentId(1));
    scheduler.run_until_idle();
    EXPECT_TRUE(files.list(directory)->empty());
  }
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace millrace::storage
