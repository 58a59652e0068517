#include "broker/node/delayed_store.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <set>
#include <utility>

#include "base/prng.hpp"
#include "storage/segment_format.hpp"

namespace millrace::broker {
namespace {

constexpr QueueId kStore(7);

// A shard of one store: segments are buffers, passing on is noting.
class Host final : public DelayedHost {
 public:
  std::int64_t now_ms() const noexcept override { return now; }
  bool pass_on(DelayedStore&, const DelayedMessage& delayed) override {
    passed.push_back(delayed.seq);
    if (held) {
      const std::pair key(delayed.due_ms, delayed.seq);
      EXPECT_TRUE(!held->empty() && *held->begin() == key)
          << delayed.seq << " overtakes " << (held->empty() ? 0 : held->begin()->second);
      held->erase(key);
    }
    keys.push_back(delayed.keys);
    return settles_at_once;
  }
  void has_settled(DelayedStore&) override {}
  void rescheduled(DelayedStore&) override {}
  void read_segment(storage::SegmentId segment, std::uint64_t offset, std::size_t bytes,
                    storage::Segments::ReadDone done) override {
    reads.push_back({segment.value, offset, bytes, std::move(done)});
  }
  void run_released(const storage::SegmentRun& run) override { released.push_back(run.segment.value); }
  void set_aside(DelayedStore&, const storage::SegmentRun&, std::uint64_t messages,
                 std::string_view) override {
    ++reports;
    aside += messages;
  }
  void memory_changed(std::int64_t bytes) override { memory += bytes; }

  // Does the reads that were asked for, and those that they lead to.
  void read_all(DelayedStore& store) {
    while (!reads.empty()) {
      Read read = std::move(reads.front());
      reads.pop_front();
      if (failing_reads > 0) {
        --failing_reads;
        read.done(fail(Errc::io_error, "EIO"));
        store.pump();
        continue;
      }
      const std::string& file = files.at(read.segment);
      Buffer piece;
      piece.append(std::string_view(file).substr(read.offset, read.bytes));
      read.done(std::move(piece));
      store.pump();
    }
  }

  struct Read {
    std::uint64_t segment;
    std::uint64_t offset;
    std::size_t bytes;
    storage::Segments::ReadDone done;
  };
  std::int64_t now = 1000;
  bool settles_at_once = true;
  std::set<std::pair<std::int64_t, std::uint64_t>>* held = nullptr;  // (due, seq): the first goes next
  std::vector<std::uint64_t> passed;
  std::vector<std::vector<std::string>> keys;
  std::vector<std::uint64_t> released;
  std::deque<Read> reads;
  std::map<std::uint64_t, std::string> files;
  std::int64_t memory = 0;
  std::uint64_t aside = 0;  // messages, in
  int reports = 0;
  int failing_reads = 0;  // so many of the next
};

ExchangeSpec durable_spec() {
  ExchangeSpec spec;
  spec.vhost = "/";
  spec.name = "later";
  spec.durable = true;
  spec.store = kStore;
  return spec;
}

DelayedMessage delayed_message(std::uint64_t seq, std::int64_t due_ms, bool persistent = true,
                               std::size_t bytes = 10) {
  Message::Fields fields;
  fields.durable = persistent;
  fields.routing_key = "k";
  DelayedMessage delayed;
  delayed.message = Message::create(fields, as_bytes(std::string(bytes, 'b')));
  delayed.keys = {"k", "cc"};
  delayed.due_ms = due_ms;
  delayed.seq = seq;
  delayed.persistent = persistent;
  delayed.lsn = storage::Lsn(persistent ? seq : 0);
  return delayed;
}

void append_item(Buffer& out, const storage::SegmentItem& item) {
  storage::put_item_header(out.extend(storage::kSegmentItemHeaderBytes), item);
  for (const ByteView part : item.parts) out.append(part);
}

class DelayedStoreTest : public ::testing::Test {
 protected:
  void add(std::int64_t due_ms, bool persistent = true, std::size_t bytes = 10) {
    store->add(delayed_message(store->take_seq(), due_ms, persistent, bytes));
  }
  void at(std::int64_t ms) {
    host.now = ms;
    store->pump();
    host.read_all(*store);
  }
  Spill collect(std::uint64_t through) {
    Spill spill;
    store->collect(storage::Lsn(through), spill);
    return spill;
  }
  // Writes what was collected as a segment of its own, and tells the store.
  void write(const Spill& spill) {
    if (spill.items.empty()) return;
    Buffer file;
    for (const storage::SegmentItem& item : spill.items) append_item(file, item);
    storage::SegmentRun run;
    run.segment = storage::SegmentId(host.files.size() + 1);
    run.entity = store->entity();
    run.bytes = file.size();
    run.first_seq = spill.items.front().seq;
    run.last_seq = spill.items.back().seq;
    run.count = spill.items.size();
    host.files[run.segment.value] = std::string(as_text(file.view()));
    store->spilled(run);
  }
  void spill(std::uint64_t through) { write(collect(through)); }
  // A restart from a checkpoint of this moment and the records after the LSN, `settled_later` after the
  // moment.
  void restart(std::uint64_t through, const std::vector<DelayedMessage>& logged,
               const std::vector<std::uint64_t>& settled,
               const std::vector<std::uint64_t>& settled_later = {}) {
    Buffer state;
    store->put_state(state);
    Reader in(state.view());
    RecoveredDelayed recovered = DelayedStore::read_state(in);
    ASSERT_FALSE(in.failed());
    ASSERT_TRUE(in.at_end());
    for (const DelayedMessage& delayed : logged) {
      if (delayed.lsn.value > through) recovered.add(delayed);
    }
    for (const std::uint64_t seq : settled) recovered.settle(seq, true);
    for (const std::uint64_t seq : settled_later) recovered.settle(seq, false);
    host.reads.clear();
    store = std::make_unique<DelayedStore>(host, durable_spec());
    host.released.clear();
    host.passed.clear();
    store->recover(std::move(recovered));
  }

