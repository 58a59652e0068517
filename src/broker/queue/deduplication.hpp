// Remembers values seen within a window, by count and by age: what deduplicating queues and exchanges ask.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "broker/text_hash.hpp"

namespace millrace::broker {

class DeduplicationWindow {
 public:
  // `size` 0: bounded by kMaxEntries alone. The oldest goes when the window is full.
  static constexpr std::size_t kMaxEntries = 1'000'000;

  // True when the value was seen within the window; otherwise remembers it. `ttl_ms` absent: until pushed
  // out.
  bool seen(std::string_view value, std::int64_t now_ms, std::size_t size,
            std::optional<std::int64_t> ttl_ms);
  // Makes room for the value to be accepted again: its message has left the queue.
  void forget(std::string_view value);
  std::size_t size() const noexcept { return deadlines_.size(); }

 private:
  struct Seen {
    std::string value;
    std::uint64_t number = 0;
  };
  struct Until {
    std::int64_t ms = 0;
    std::uint64_t number = 0;  // tells a value remembered anew from its forgotten predecessor in order_
  };
  void drop_oldest();

  std::deque<Seen> order_;
  TextMap<Until> deadlines_;
  std::uint64_t next_number_ = 1;
};

}  // namespace millrace::broker
