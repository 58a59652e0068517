#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/prng.hpp"
#include "broker/queue/fake_host_test.hpp"
#include "simulation/seeds.hpp"

namespace millrace::broker {
namespace {

using test::FakeHost;
using test::test_consumer;
using test::test_spec;

// Each message is in exactly one place, and all is as a plain list has it, across spills, checkpoints and
// restarts.
class ModelRun {
 public:
  explicit ModelRun(std::uint64_t seed) : luck_(seed) {
    settings_.max_priority = luck_.one_in(2) ? 0 : 2;
    settings_.quorum = luck_.one_in(2);
    settings_.dead_letter_exchange = "dlx";
    if (settings_.quorum && luck_.one_in(2)) settings_.delayed_retry = DelayedRetry::all;
    settings_.delayed_retry_min_ms = settings_.delayed_retry_max_ms = kRetryMs;
    host_.piece_bytes = luck_.one_in(2) ? 250 : SIZE_MAX;
    make({});
  }

  void step() {
    switch (luck_.below(17)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
        publish();
        break;
      case 5:
      case 6:
        queue_->grant({ConnectionId(1), ConsumerId(1)}, 1 + luck_.below(3));
        break;
      case 7:
      case 8:
      case 9:
        settle();
        break;
      case 10:
        move(luck_.one_in(2));
        break;
      case 11:
        checkpoint();
        break;
      case 12:
        if (luck_.one_in(4) && waiting_.empty()) purge();
        break;
      case 14:
        host_.now += static_cast<std::int64_t>(luck_.below(kRetryMs));
        break;
      case 13:
        if (luck_.one_in(2)) restart();
        break;
      default:
        run();
    }
  }

  void finish() {
    host_.now += kRetryMs;
    run();
    queue_->grant({ConnectionId(1), ConsumerId(1)}, 1'000'000);
    run();
    EXPECT_TRUE(ready_.empty()) << ready_.size() << " messages are never served";
    EXPECT_EQ(queue_->ready(), 0u);
    EXPECT_EQ(host_.aside, 0u);
  }

 private:
  static constexpr std::int64_t kRetryMs = 100;
  struct Known {
    std::string body;
    std::uint8_t lane = 0;
    bool durable = false;
    std::uint32_t deliveries = 0;
    std::int64_t due_ms = 0;
  };

  void make(RecoveredQueue&& recovered) {
    queue_ = std::make_unique<Queue>(host_, test_spec(), settings_);
    queue_->recover(std::move(recovered));
    ASSERT_TRUE(queue_->add_consumer(test_consumer(1, luck_.below(4))));
  }

  void publish() {
    const auto priority = static_cast<std::uint8_t>(luck_.below(4));
    const std::string body = std::to_string(++serial_) + std::string(luck_.below(80), 'x');
    const bool durable = !luck_.one_in(4);
    const std::uint64_t seq = host_.publish(*queue_, body, durable, priority);
    ready_[seq] = {body, std::min(priority, settings_.max_priority), durable, 0, 0};
  }

  // What arrived must be the next of the list.
  void run() {
    host_.run(*queue_);
    std::erase_if(waiting_, [this](const auto& item) {
      if (item.second.due_ms <= host_.now) ready_.insert(item);
      return item.second.due_ms <= host_.now;
    });
    for (const FakeHost::Got& got : host_.got) {
      const auto next = std::max_element(ready_.begin(), ready_.end(), [](const auto& a, const auto& b) {
        return std::pair(a.second.lane, ~a.first) < std::pair(b.second.lane, ~b.first);
      });
      ASSERT_NE(next, ready_.end()) << "there is nothing to deliver, but " << got.delivery.seq << " came";
      ASSERT_EQ(got.delivery.seq, next->first);
      ASSERT_EQ(as_text(got.delivery.message->body()), next->second.body);
      EXPECT_EQ(got.delivery.delivery_count, next->second.deliveries);
      held_.insert(*next);
      ready_.erase(next);
    }
    host_.got.clear();
    ASSERT_EQ(queue_->ready(), ready_.size());
    ASSERT_EQ(queue_->unsettled(), held_.size());
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
  void move(bool oldest) {
    run();
    Spill spill;
    if (oldest) {
      queue_->collect_oldest(luck_.below(2000), spill);
    } else {
      queue_->collect(storage::Lsn(luck_.below(host_.durable_lsn + 1)), spill);
    }
    const auto runs = host_.write(spill);
    for (std::uint64_t deeds = luck_.below(4); deeds != 0; --deeds) luck_.one_in(2) ? settle() : publish();
    if (luck_.one_in(10) && waiting_.empty()) purge();
    for (const storage::SegmentRun& run : runs) queue_->spilled(run);
  }

  void checkpoint() {
    run();
    const std::uint64_t through = host_.durable_lsn;
    Spill spill;
    queue_->collect(storage::Lsn(through), spill);
    const auto runs = host_.write(spill);
    for (std::uint64_t deeds = luck_.below(4); deeds != 0; --deeds) luck_.one_in(2) ? settle() : publish();
    for (const storage::SegmentRun& run : runs) queue_->spilled(run);
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

  // The state of the last checkpoint, and the log from where it began.
  RecoveredQueue recovered() const {
    RecoveredQueue queue;
    if (!state_.view().empty()) {
      Reader in(state_.view());
      queue = Queue::read_state(in);
      EXPECT_FALSE(in.failed());
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
    make(recovered());
    host_.pending.clear();
    EXPECT_EQ(queue_->ready(), ready_.size());
    run();
  }

  Prng luck_;
  QueueSettings settings_;
  FakeHost host_;
  std::unique_ptr<Queue> queue_;
  std::map<std::uint64_t, Known> ready_, held_, waiting_;
  Buffer state_;
  std::uint64_t through_ = 0;
  std::uint64_t state_lsn_ = 0;
  std::uint64_t serial_ = 0;
};

TEST(QueueModel, each_message_is_in_one_place_across_spills_and_restarts) {
  simulation::for_each_seed(2000, [](std::uint64_t seed) {
    ModelRun model(seed);
    for (int steps = 0; steps < 120 && !::testing::Test::HasFatalFailure(); ++steps) model.step();
    if (!::testing::Test::HasFailure()) model.finish();
  });
}

}  // namespace
}  // namespace millrace::broker
