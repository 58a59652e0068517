#include "client/src/consumer_channel.hpp"

#include "client/src/core.hpp"
#include "client/src/fields.hpp"
#include "millrace/error.hpp"

namespace millrace::client {

namespace {

// Enough to hide a round trip at a hundred thousand messages a second.
constexpr std::uint16_t kPlainPrefetch = 256;

}  // namespace

ConsumerChannel::ConsumerChannel(Core& core, std::uint16_t number, std::string queue, ConsumeOptions options,
                                 std::shared_ptr<Mailbox> mailbox, Clock::time_point deadline,
                                 Started started)
    : Channel(core, number),
      queue_(std::move(queue)),
      options_(std::move(options)),
      tag_(options_.tag.empty() ? core.make_name("consumer") : options_.tag),
      mailbox_(std::move(mailbox)),
      deadline_(deadline),
      started_(std::move(started)) {}

std::uint16_t ConsumerChannel::prefetch() const {
  if (options_.prefetch != 0) return options_.prefetch;
  const QueueSpec* queue = core_.topology().queue(queue_);
  const bool ordered = queue && queue->arguments.contains("x-max-priority");
  return ordered ? options_.parallel : std::max(kPlainPrefetch, options_.parallel);
}

void ConsumerChannel::on_open() {
  unsettled_ = 0;
  if (!options_.no_ack) send(amqp::basic::Qos{0, prefetch(), false});
  Buffer arguments;
  write_table(arguments, options_.arguments);
  amqp::basic::Consume consume;
  consume.queue = queue_;
  consume.consumer_tag = tag_;
  consume.no_ack = options_.no_ack;
  consume.exclusive = options_.exclusive;
  consume.arguments = amqp::TableView{arguments.view()};
  send(consume);
  link().flush();
}

void ConsumerChannel::on_method(std::uint32_t id, const amqp::Frame&) {
  switch (id) {
    case amqp::basic::QosOk::id:
    case amqp::channel::Flow::id:
      return;
    case amqp::basic::ConsumeOk::id:
      if (started_) std::exchange(started_, nullptr)(nullptr);
      return;
    case amqp::basic::CancelOk::id:
      if (unsettled_ == 0) core_.remove_channel(number());
      return;
    // RabbitMQ's extension: the queue is gone.
    case amqp::basic::Cancel::id:
      end(make_failure(ErrorKind::consumer_cancelled,
                       "the broker ended the consumer of queue '" + queue_ +
                           "': the queue was deleted, or moved to another node"));
      stopping_ = true;
      if (unsettled_ == 0) core_.remove_channel(number());
      return;
    default:
      throw ClientError(ErrorKind::protocol, "the broker sent " + std::string(amqp::method_name(id)) +
                                                 " on a channel that only consumes");
  }
}

void ConsumerChannel::on_content(std::uint32_t id, Content content) {
  if (id != amqp::basic::Deliver::id)
    throw ClientError(ErrorKind::protocol, "the broker returned a message on a channel that only consumes");
  Reader in(content.method.subspan(4));
  amqp::basic::Deliver deliver;
  if (!amqp::basic::Deliver::parse(in, deliver)) throw_malformed(amqp::basic::Deliver::name);
  Delivery delivery = core_.make_delivery(*this, deliver.exchange, deliver.routing_key, deliver.redelivered,
                                          deliver.delivery_tag, !options_.no_ack, std::move(content));
  if (!options_.no_ack) ++unsettled_;
  if (stopping_ && !options_.no_ack) return;  // goes back as `delivery` ends
  mailbox_->put(std::move(delivery));
}

void ConsumerChannel::settle(const Settlement& settlement) {
  --unsettled_;
  switch (settlement.how) {
    case Settlement::How::ack:
      send(amqp::basic::Ack{settlement.tag, false});
      break;
    case Settlement::How::requeue:
      send(amqp::basic::Reject{settlement.tag, true});
      break;
    case Settlement::How::reject:
      send(amqp::basic::Reject{settlement.tag, false});
      break;
  }
  if (stopping_ && unsettled_ == 0) core_.remove_channel(number());
}

bool ConsumerChannel::stop() {
  if (stopping_) return false;
  stopping_ = true;
  end(make_failure(ErrorKind::closed,
                   "the consumer of queue '" + queue_ + "' was cancelled by this program"));
  if (!is_open()) return true;
  mailbox_->forget();  // gives back what nobody took
  send(amqp::basic::Cancel{tag_, false});
  link().flush();
  return false;
}

void ConsumerChannel::end(const std::exception_ptr& why) {
  if (started_) std::exchange(started_, nullptr)(why);
  mailbox_->close(why);
}

void ConsumerChannel::expire(Clock::time_point now, const std::string& connection_state) {
  if (!started_ || deadline_ > now) return;
  end(is_open() ? make_failure(ErrorKind::timed_out,
                               "basic.consume of queue '" + queue_ + "': no answer from the broker in time")
                : make_failure(ErrorKind::not_connected,
                               "basic.consume of queue '" + queue_ + "': " + connection_state));
  stopping_ = true;
  core_.remove_channel(number());
}

void ConsumerChannel::on_closed(const std::exception_ptr& why, bool link_lost) {
  mailbox_->forget();
  if (link_lost && !stopping_) return;  // consumes again on the next one
  end(why);
  core_.remove_channel(number());
}

}  // namespace millrace::client
