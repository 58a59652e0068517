#include "load/producer.hpp"

#include <algorithm>
#include <utility>

#include "codec/amqp091/content.hpp"
#include "codec/amqp091/properties.hpp"
#include "codec/amqp091/table_builder.hpp"
#include "load/body.hpp"
#include "load/clock.hpp"

namespace millrace::load {

namespace {

// What is sent by one call: it and what is read must stay in the processor's cache.
constexpr std::size_t kBatchBytes = 128 * 1024;

}  // namespace

Producer::Producer(const Options& options, Counters& counters, std::uint32_t id, std::string exchange,
                   std::string key, std::uint64_t messages)
    : Peer(options),
      counters_(counters),
      id_(id),
      messages_(messages),
      interval_ns_(options.rate > 0 ? static_cast<double>(kSecond) * options.producers / options.rate : 0),
      confirms_(options.confirm != 0),
      window_(std::max(options.confirm, 1u)) {
  if (confirms_) connection_.call<amqp::confirm::SelectOk>(amqp::confirm::Select{});

  amqp::Properties fields{.delivery_mode = static_cast<std::uint8_t>(options.durable ? 2 : 1)};
  Buffer table;
  if (options.shortest_first) {
    amqp::TableBuilder(table).put_long("x-size", 0);
    fields.headers = amqp::TableView(table.view());
  }
  Buffer properties;
  amqp::write_properties(properties, fields);
  const amqp::basic::Publish publish{0, exchange, key, false, false};
  std::vector<std::uint8_t> body = body_pattern(options.size);
  put_head(body.data(), {id_, 0, 0});
  amqp::write_message_header(batch_, kChannel, publish, properties.view(), body.size());
  body_at_ = batch_.size() + amqp::kFrameHeaderBytes;
  // Behind it come the delivery mode and the frame's end.
  if (options.shortest_first) size_at_ = batch_.size() - 2 - sizeof(std::uint64_t);
  amqp::write_body(batch_, kChannel, body, connection_.frame_max());
  stride_ = batch_.size();
  slots_ = std::max<std::size_t>(1, kBatchBytes / stride_);
  const Buffer one = std::move(batch_);
  batch_ = Buffer();
  for (std::size_t i = 0; i < slots_; ++i) batch_.append(one.view());
}

void Producer::start(std::uint64_t now) {
  start_ns_ = now + static_cast<std::uint64_t>(interval_ns_ * id_ / 16);  // producers do not all fire at once
}

std::uint64_t Producer::allowance(std::uint64_t allowed, std::uint64_t now) const noexcept {
  allowed = std::min({allowed, messages_ - sequence_, std::uint64_t{slots_}});
  if (confirms_) allowed = std::min(allowed, window_.room());
  if (interval_ns_ > 0) {
    std::uint64_t due = 0;
    while (due < allowed && due_at(sequence_ + due) <= now) ++due;
    allowed = due;
  }
  return allowed;
}

void Producer::fill(std::uint64_t count, std::uint64_t now) {
  std::uint8_t* body = batch_.data() + body_at_;
  for (std::uint64_t i = 0; i < count; ++i, body += stride_) {
    const std::uint64_t sent = interval_ns_ > 0 ? due_at(sequence_) : now;
    if (size_at_ != 0) store_be(body - body_at_ + size_at_, std::uint64_t{job_size({id_, sequence_, 0})});
    store_be(body + 4, sequence_++);
    store_be(body + 12, sent_units(sent));
    if (confirms_) window_.add(sent);
  }
  counters_.published += count;
  at_ = 0;
  end_ = count * stride_;
}

bool Producer::pump(std::uint64_t allowed) {
  if (socket_full_) return false;
  if (at_ == end_) {
    const std::uint64_t now = now_ns();
    const std::uint64_t count = allowance(allowed, now);
    if (count == 0) return false;
    fill(count, now);
  }
  at_ += connection_.send(batch_.data() + at_, end_ - at_);
  socket_full_ = at_ != end_;
  return !socket_full_;
}

void Producer::on_writable() {
  socket_full_ = false;
  if (at_ != end_) pump(0);
}

void Producer::on_readable() {
  if (!connection_.receive()) return;
  const std::uint64_t now = now_ns();
  for (amqp::Frame frame; connection_.next_frame(frame);) {
    switch (method_id(frame)) {
      case amqp::basic::Ack::id: {
        const auto ack = parse_method<amqp::basic::Ack>(frame);
        window_.confirm(ack.delivery_tag, ack.multiple, now, counters_);
        break;
      }
      case amqp::basic::Nack::id:
        throw Failure("the broker refused a message (basic.nack)");
      default:
        if (!Connection::harmless(frame)) connection_.refuse(frame);
    }
  }
}

bool Producer::finished() const noexcept {
  return sequence_ == messages_ && at_ == end_ && (!confirms_ || window_.empty());
}

std::uint64_t Producer::next_due() const noexcept {
  if (interval_ns_ == 0 || sequence_ == messages_) return 0;
  return due_at(sequence_);
}

}  // namespace millrace::load
