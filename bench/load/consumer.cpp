#include "load/consumer.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "load/clock.hpp"

namespace millrace::load {

Consumer::Consumer(const Options& options, Counters& counters, Tracker& tracker, std::size_t number,
                   std::string queue)
    : Peer(options),
      counters_(counters),
      tracker_(tracker),
      number_(number),
      queue_(std::move(queue)),
      manual_(options.ack == AckMode::manual),
      prefetch_(options.prefetch),
      // Waiting for more than the broker may send would wait for ever.
      ack_every_(prefetch_ == 0 ? options.ack_every : std::min<std::uint32_t>(options.ack_every, prefetch_)),
      expected_(body_pattern(options.size)) {}

void Consumer::subscribe() {
  if (prefetch_ != 0) connection_.call<amqp::basic::QosOk>(amqp::basic::Qos{0, prefetch_, false});
  amqp::basic::Consume consume;
  consume.queue = queue_;
  consume.consumer_tag = "c";
  consume.no_ack = !manual_;
  connection_.call<amqp::basic::ConsumeOk>(consume);
  // With the answer the first messages may have come, and behind them no more until these are acknowledged.
  take_frames();
}

void Consumer::on_readable() {
  if (connection_.receive()) take_frames();
}

void Consumer::take_frames() {
  const std::uint64_t now = now_ns();
  for (amqp::Frame frame; connection_.next_frame(frame);) {
    if (frame.type == amqp::FrameType::body && expect_ == Expect::body) {
      on_body(frame.payload, now);
    } else if (frame.type == amqp::FrameType::header && expect_ == Expect::header) {
      if (frame.payload.size() < amqp::kContentHeaderFixedBytes ||
          load_be<std::uint64_t>(frame.payload.data() + 4) != expected_.size())
        throw Failure(fmt::format("{}: a message of another size than was sent", queue_));
      expect_ = Expect::body;
      body_bytes_ = 0;
    } else if (expect_ == Expect::method) {
      on_method(frame);
    } else {
      throw Failure("frames of a message out of order");
    }
  }
  if (!socket_full_) socket_full_ = !connection_.flush();
}

void Consumer::on_method(const amqp::Frame& frame) {
  if (method_id(frame) == amqp::basic::Deliver::id) [[likely]] {
    const auto deliver = parse_method<amqp::basic::Deliver>(frame);
    if (deliver.delivery_tag != tag_ + 1)
      throw Failure(fmt::format("{}: delivery tag {} after {}", queue_, deliver.delivery_tag, tag_));
    tag_ = deliver.delivery_tag;
    redelivered_ = deliver.redelivered;
    expect_ = Expect::header;
  } else if (method_id(frame) == amqp::basic::Cancel::id) {
    throw Failure(fmt::format("the broker cancelled the consumer of {}", queue_));
  } else if (!Connection::harmless(frame)) {
    connection_.refuse(frame);
  }
}

void Consumer::on_body(ByteView part, std::uint64_t now) {
  if (part.size() > expected_.size() - body_bytes_)
    throw Failure(fmt::format("{}: a body longer than its header says", queue_));
  std::size_t skip = 0;
  if (body_bytes_ < kBodyHeadBytes) {
    skip = std::min(part.size(), kBodyHeadBytes - body_bytes_);
    std::memcpy(head_ + body_bytes_, part.data(), skip);
  }
  if (std::memcmp(part.data() + skip, expected_.data() + body_bytes_ + skip, part.size() - skip) != 0)
    throw Failure(fmt::format("{}: message {} has changed on the way", queue_, get_head(head_).sequence));
  body_bytes_ += part.size();
  if (body_bytes_ == expected_.size()) message_complete(now);
}

void Consumer::message_complete(std::uint64_t now) {
  const BodyHead head = get_head(head_);
  tracker_.received(number_, head, redelivered_);
  ++counters_.delivered;
  counters_.redelivered += redelivered_;
  if (counters_.measuring) counters_.delivery_latency.record(latency_ns(head.sent, now));
  if (manual_ && ++unacknowledged_ == ack_every_) acknowledge(tag_, ack_every_ > 1);
  expect_ = Expect::method;
}

void Consumer::acknowledge(std::uint64_t tag, bool multiple) {
  amqp::encode(connection_.out(), kChannel, amqp::basic::Ack{tag, multiple});
  unacknowledged_ = 0;
}

void Consumer::finish() {
  if (manual_ && unacknowledged_ != 0) acknowledge(tag_, true);
  connection_.close();
}

}  // namespace millrace::load
