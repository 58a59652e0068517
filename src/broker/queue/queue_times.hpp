// How a queue spends its time: how long messages wait in it and how long consumers hold them, one by one, and
// how many of both there are, over time. The two ways of looking have nothing in common but the queue, so
// that Little's law (as many as there are on average = rate × time) holds one against the other.
//
// Made when a queue has its first message; histograms when they have something to count.
//
// Thread: the queue's shard.
#pragma once

#include <cstdint>
#include <memory>

#include "broker/latency.hpp"

namespace millrace::broker {

// As of one moment. All but the histograms are microseconds since the queue was first used.
struct QueueTimesStatistics {
  std::uint64_t age_us = 0;
  std::uint64_t ready_us = 0;    // summed over messages: the time that they have waited
  std::uint64_t unacked_us = 0;  // likewise: that consumers have held them
  std::uint64_t busy_us = 0;     // time in which consumers held something
  std::uint64_t open_us = 0;     // time in which a consumer could have taken a message at once
  std::uint64_t dropped_us = 0;  // summed over messages that expired or had to make room: their waits
  std::shared_ptr<const LatencyCounts> waited;  // from arrival, or return, to delivery; may be null
  std::shared_ptr<const LatencyCounts> held;    // from delivery to acknowledgement; may be null
};

class QueueTimes {
 public:
  explicit QueueTimes(std::int64_t now_us) noexcept : begun_us_(now_us), at_us_(now_us) {}

  // What levels() said last has been so until now.
  void pass(std::int64_t now_us) noexcept {
    if (now_us == at_us_) return;
    const auto passed = static_cast<std::uint64_t>(now_us - at_us_);
    at_us_ = now_us;
    ready_us_ += ready_ * passed;
    unacked_us_ += unacked_ * passed;
    if (unacked_ > 0) busy_us_ += passed;
    if (open_) open_us_ += passed;
  }
  void levels(std::uint64_t ready, std::uint64_t unacked) noexcept {
    ready_ = ready;
    unacked_ = unacked;
  }
  void open(bool is_open) noexcept { open_ = is_open; }

  // The time of the last pass().
  std::int64_t at_us() const noexcept { return at_us_; }

  void waited(std::int64_t us) { waited_.add(us); }
  void held(std::int64_t us) { held_.add(us); }
  void dropped(std::int64_t us) noexcept { dropped_us_ += static_cast<std::uint64_t>(us < 0 ? 0 : us); }

  // Those of a queue in which nothing was delivered meanwhile are not made again.
  QueueTimesStatistics look(std::int64_t now_us);
  // Adds what was counted of messages.
  void add_to(LatencyHistogram& waited, LatencyHistogram& held);

 private:
  // What comes in one turn and goes in another is alike: it is counted together.
  class Counting {
   public:
    void add(std::int64_t us) {
      if (us != us_) {
        flush();
        us_ = us;
      }
      ++messages_;
    }
    std::shared_ptr<const LatencyCounts> look();
    void add_to(LatencyHistogram& sum);

   private:
    struct Kept {
      LatencyHistogram histogram;
      std::shared_ptr<const LatencyCounts> seen;  // as of the last look
    };
    void flush();

    std::int64_t us_ = 0;
    std::uint64_t messages_ = 0;  // that took so long, and are not in the histogram yet
    std::unique_ptr<Kept> kept_;
  };

  std::int64_t begun_us_;
  std::int64_t at_us_;
  std::uint64_t ready_ = 0;
  std::uint64_t unacked_ = 0;
  bool open_ = false;
  std::uint64_t ready_us_ = 0;
  std::uint64_t unacked_us_ = 0;
  std::uint64_t busy_us_ = 0;
  std::uint64_t open_us_ = 0;
  std::uint64_t dropped_us_ = 0;
  Counting waited_;
  Counting held_;
};

}  // namespace millrace::broker
