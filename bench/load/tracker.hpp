// Holds what a queue delivered against what was published into it.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "load/body.hpp"

namespace millrace::load {

// In which order one consumer is to get a producer's messages.
enum class Order : std::uint8_t { sent, size };

// One queue's deliveries, from all its consumers. A message must come once, and to one consumer in the order
// of each producer; only one marked as redelivered may repeat or go back.
class Tracker {
 public:
  // `name` is for messages. With `from_first`, numbering starts at what is seen first instead of at 0 (a
  // backlog of which an earlier run took the head).
  Tracker(std::string name, std::size_t consumers, Order order, bool from_first)
      : name_(std::move(name)), consumers_(consumers), order_(order), from_first_(from_first) {}

  // Throws a Failure that names the message when it should not have come now.
  void received(std::size_t consumer, const BodyHead& head, bool redelivered) {
    if (head.producer >= producers_.size()) [[unlikely]]
      add_producers(head);
    Producer& producer = producers_[head.producer];
    if (head.sequence == producer.next && producer.ahead.empty() && consumers_ == 1 && order_ == Order::sent)
        [[likely]] {
      ++producer.next;
      return;
    }
    out_of_line(producer, consumer, head, redelivered);
  }

  std::uint64_t repeated() const noexcept { return repeated_; }
  // How many of the producer's messages came without a gap from the first on.
  std::uint64_t complete(std::uint32_t producer) const noexcept {
    return producer < producers_.size() ? producers_[producer].next - producers_[producer].first : 0;
  }
  // Throws when a message is missing below one that came.
  void check_no_gaps() const;

 private:
  struct Producer {
    std::uint64_t first = 0;
    std::uint64_t next = 0;                   // all below have come
    std::unordered_set<std::uint64_t> ahead;  // those above that have come
    // Number, or size, of the last + 1, not counting redeliveries.
    std::vector<std::uint64_t> last_of_consumer;
    bool seen = false;
  };

  void add_producers(const BodyHead& head);
  void out_of_line(Producer& producer, std::size_t consumer, const BodyHead& head, bool redelivered);

  std::string name_;
  std::size_t consumers_;
  Order order_;
  bool from_first_;
  std::vector<Producer> producers_;
  std::uint64_t repeated_ = 0;
};

}  // namespace millrace::load
