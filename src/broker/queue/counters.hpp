// What has happened in a queue since it was declared or the broker started. Counted by the queue's shard with
// plain additions; rates are made of them by those who look.
#pragma once

#include <cstdint>

namespace millrace::broker {

struct QueueCounters {
  std::uint64_t published = 0;  // came in, dead letters too
  std::uint64_t delivered = 0;  // to consumers, an acknowledgement is to come
  std::uint64_t delivered_no_ack = 0;
  std::uint64_t got = 0;  // asked for one by one, an acknowledgement is to come
  std::uint64_t got_no_ack = 0;
  std::uint64_t got_nothing = 0;  // asked for when there was none
  std::uint64_t redelivered = 0;  // of those delivered or got, how many had been before
  std::uint64_t acked = 0;
  std::uint64_t set_aside = 0;  // cannot be read from disk, and are kept there

  // To consumers and to those who asked.
  std::uint64_t given() const noexcept { return delivered + delivered_no_ack + got + got_no_ack; }

  QueueCounters& operator+=(const QueueCounters& other) noexcept {
    published += other.published;
    delivered += other.delivered;
    delivered_no_ack += other.delivered_no_ack;
    got += other.got;
    got_no_ack += other.got_no_ack;
    got_nothing += other.got_nothing;
    redelivered += other.redelivered;
    acked += other.acked;
    set_aside += other.set_aside;
    return *this;
  }
};

}  // namespace millrace::broker
