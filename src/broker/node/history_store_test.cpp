#include "broker/node/history_store.hpp"

#include <gtest/gtest.h>

#include <set>

#include "broker/exchange/test_message.hpp"
#include "storage/segment_format.hpp"

namespace millrace::broker {
namespace {

using test::exchange_spec;
using test::formats;
using Bodies = std::vector<std::string>;

// A log that is a list, and segments in memory; restarts read both.
class HistoryStoreTest : public ::testing::Test {
 protected:
  HistoryStoreTest() { make(3); }

  void make(std::int64_t length, bool durable = true) {
    spec_ = exchange_spec("x-recent-history",
                          Arguments({Argument{"x-recent-history-length", Value::integer(length)}}));
    spec_.durable = durable;
    spec_.store = QueueId(9);
    make_store();
  }
  void make_store() {
    store_.reset();
    released.clear();
    store_ = std::make_unique<HistoryStore>(
        spec_, [this](const storage::SegmentRun& run) { released.insert(run.segment.value); });
  }
  void remember(std::string_view body, bool durable = true) {
    Message::Fields fields;
    fields.durable = durable;
    if (!store_->remember(Message::create(fields, as_bytes(body)), formats())) return;
    Buffer record;
    store_->put_record(record);
    record.append(body);
    log_.push_back(std::move(record));
    store_->logged(storage::Lsn(log_.size()));
  }
  // To a segment; the store is told.
  void move(std::uint64_t through) {
    Spill spill;
    store_->collect(storage::Lsn(through), spill);
    if (!spill.items.empty()) store_->spilled(write(spill));
  }
  storage::SegmentRun write(const Spill& spill) {
    storage::SegmentRun run{storage::SegmentId(next_segment_++), spill.items[0].entity, 0, 0, 0, 0, 0};
    std::string& file = files_[run.segment.value];
    run.first_seq = spill.items.front().seq;
    for (const storage::SegmentItem& item : spill.items) {
      std::uint8_t head[storage::kSegmentItemHeaderBytes];
      storage::put_item_header(head, item);
      file += as_text(ByteView(head, sizeof head));
      for (const ByteView part : item.parts) file += as_text(part);
      run.last_seq = item.seq;
      ++run.count;
    }
    run.bytes = file.size();
    return run;
  }
  void checkpoint() {
    state_.clear();
    store_->put_state(state_);
  }
  // Of the log, what lies above `from` is there.
  void restart(std::uint64_t from = 0) {
    RecoveredHistory recovered;
    if (!state_.view().empty()) {
      Reader in(state_.view());
      recovered = HistoryStore::read_state(in);
      ASSERT_TRUE(in.at_end() && !in.failed());
    }
    for (std::size_t i = from; i < log_.size(); ++i) {
      Reader in(log_[i].view());
      const std::uint64_t seq = in.varint();
      recovered.add(seq, read_message(in.rest()), storage::Lsn(i + 1));
    }
    make_store();
    lost = store_->recover(std::move(recovered), formats(), [this](const storage::SegmentRun& run) {
      Buffer bytes;
      bytes.append(as_bytes(std::string_view(files_.at(run.segment.value)).substr(run.offset, run.bytes)));
      return result<Buffer>(std::move(bytes));
    });
  }
  Bodies bodies() const {
    Bodies all;
    for (const MessageRef& message : store_->messages()) all.emplace_back(as_text(message->body()));
    return all;
  }
  std::size_t runs() const {
    std::size_t count = 0;
    store_->for_each_run([&](const storage::SegmentRun&) { ++count; });
    return count;
  }

  std::set<std::uint64_t> released;
  std::uint64_t lost = 0;
  ExchangeSpec spec_;
  std::vector<Buffer> log_;
  std::map<std::uint64_t, std::string> files_;
  std::uint64_t next_segment_ = 1;
  Buffer state_;
  std::unique_ptr<HistoryStore> store_;
};

TEST_F(HistoryStoreTest, the_last_of_the_log_are_remembered) {
  for (const char* body : {"a", "b", "c", "d"}) remember(body);
  restart();
  EXPECT_EQ(bodies(), (Bodies{"b", "c", "d"}));
  remember("e");
  restart();
  EXPECT_EQ(bodies(), (Bodies{"c", "d", "e"}));
}

TEST_F(HistoryStoreTest, what_the_log_forgot_is_in_segments) {
  for (const char* body : {"a", "b", "c", "d"}) remember(body);
  move(3);
  checkpoint();
  remember("e");
  restart(3);
  EXPECT_EQ(bodies(), (Bodies{"c", "d", "e"}));
  EXPECT_EQ(lost, 0u);
  move(5);  // not what is stored already
  EXPECT_EQ(runs(), 2u);
  checkpoint();
  restart(5);
  EXPECT_EQ(bodies(), (Bodies{"c", "d", "e"}));
}

TEST_F(HistoryStoreTest, what_is_in_a_segment_and_in_the_log_is_remembered_once) {
  make(10);
  for (const char* body : {"a", "b", "c"}) remember(body);
  move(2);
  checkpoint();
  restart(0);
  EXPECT_EQ(bodies(), (Bodies{"a", "b", "c"}));
}

TEST_F(HistoryStoreTest, a_run_is_given_back_when_all_of_it_was_pushed_out) {
  for (const char* body : {"a", "b"}) remember(body);
  move(2);
  EXPECT_EQ(runs(), 1u);
  for (const char* body : {"c", "d"}) remember(body);
  EXPECT_EQ(released, std::set<std::uint64_t>{});
  remember("e");
  EXPECT_EQ(released, std::set<std::uint64_t>{1});
  EXPECT_EQ(runs(), 0u);
}

TEST_F(HistoryStoreTest, what_was_pushed_out_before_the_checkpoint_does_not_come_back) {
  for (const char* body : {"a", "b", "c"}) remember(body);
  for (int i = 0; i < 3; ++i) remember("t", false);
  checkpoint();
  restart();
  EXPECT_EQ(bodies(), Bodies{});
}

TEST_F(HistoryStoreTest, what_is_pushed_out_while_it_is_written_is_not_kept) {
  remember("a");
  Spill spill;
  store_->collect(storage::Lsn(1), spill);
  const storage::SegmentRun run = write(spill);
  for (const char* body : {"b", "c", "d"}) remember(body);
  store_->spilled(run);
  EXPECT_EQ(released, std::set<std::uint64_t>{1});
}

TEST_F(HistoryStoreTest, transient_and_large_messages_are_remembered_until_a_restart) {
  remember("a");
  remember("t", false);
  remember(std::string(HistoryStore::kMaxKeptBody + 1, 'x'));
  EXPECT_EQ(bodies().size(), 3u);
  restart();
  EXPECT_EQ(bodies(), Bodies{"a"});
}

TEST_F(HistoryStoreTest, a_transient_exchange_logs_nothing) {
  make(3, false);
  remember("a");
  EXPECT_TRUE(log_.empty());
  EXPECT_EQ(bodies(), Bodies{"a"});
}

TEST_F(HistoryStoreTest, goes_on_without_what_cannot_be_read) {
  for (const char* body : {"a", "b"}) remember(body);
  move(2);
  checkpoint();
  remember("c");
  files_[1].back() ^= 1;
  restart(2);
  EXPECT_EQ(bodies(), (Bodies{"a", "c"}));
  EXPECT_EQ(lost, 1u);
}

}  // namespace
}  // namespace millrace::broker
