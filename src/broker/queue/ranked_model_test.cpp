#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/prng.hpp"
#include "broker/queue/fake_host_test.hpp"
#include "simulation/seeds.hpp"

namespace millrace::broker {
namespace {

using test::FakeHost;
using test::LogEntry;
using test::test_consumer;
using test::test_spec;

enum class Faults : std::uint8_t { none, some };

// A ranked queue of which next to nothing stays in memory serves as a plain sorted list does, across spills,
// checkpoints, restarts, purges and changes of its order.
class RankedModelRun {
 public:
  RankedModelRun(std::uint64_t seed, Faults faults)
      : luck_(seed), faults_(faults), changes_order_(luck_.one_in(2)) {
    settings_.quorum = luck_.one_in(3);
    // In order of arrival, what was ranked is served before what was not, whatever its level.
    settings_.max_priority = settings_.quorum && !changes_order_ ? 1 : 0;
    settings_.dead_letter_exchange = "dlx";
    if (settings_.quorum && luck_.one_in(2)) settings_.delayed_retry = DelayedRetry::all;
    settings_.delayed_retry_min_ms = settings_.delayed_retry_max_ms = kRetryMs;
    if (luck_.one_in(3)) settings_.max_length = 10 + static_cast<std::int64_t>(luck_.below(20));
    settings_.scheduling.order = any_order();
    spec_ = test_spec(!luck_.one_in(4));
    host_.limits.max_messages = 1 + luck_.below(20);
    host_.limits.max_bytes = luck_.one_in(2) ? 20'000 : 1u << 20;
    // What finds no room for its rank waits for the disk, and does not hold up those that have theirs.
    host_.limits.overhang_messages = faults_ == Faults::none ? 1000 : 2;
    host_.limits.least_messages = luck_.below(3);
    host_.limits.least_bytes = luck_.one_in(2) ? 0 : 10'000;
    host_.limits.store_bytes = luck_.one_in(2) ? 0 : 10'000;
    host_.limits.min_fetch = 1 + luck_.below(2);
    host_.limits.max_fetch = host_.limits.min_fetch + luck_.below(8);
    make({});
  }

  void step() {
    switch (luck_.below(24)) {
      case 0:
      case 1:
        grant(1 + luck_.below(3));
        break;
      case 2:
      case 3:
      case 4:
        settle();
        break;
      case 5:
        move(luck_.one_in(2));
        break;
      case 6:
        checkpoint();
        break;
      case 7:
        if (luck_.one_in(4) && waiting_.empty()) purge();
        break;
      case 8:
        if (luck_.one_in(2)) restart();
        break;
      case 9:
        host_.now += static_cast<std::int64_t>(luck_.below(kRetryMs));
        break;
      case 10:
        if (changes_order_ && luck_.one_in(3)) change_order();
        break;
      case 11:
        if (faults_ == Faults::some) fail_something();
        break;
      case 12:
      case 13:
      case 14:
        run();
        break;
      default:
        publish();
    }
  }

  void finish() {
    host_.files->forget_faults();
    host_.failing_reads = 0;
    for (int tries = 0; tries < 10; ++tries) {
      host_.now += 5000;
      run();
    }
    grant(1'000'000);
    run();
    EXPECT_TRUE(ready_.empty()) << ready_.size() << " messages are never served, the first is "
                                << ready_.begin()->first;
    EXPECT_EQ(queue_->ready(), 0u);
    EXPECT_EQ(host_.aside, 0u);
    queue_->shut(false);
    EXPECT_EQ(host_.memory, 0);
    queue_.reset();
    // One that could not be removed goes with the next start.
    if (faults_ == Faults::none) {
      EXPECT_EQ(host_.files->paths(), (std::vector<std::string>{}));
    }
  }

  bool is_exact() const noexcept { return faults_ == Faults::none && !writing_; }
  bool parked_any() const noexcept { return host_.indexes > 0; }

 private:
  static constexpr std::int64_t kRetryMs = 100;
  struct Known {
    std::string body;
    std::uint8_t level = 0;
    int size = 0;
    bool durable = false;
    std::uint32_t deliveries = 0;
    std::int64_t due_ms = 0;
    std::int64_t expires_ms = Entry::kNever;
  };
  using KnownBySeq = std::map<std::uint64_t, Known>;

  Scheduling any_order() {
    static constexpr Scheduling kOrders[] = {Scheduling::fifo, Scheduling::lifo, Scheduling::shortest_job};
    return kOrders[luck_.below(3)];
  }
  RankPlace place(const KnownBySeq::value_type& item) const {
    const auto& [seq, known] = item;
    const Scheduling order = settings_.scheduling.order;
    if (order == Scheduling::lifo) return {-static_cast<std::int64_t>(seq), seq};
    return {order == Scheduling::shortest_job ? known.size : -known.level, seq};
  }