  Host host;
  std::unique_ptr<DelayedStore> store = std::make_unique<DelayedStore>(host, durable_spec());
};

TEST_F(DelayedStoreTest, passes_on_by_due_time_then_arrival) {
  add(1300);
  add(1100);
  add(1300);
  EXPECT_EQ(store->next_ms(), 1100);
  at(1099);
  EXPECT_TRUE(host.passed.empty());
  at(1100);
  EXPECT_EQ(host.passed, std::vector<std::uint64_t>({2}));
  EXPECT_EQ(store->next_ms(), 1300);
  at(5000);
  EXPECT_EQ(host.passed, std::vector<std::uint64_t>({2, 1, 3}));
  EXPECT_EQ(host.keys.back(), std::vector<std::string>({"k", "cc"}));
  EXPECT_EQ(store->next_ms(), Entry::kNever);
  EXPECT_EQ(host.memory, 0);
}

TEST_F(DelayedStoreTest, settles_when_what_was_passed_on_has_arrived) {
  host.settles_at_once = false;
  add(1100);
  add(1100, false);
  at(1100);
  EXPECT_TRUE(store->settled_this_turn.empty());
  store->finish(1);
  store->finish(1);
  store->finish(2);
  EXPECT_EQ(store->settled_this_turn, std::vector<std::uint64_t>({1}));  // 2 was never logged
  EXPECT_EQ(host.memory, 0);
}

TEST_F(DelayedStoreTest, reads_spilled_messages_back_shortly_before_they_are_due) {
  for (const std::int64_t due : {90'000, 80'000, 70'000}) add(due);
  spill(3);
  EXPECT_EQ(host.memory, 0);
  EXPECT_EQ(store->next_ms(), 70'000 - DelayedStore::kReadAheadMs);
  add(75'000);
  at(60'000);
  EXPECT_EQ(store->in_memory(), 1u);
  at(70'000 - DelayedStore::kReadAheadMs);
  EXPECT_EQ(store->in_memory(), 4u);
  EXPECT_TRUE(host.passed.empty());
  at(100'000);
  EXPECT_EQ(host.passed, std::vector<std::uint64_t>({3, 4, 2, 1}));
  EXPECT_EQ(host.released, std::vector<std::uint64_t>({1}));
}

TEST_F(DelayedStoreTest, lets_nothing_overtake_what_is_still_in_its_segment) {
  add(2000);
  spill(1);
  add(2001);
  host.now = 3000;
  store->pump();
  EXPECT_TRUE(host.passed.empty());
  host.read_all(*store);
  EXPECT_EQ(host.passed, std::vector<std::uint64_t>({1, 2}));
}

TEST_F(DelayedStoreTest, passes_on_in_order_of_arrival_what_is_due_at_the_same_time_whatever_was_spilled) {
  for (int i = 0; i < 3; ++i) add(2000);
  spill(2);
  add(2000);
  host.now = 3000;
  store->pump();
  EXPECT_TRUE(host.passed.empty());
  host.read_all(*store);
  EXPECT_EQ(host.passed, std::vector<std::uint64_t>({1, 2, 3, 4}));
}

TEST_F(DelayedStoreTest, spills_only_what_the_log_holds_alone) {
  add(2000);
  add(2000, false);
  add(2000);
  spill(2);
  EXPECT_EQ(store->in_memory(), 2u);
  EXPECT_TRUE(collect(2).items.empty());
}

TEST_F(DelayedStoreTest, spills_transient_ones_too_when_memory_is_short) {
  add(9000, false);
  add(8000);
  add(7000);
  Spill oldest;
  store->collect_oldest(1 << 20, storage::Lsn(2), oldest);  // the last is not durable yet
  EXPECT_EQ(oldest.items.size(), 2u);
  write(oldest);
  at(10'000);
  EXPECT_EQ(host.passed, std::vector<std::uint64_t>({3, 2, 1}));
  EXPECT_EQ(host.memory, 0);
}

TEST_F(DelayedStoreTest, does_not_pass_on_again_what_went_while_it_was_being_spilled) {
  host.settles_at_once = false;
  for (int i = 0; i < 3; ++i) add(1100);
  at(1100);
  const Spill spilling = collect(3);
  EXPECT_EQ(spilling.items.size(), 3u);
  store->finish(1);
  write(spilling);
  store->finish(2);
  at(2000);  // reads the run
  store->finish(3);
  EXPECT_EQ(host.passed.size(), 3u);
  EXPECT_EQ(host.released, std::vector<std::uint64_t>({1}));
  EXPECT_EQ(host.memory, 0);
}

TEST_F(DelayedStoreTest, a_restart_brings_back_what_was_not_settled) {
  host.settles_at_once = false;
  std::vector<DelayedMessage> logged;
  for (std::uint64_t seq = 1; seq <= 6; ++seq) {
    logged.push_back(delayed_message(seq, 1000 + static_cast<std::int64_t>(seq) * 100));
    store->take_seq();
    store->add(logged.back());
  }
  spill(4);
  at(1300);  // 1, 2 and 3 are on their way
  store->finish(2);
  restart(0, logged, {2}, {3});
  host.settles_at_once = true;
  at(9000);
  EXPECT_EQ(host.passed, std::vector<std::uint64_t>({1, 4, 5, 6}));
  EXPECT_EQ(store->take_seq(), 7u);
}

TEST_F(DelayedStoreTest, a_restart_drops_spilled_transient_messages) {
  add(5000, false);
  add(6000);
  Spill oldest;
  store->collect_oldest(1 << 20, storage::Lsn(2), oldest);
  write(oldest);
  restart(2, {}, {});
  at(9000);
  EXPECT_EQ(host.passed, std::vector<std::uint64_t>({2}));
  EXPECT_EQ(host.released, std::vector<std::uint64_t>({1}));
}

TEST_F(DelayedStoreTest, reads_a_message_that_is_longer_than_a_piece) {
  add(5000, true, 3 * storage::Segments::kReadPieceBytes);
  add(5000);
  spill(2);
  at(5000);
  EXPECT_EQ(host.passed, std::vector<std::uint64_t>({1, 2}));
  EXPECT_EQ(host.aside, 0u);
}

TEST_F(DelayedStoreTest, reads_again_after_an_error_that_passes) {
  add(5000);
  add(5000);
  spill(1);
  host.failing_reads = ReadRetry::kMax;
  at(5000);
  EXPECT_EQ(store->next_ms(), 5000 + ReadRetry::kFirstDelayMs);
  while (host.passed.empty() && host.now < 60'000) at(store->next_ms());
  EXPECT_EQ(host.passed, std::vector<std::uint64_t>({1, 2}));
  EXPECT_EQ(host.reports, 0);
  EXPECT_EQ(host.released, std::vector<std::uint64_t>({1}));
}

TEST_F(DelayedStoreTest, sets_aside_what_cannot_be_read_and_keeps_it) {
  for (int i = 0; i < 3; ++i) add(5000);
  spill(2);
  add(6000);
  host.failing_reads = ReadRetry::kMax + 1;
  at(6000);
  while (store->next_ms() != Entry::kNever) at(store->next_ms());
  EXPECT_EQ(host.passed, std::vector<std::uint64_t>({3, 4}));
  EXPECT_EQ(host.reports, 1);
  EXPECT_EQ(host.aside, 2u);
  EXPECT_TRUE(host.released.empty());
  EXPECT_EQ(host.failing_reads, 0);
  restart(4, {}, {});
  at(60'000);
  EXPECT_EQ(host.passed, std::vector<std::uint64_t>({1, 2}));
  EXPECT_EQ(host.released, std::vector<std::uint64_t>({1}));
}

TEST_F(DelayedStoreTest, passes_on_what_is_sound_around_a_damaged_item) {
  for (int i = 0; i < 3; ++i) add(5000);
  spill(3);
  const std::size_t second = host.files[1].size() / 3 + 30;
  host.files[1][second] ^= 1;
  at(7000);
  EXPECT_EQ(host.passed, std::vector<std::uint64_t>({1, 3}));
  EXPECT_EQ(host.reports, 1);
  EXPECT_EQ(host.aside, 1u);
  EXPECT_TRUE(host.released.empty());
  EXPECT_EQ(host.memory, 0);
  // The file is brought back: only what was missing is passed on.
  host.files[1][second] ^= 1;
  restart(3, {}, {});
  at(7000);
  EXPECT_EQ(host.passed, std::vector<std::uint64_t>({2}));
  EXPECT_EQ(host.released, std::vector<std::uint64_t>({1}));
}

TEST_F(DelayedStoreTest, sets_aside_what_follows_a_damaged_length) {
  for (int i = 0; i < 3; ++i) add(5000);
  spill(3);
  host.files[1][host.files[1].size() / 3 + 3] ^= 0x7f;
  at(7000);
  EXPECT_EQ(host.passed, std::vector<std::uint64_t>({1}));
  EXPECT_EQ(store->next_ms(), Entry::kNever);
  EXPECT_EQ(host.reports, 1);
  EXPECT_TRUE(host.released.empty());
  store.reset();
  EXPECT_EQ(host.released, std::vector<std::uint64_t>({1}));
  store = std::make_unique<DelayedStore>(host, durable_spec());
}

TEST_F(DelayedStoreTest, keeps_a_bounded_part_of_a_backlog_in_memory) {
  for (int run = 0; run < 3; ++run) {
    for (int i = 0; i < 20'000; ++i) add(5000, true, 1000);
    spill(UINT64_MAX);
    EXPECT_EQ(host.memory, 0);
  }
  host.settles_at_once = false;  // nothing leaves: reading must stop by itself
  at(5000);
  EXPECT_LT(host.memory, static_cast<std::int64_t>(2 * DelayedStore::kReadBackBytes));
  EXPECT_GT(host.memory, 0);
}

TEST(Delayed, malformed_bytes_are_no_message) {
  Prng random(1);
  Buffer whole;
  const DelayedMessage delayed = delayed_message(5, 77);
  put_delayed_prefix(whole, delayed);
  whole.append(delayed.message->body());
  const auto read = read_delayed(whole.view());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->seq, 5u);
  EXPECT_EQ(read->due_ms, 77);
  EXPECT_EQ(read->keys, delayed.keys);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(read_delayed(whole.view().subspan(0, size))) << size;
  }
}

// Whatever is spilled, read back, settled late, or cut off by a restart: each persistent message is passed
// on, none before another that is held and due sooner or came earlier, and once unless it was not yet settled
// when the restart came.
TEST_F(DelayedStoreTest, loses_nothing_whatever_happens_in_between) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Prng random(seed);
    host = Host();
    store = std::make_unique<DelayedStore>(host, durable_spec());
    std::vector<DelayedMessage> logged;
    std::vector<std::uint64_t> in_flight;
    std::vector<std::uint64_t> settled;
    std::map<std::uint64_t, int> times;
    std::set<std::pair<std::int64_t, std::uint64_t>> held;
    std::uint64_t released_through = 0;
    host.held = &held;
    // Long enough for runs of several pieces, now and then.
    const std::size_t large = random.one_in(4) ? storage::Segments::kReadPieceBytes / 2 : 10;
    const std::uint64_t spread = random.one_in(2) ? 8000 : 20;  // few, or many, are due at the same time
    const auto take_passed = [&] {
      for (const std::uint64_t seq : host.passed) {
        ++times[seq];
        in_flight.push_back(seq);
      }
      host.passed.clear();
    };
    host.settles_at_once = false;
    for (int step = 0; step < 300; ++step) {
      switch (random.below(8)) {
        case 0:
        case 1:
        case 2: {
          const std::uint64_t seq = store->take_seq();
          DelayedMessage delayed =
              delayed_message(seq, host.now + static_cast<std::int64_t>(random.below(spread)), true,
                              random.one_in(12) ? large : 10);
          held.emplace(delayed.due_ms, seq);
          store->add(delayed);
          logged.push_back(std::move(delayed));
          break;
        }
        case 3:
          host.now += static_cast<std::int64_t>(random.below(spread / 8));
          store->pump();
          break;
        case 4:
          if (random.one_in(8)) host.failing_reads = 1;
          host.read_all(*store);
          break;
        case 5:
          take_passed();
          while (!in_flight.empty() && !random.one_in(3)) {
            const std::size_t i = random.below(in_flight.size());
            store->finish(in_flight[i]);
            settled.push_back(in_flight[i]);
            in_flight.erase(in_flight.begin() + static_cast<std::ptrdiff_t>(i));
          }
          break;
        case 6: {
          if (logged.empty()) break;
          const std::uint64_t through = released_through + random.below(logged.size() + 1 - released_through);
          Spill spilling;
          const bool for_memory = random.one_in(3);
          if (for_memory) {
            store->collect_oldest(random.below(4096), storage::Lsn(logged.size()), spilling);
          } else {
            spilling = collect(through);
          }
          if (random.one_in(3)) at(host.now + static_cast<std::int64_t>(random.below(1000)));
          take_passed();
          if (!in_flight.empty() && random.one_in(2)) {
            store->finish(in_flight.back());
            settled.push_back(in_flight.back());
            in_flight.pop_back();
          }
          write(spilling);
          if (!for_memory) released_through = through;
          break;
        }
        default: {
          if (!random.one_in(4)) break;
          take_passed();
          restart(released_through, logged, settled);
          for (const std::uint64_t seq : in_flight) {
            --times[seq];
            held.emplace(logged[seq - 1].due_ms, seq);
          }
          in_flight.clear();
          break;
        }
      }
    }
    host.settles_at_once = true;
    at(host.now + 100'000);
    while (store->next_ms() != Entry::kNever) at(host.now + 1);
    take_passed();
    EXPECT_TRUE(held.empty());
    for (const DelayedMessage& delayed : logged) ASSERT_EQ(times[delayed.seq], 1) << delayed.seq;
    for (const std::uint64_t seq : std::vector(in_flight)) store->finish(seq);
    host.held = nullptr;
    EXPECT_EQ(store->runs(), 0u);
  }
}

}  // namespace
}  // namespace millrace::broker
