// How many connections a vhost and a user have, how many channels a user, and how fast it publishes, on all
// shards together: what limits are held against.
//
// Thread: any. Counting waits for nobody; finding a counter and ending it, when connections come and go,
// takes turns of some hundred nanoseconds. Connections and channels of a name are counted for as long as
// somebody holds the counter. Rates stay until the node ends, since who comes back is not to begin anew;
// their names are those that an administrator has limited.
#pragma once

#include <array>
#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
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

  // Two who hold the same at a time hold one. Outlived by this.
  std::shared_ptr<UseCount> of(Kind kind, std::string_view name);
  // Counters that there are.
  std::size_t size() const;

 private:
  static constexpr std::size_t kParts = 64;
  struct Named {
    std::weak_ptr<UseCount> count;
    std::shared_ptr<UseCount> kept;  // of a rate
  };
  struct Part {
    mutable std::atomic_flag taken;
    boost::unordered_flat_map<std::string, Named> counts;  // by kind and name
  };
  void end(Part& part, const std::string& key);

  std::array<Part, kParts> parts_;
};

}  // namespace millrace::broker
