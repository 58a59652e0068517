#include "load/tracker.hpp"

#include <fmt/format.h>

#include "load/failure.hpp"

namespace millrace::load {

namespace {

// No run has more producers; a larger id is a body that is not ours.
constexpr std::uint32_t kMaxProducers = 1u << 20;

}  // namespace

void Tracker::add_producers(const BodyHead& head) {
  if (head.producer >= kMaxProducers)
    throw Failure(fmt::format("{}: a message that no producer sent", name_));
  while (producers_.size() <= head.producer) producers_.emplace_back().last_of_consumer.resize(consumers_);
}

void Tracker::out_of_line(Producer& producer, std::size_t consumer, const BodyHead& head, bool redelivered) {
  if (from_first_ && !producer.seen && producer.next == 0) producer.first = producer.next = head.sequence;
  producer.seen = true;
  const bool known = head.sequence < producer.next || producer.ahead.contains(head.sequence);
  if (known && !redelivered)
    throw Failure(
        fmt::format("{}: message {} of producer {} came twice", name_, head.sequence, head.producer));
  std::uint64_t& last = producer.last_of_consumer[consumer];
  if (!redelivered && order_ == Order::size) {
    const std::uint64_t size = job_size(head);
    if (size < last)
      throw Failure(
          fmt::format("{}: message {} of producer {} and size {} came after one of {}: out of order", name_,
                      head.sequence, head.producer, size, last - 1));
    last = size + 1;
  } else if (!redelivered) {
    if (head.sequence < last)
      throw Failure(fmt::format("{}: message {} of producer {} came after {}: out of order", name_,
                                head.sequence, head.producer, last - 1));
    if (consumers_ == 1 && head.sequence > producer.next && producer.ahead.empty())
      throw Failure(fmt::format("{}: messages {} to {} of producer {} are missing or late", name_,
                                producer.next, head.sequence - 1, head.producer));
    last = head.sequence + 1;
  }
  if (known) {
    ++repeated_;
    return;
  }
  producer.ahead.insert(head.sequence);
  while (producer.ahead.erase(producer.next) != 0) ++producer.next;
}

void Tracker::check_no_gaps() const {
  for (std::size_t i = 0; i < producers_.size(); ++i)
    if (!producers_[i].ahead.empty())
      throw Failure(fmt::format("{}: message {} of producer {} never came, later ones did", name_,
                                producers_[i].next, i));
}

}  // namespace millrace::load
