// A queue on a host that is not one, as the tests of queues set it up.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "broker/queue/fake_host_test.hpp"

namespace millrace::broker::test {

using Bodies = std::vector<std::string>;

class QueueTest : public ::testing::Test {
 protected:
  Queue& make(QueueSettings settings = {}, QueueSpec spec = test_spec()) {
    queue_ = std::make_unique<Queue>(host, std::move(spec), std::move(settings));
    return *queue_;
  }
  Queue& queue() { return *queue_; }
  void run() { host.run(*queue_); }
  Bodies delivered() {
    run();
    return host.take_bodies();
  }
  void consume(std::uint64_t id, std::uint64_t credit, std::int64_t priority = 0) {
    ASSERT_TRUE(queue_->add_consumer(test_consumer(id, credit, priority)));
  }
  void settle(std::uint64_t consumer, std::vector<std::uint64_t> seqs, Settlement how) {
    queue_->settle({ConnectionId(1), ConsumerId(consumer)}, seqs, how);
  }
  // All that is ready goes from memory to segments.
  void spill_all() {
    Spill spill;
    queue().collect_oldest(UINT64_MAX, spill);
    host.spill(queue(), spill);
  }
  Buffer state() {
    Buffer out;
    queue().put_state(out);
    return out;
  }
  // Another process: all that is left is the state and the log.
  void restart(std::uint64_t log_from = 0, std::optional<Buffer> state = {}, std::uint64_t state_lsn = 0) {
    RecoveredQueue recovered;
    if (state) {
      Reader in(state->view());
      recovered = Queue::read_state(in);
      ASSERT_FALSE(in.failed());
    }
    const QueueSettings settings = queue_->settings();
    queue_ = std::make_unique<Queue>(host, test_spec(), settings);
    queue_->recover(FakeHost::replay(std::move(recovered), host.log, log_from, state_lsn));
    host.got.clear();
  }
  FakeHost host;
  std::unique_ptr<Queue> queue_;
};

}  // namespace millrace::broker::test