  void make(RecoveredQueue&& recovered) {
    queue_ = std::make_unique<Queue>(host_, spec_, settings_);
    queue_->recover(std::move(recovered));
    credit_ = luck_.below(4);
    ASSERT_TRUE(queue_->add_consumer(test_consumer(1, credit_)));
  }

  void grant(std::uint64_t credit) {
    credit_ += credit;
    queue_->grant({ConnectionId(1), ConsumerId(1)}, credit);
  }

  void publish() {
    const auto level = static_cast<std::uint8_t>(luck_.below(2));
    const std::string body =
        std::to_string(++serial_) + std::string(luck_.one_in(8) ? 5000 : luck_.below(80), 'x');
    const bool durable = !luck_.one_in(4);
    const std::int64_t ttl = luck_.one_in(6) ? static_cast<std::int64_t>(1 + luck_.below(3 * kRetryMs)) : -1;
    Known known{body, std::min(level, settings_.max_priority), static_cast<int>(luck_.below(6)), durable};
    if (ttl >= 0) known.expires_ms = host_.now + ttl;
    host_.header = "x-size=" + std::to_string(known.size);
    const std::uint64_t seq = host_.publish(*queue_, body, durable, level, ttl);
    known.durable = durable && spec_.durable;
    ready_[seq] = known;
  }

  void take_dead(std::size_t before_got) {
    for (; dead_seen_ < host_.dead.size() && host_.dead_after[dead_seen_] <= before_got; ++dead_seen_) {
      const auto [seq, reason] = host_.dead[dead_seen_];
      if (reason == DeathReason::rejected || reason == DeathReason::delivery_limit) continue;
      const auto it = ready_.find(seq);
      ASSERT_NE(it, ready_.end()) << seq << " died twice, or while it was held";
      if (reason == DeathReason::expired) {
        ASSERT_LE(it->second.expires_ms, host_.now);
      } else if (is_exact()) {
        // What comes last; in order of arrival, the head.
        const bool head = settings_.scheduling.order == Scheduling::fifo;
        const auto next = std::min_element(ready_.begin(), ready_.end(), [&](const auto& a, const auto& b) {
          return head ? place(a) < place(b) : place(b) < place(a);
        });
        if (!head) {
          ASSERT_EQ(seq, next->first) << "another is to be dropped";
        }
      }
      ready_.erase(it);
    }
  }

  // What arrived must be the first of the list.
  void run() {
    std::erase_if(waiting_, [this](const auto& item) {
      if (item.second.due_ms <= host_.now) ready_.insert(item);
      return item.second.due_ms <= host_.now;
    });
    host_.run(*queue_);
    for (std::size_t i = 0; i < host_.got.size(); ++i) {
      take_dead(i);
      const FakeHost::Got& got = host_.got[i];
      const auto it = ready_.find(got.delivery.seq);
      ASSERT_NE(it, ready_.end()) << got.delivery.seq << " was not there to be served";
      if (is_exact()) {
        const auto next =
            std::min_element(ready_.begin(), ready_.end(), [this](const auto& a, const auto& b) {
              // What has expired goes without being served.
              return std::pair(a.second.expires_ms < host_.now, place(a)) <
                     std::pair(b.second.expires_ms < host_.now, place(b));
            });
        ASSERT_EQ(got.delivery.seq, next->first) << "out of order";
      }
      ASSERT_EQ(as_text(got.delivery.message->body()), it->second.body);
      EXPECT_EQ(got.delivery.delivery_count, it->second.deliveries);
      held_.insert(*it);
      ready_.erase(it);
      --credit_;
    }
    take_dead(host_.got.size());
    host_.got.clear();
    host_.dead.clear();
    host_.dead_after.clear();
    dead_seen_ = 0;
    ASSERT_EQ(queue_->ready(), ready_.size());
    ASSERT_EQ(queue_->unsettled(), held_.size());
    if (!is_exact()) return;
    if (settings_.max_length) {
      ASSERT_LE(ready_.size(), static_cast<std::size_t>(*settings_.max_length));
    }
    if (settings_.scheduling.order == Scheduling::fifo) return;
    for (const auto& [seq, known] : ready_)
      ASSERT_GT(known.expires_ms, host_.now) << seq << " has not expired";
  }

