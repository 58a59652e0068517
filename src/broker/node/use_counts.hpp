// How many connections a vhost and a user have, how many channels a user, and how fast it publishes, on all
// shards together: what limits are held against.
//
// Thread: any, without a lock. A name has its counters from its first connection until the node ends; there
// are as many as names were ever let in, so strangers cannot make any.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::broker {

class UseCount {
 public:
  // One more, unless there are `limit` already; a negative one is none.
  bool take(std::int64_t limit) noexcept;
  void give_back(std::int64_t count = 1) noexcept { used_.fetch_sub(count, std::memory_order_relaxed); }
  // As a rate rather than a count: one more event, `step` after the last one's time, which is never further
  // back than `now`. Returns how far ahead of `now` that is. (The generic cell rate algorithm.)
  std::int64_t pace(std::int64_t now, std::int64_t step) noexcept;

 private:
  std::atomic<std::int64_t> used_{0};
};

class UseCounts {
 public:
  enum class Kind : std::uint8_t {
    vhost_connections,
    user_connections,
    user_channels,
    user_publishes,
    user_bytes,
    vhost_publishes,
    vhost_bytes
  };

  UseCounts() = default;
  UseCounts(const UseCounts&) = delete;
  UseCounts& operator=(const UseCounts&) = delete;
  ~UseCounts();

  // Stays where it is. Two askers for the same get the same.
  UseCount& of(Kind kind, std::string_view name);

 private:
  static constexpr std::size_t kBuckets = 1024;
  struct Named {
    Kind kind;
    std::string name;
    UseCount count;
    Named* next = nullptr;
  };
  // Lists grow at their heads and never shrink.
  std::array<std::atomic<Named*>, kBuckets> heads_{};
};

}  // namespace millrace::broker
