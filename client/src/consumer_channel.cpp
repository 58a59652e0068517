#include "client/src/consumer_channel.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>

#include "client/src/core.hpp"
#include "client/src/fields.hpp"
#include "millrace/error.hpp"

namespace millrace::client {

namespace {

// Enough to hide a round trip at a hundred thousand messages a second.
constexpr std::uint16_t kPlainPrefetch = 256;
// The mailbox gets what one read brought in pieces of so many, so that the program begins early.
constexpr std::size_t kHandOver = 64;

// One in which what comes later may be served sooner.
bool serves_in_an_order_of_its_own(const QueueSpec& queue) {
  if (queue.arguments.contains("x-max-priority")) return true;
  const auto order = queue.arguments.find("x-scheduling");
  return order != queue.arguments.end() && order->second != Field("fifo");
}

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
  const bool ordered = queue && serves_in_an_order_of_its_own(*queue);
  return ordered ? options_.parallel : std::max(kPlainPrefetch, options_.parallel);
}

void ConsumerChannel::forget_unsettled() {
  arrived_.clear();
  unsettled_.clear();
  acked_.clear();
}

void ConsumerChannel::on_open() {
  forget_unsettled();
  const std::uint16_t credit = prefetch();
  together_ = static_cast<std::uint16_t>(std::clamp(credit / 2, 1, 64));
  if (!options_.no_ack) send(amqp::basic::Qos{0, credit, false});
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
      if (unsettled_.empty()) core_.remove_channel(number());
      return;
    // RabbitMQ's extension: the queue is gone.
    case amqp::basic::Cancel::id:
      end(make_failure(ErrorKind::consumer_cancelled,
                       "the broker ended the consumer of queue '" + queue_ +
                           "': the queue was deleted, or moved to another node"));
      stopping_ = true;
      if (unsettled_.empty()) core_.remove_channel(number());
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
  const std::uint64_t tag = deliver.delivery_tag;
  Delivery delivery = core_.make_delivery(*this, deliver.exchange, deliver.routing_key, deliver.redelivered,
                                          tag, options_.no_ack ? 0 : together_, std::move(content));
  if (!options_.no_ack) {
    if (!unsettled_.empty() && tag <= unsettled_.back())
      throw ClientError(ErrorKind::protocol, "the broker's delivery tags do not ascend");
    unsettled_.push_back(tag);
  }
  if (stopping_ && !options_.no_ack) return;  // goes back as `delivery` ends
  if (arrived_.empty()) core_.hands_over(number());
  arrived_.push_back(std::move(delivery));
  if (arrived_.size() >= kHandOver) hand_over();
}

void ConsumerChannel::hand_over() {
  mailbox_->put(arrived_);
  arrived_.clear();
}

void ConsumerChannel::settle(const Settlement& settlement) {
  if (!std::binary_search(unsettled_.begin(), unsettled_.end(), settlement.tag)) return;
  if (settlement.how == Settlement::How::ack) {
    acked_.push_back(settlement.tag);
    return;
  }
  send_acks();  // they came first
  send(amqp::basic::Reject{settlement.tag, settlement.how == Settlement::How::requeue});
  unsettled_.erase(std::lower_bound(unsettled_.begin(), unsettled_.end(), settlement.tag));
}

void ConsumerChannel::settled() {
  send_acks();
  if (stopping_ && unsettled_.empty()) core_.remove_channel(number());
}

// One basic.ack with `multiple` (AMQP 0-9-1 §1.8.3.13) for all that come before the first message that is
// still worked on; one each for those behind it.
void ConsumerChannel::send_acks() {
  std::sort(acked_.begin(), acked_.end());
  std::size_t first = 0;
  while (first < acked_.size() && acked_[first] == unsettled_[first]) ++first;
  if (first != 0) {
    send(amqp::basic::Ack{acked_[first - 1], first > 1});
    unsettled_.erase(unsettled_.begin(), unsettled_.begin() + static_cast<std::ptrdiff_t>(first));
  }
  for (std::size_t i = first; i < acked_.size(); ++i) {
    send(amqp::basic::Ack{acked_[i], false});
    unsettled_.erase(std::lower_bound(unsettled_.begin(), unsettled_.end(), acked_[i]));
  }
  acked_.clear();
}

bool ConsumerChannel::stop() {
  if (stopping_) return false;
  stopping_ = true;
  end(make_failure(ErrorKind::closed,
                   "the consumer of queue '" + queue_ + "' was cancelled by this program"));
  if (!is_open()) return true;
  arrived_.clear();
  mailbox_->forget();  // gives back what nobody took
  send(amqp::basic::Cancel{tag_, false});
  link().flush();
  return false;
}

void ConsumerChannel::end(const std::exception_ptr& why) {
  const bool consumed = is_started();
  if (!consumed) std::exchange(started_, nullptr)(why);
  hand_over();
  const bool news = mailbox_->close(why) && consumed && Failure(why).kind() != ErrorKind::closed;
  if (news && options_.on_end)
    boost::asio::post(mailbox_->executor(), [tell = options_.on_end, why] { tell(why); });
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
  forget_unsettled();
  mailbox_->forget();
  if (link_lost && !stopping_) return;  // consumes again on the next one
  end(why);
  core_.remove_channel(number());
}

}  // namespace millrace::client