  void settle() {
    run();
    if (held_.empty()) return;
    auto it = held_.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(luck_.below(held_.size())));
    static constexpr Settlement kWays[] = {Settlement::ack, Settlement::reject, Settlement::requeue,
                                           Settlement::requeue_failed};
    const Settlement how = kWays[luck_.below(4)];
    const std::uint64_t seq = it->first;
    queue_->settle({ConnectionId(1), ConsumerId(1)}, {&seq, 1}, how);
    if (how == Settlement::requeue || how == Settlement::requeue_failed) {
      if (how == Settlement::requeue_failed && settings_.quorum) ++it->second.deliveries;
      it->second.due_ms = host_.now + kRetryMs;
      (settings_.delayed_retry == DelayedRetry::all ? waiting_ : ready_).insert(*it);
    }
    held_.erase(it);
  }

  // To a segment, with something happening before the queue hears of it.
  void write(Spill&& spill) {
    const auto runs = host_.write(spill);
    writing_ = true;
    host_.may_store = false;  // one thing is written at a time
    for (std::uint64_t deeds = luck_.below(4); deeds != 0; --deeds) luck_.one_in(2) ? settle() : publish();
    if (luck_.one_in(10) && waiting_.empty()) purge();
    host_.may_store = true;
    writing_ = false;
    for (const storage::SegmentRun& run : runs) queue_->spilled(run);
    run();
  }
  void move(bool oldest) {
    run();
    Spill spill;
    if (oldest) {
      queue_->collect_oldest(luck_.below(20'000), spill);
    } else {
      queue_->collect(storage::Lsn(luck_.below(host_.durable_lsn + 1)), spill);
    }
    write(std::move(spill));
  }

  void checkpoint() {
    run();
    const std::uint64_t through = host_.durable_lsn;
    Spill spill;
    queue_->collect(storage::Lsn(through), spill);
    write(std::move(spill));
    if (luck_.one_in(3)) move(true);
    state_.clear();
    queue_->put_state(state_);
    through_ = through;
    state_lsn_ = host_.last_lsn;
  }

  void purge() {
    queue_->purge();
    ready_.clear();
  }

  void change_order() {
    run();
    if (credit_ > 0) return;  // it serves while it ranks anew
    settings_.scheduling.order = any_order();
    queue_->change_settings(std::make_shared<const QueueSettings>(settings_));
    run();
  }

  void fail_something() {
    if (luck_.one_in(2)) {
      host_.failing_reads = 1 + static_cast<int>(luck_.below(2));
    } else {
      host_.files->fail_at(host_.files->steps() + 1 + luck_.below(10),
                           luck_.one_in(2) ? Errc::io_error : Errc::disk_full);
    }
  }

  // The state of the last checkpoint, and the log from where it began.
  RecoveredQueue recovered() const {
    RecoveredQueue queue;
    if (!spec_.durable) return queue;
    if (!state_.view().empty()) {
      Reader in(state_.view());
      queue = Queue::read_state(in);
      EXPECT_FALSE(in.failed());
      EXPECT_TRUE(in.at_end());
    }
    return FakeHost::replay(std::move(queue), host_.log, through_, state_lsn_);
  }

  void restart() {
    run();
    // What was held is ready again, and what was transient is gone.
    for (const auto& item : held_) ready_.insert(item);
    held_.clear();
    for (auto* known : {&ready_, &waiting_}) {
      std::erase_if(*known, [](const auto& item) { return !item.second.durable; });
    }
    host_.memory = 0;
    make(recovered());
    host_.pending.clear();
    EXPECT_EQ(queue_->ready(), ready_.size());
    run();
  }

  Prng luck_;
  const Faults faults_;
  const bool changes_order_;
  QueueSettings settings_;
  QueueSpec spec_;
  FakeHost host_;
  std::unique_ptr<Queue> queue_;
  KnownBySeq ready_, held_, waiting_;
  std::uint64_t credit_ = 0;
  std::size_t dead_seen_ = 0;
  bool writing_ = false;
  Buffer state_;
  std::uint64_t through_ = 0;
  std::uint64_t state_lsn_ = 0;
  std::uint64_t serial_ = 0;
};

void run_model(Faults faults) {
  std::uint64_t parked = 0, seeds = 0;
  simulation::for_each_seed(2000, [&](std::uint64_t seed) {
    RankedModelRun model(seed, faults);
    for (int steps = 0; steps < 200 && !::testing::Test::HasFatalFailure(); ++steps) model.step();
    parked += model.parked_any();
    ++seeds;
    if (!::testing::Test::HasFailure()) model.finish();
  });
  if (seeds > 1) {
    EXPECT_GT(parked, seeds / 2);
  }
}

TEST(RankedModel, serves_as_a_sorted_list_does_with_next_to_nothing_in_memory) {
  run_model(Faults::none);
}

TEST(RankedModel, loses_and_repeats_nothing_when_reads_and_writes_fail) {
  run_model(Faults::some);
}

}  // namespace
}  // namespace millrace::broker
