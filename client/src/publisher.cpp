#include "client/src/publisher.hpp"

#include <algorithm>

#include "client/src/core.hpp"
#include "codec/amqp091/content.hpp"
#include "codec/amqp091/properties.hpp"
#include "millrace/error.hpp"

namespace millrace::client {

namespace {

std::string destination(const std::string& exchange, const std::string& routing_key) {
  if (exchange.empty()) return "queue '" + routing_key + "'";
  return "exchange '" + exchange + "' with routing key '" + routing_key + "'";
}

std::string_view message_id_of(const Publish& publish) noexcept {
  amqp::Properties properties;
  amqp::parse_properties(publish.raw_properties(), properties);
  return properties.message_id.value_or("");
}

}  // namespace

void Publisher::start(std::unique_ptr<Publish> publish) {
  note_deadline(publish->deadline);
  waiting_.push_back(std::move(publish));
}

void Publisher::note_deadline(Clock::time_point deadline) noexcept {
  if (deadline < next_deadline_) next_deadline_ = deadline;
}

std::size_t Publisher::window_limit() const noexcept {
  return suspects_ != 0 ? 1 : core_.options().confirm_window;
}

void Publisher::pump() {
  if (!is_open() || blocked_ || flow_off_) return;
  Buffer& out = link().out();
  while (!waiting_.empty() && window_.size() < window_limit() && link().has_room()) {
    std::unique_ptr<Publish> publish = std::move(waiting_.front());
    waiting_.pop_front();
    ++publish->attempts;
    publish->returned = nullptr;
    amqp::write_publish(out, number(), publish->exchange, publish->routing_key, publish->mandatory,
                        publish->raw_properties(), publish->whole_body(), link().frame_max());
    window_.push_back(std::move(publish));
    ++unsettled_;
  }
  link().flush();
}

void Publisher::on_open() {
  send(amqp::confirm::Select{});
  first_tag_ = 1;
  flow_off_ = false;
  pump();
  link().flush();
}

void Publisher::on_method(std::uint32_t id, const amqp::Frame& frame) {
  switch (id) {
    case amqp::confirm::SelectOk::id:
      return;
    case amqp::basic::Ack::id: {
      const auto ack = parse_method<amqp::basic::Ack>(frame);
      return settle_tags(ack.delivery_tag, ack.multiple, true);
    }
    case amqp::basic::Nack::id: {
      const auto nack = parse_method<amqp::basic::Nack>(frame);
      return settle_tags(nack.delivery_tag, nack.multiple, false);
    }
    case amqp::channel::Flow::id:
      flow_off_ = !parse_method<amqp::channel::Flow>(frame).active;
      return pump();
    default:
      throw ClientError(ErrorKind::protocol, "the broker sent " + std::string(amqp::method_name(id)) +
                                                 " on a channel that only publishes");
  }
}

void Publisher::settle_tags(std::uint64_t tag, bool multiple, bool confirmed) {
  const std::uint64_t end = first_tag_ + window_.size();
  if (tag == 0 && multiple) tag = end - 1;
  // One below the window was confirmed before: RabbitMQ may cover it by "multiple" again.
  if (tag < first_tag_ && multiple) return;
  if (tag < first_tag_ || tag >= end)
    throw ClientError(ErrorKind::protocol,
                      "the broker confirmed message " + std::to_string(tag) + ", which was not sent");
  const auto last = static_cast<std::size_t>(tag - first_tag_);
  for (std::size_t i = multiple ? 0 : last; i <= last; ++i)
    if (window_[i]) settle_one(std::move(window_[i]), confirmed);
  while (!window_.empty() && !window_.front()) {
    window_.pop_front();
    ++first_tag_;
  }
}

void Publisher::settle_one(std::unique_ptr<Publish> publish, bool confirmed) {
  --unsettled_;
  if (suspects_ != 0) --suspects_;
  if (publish->returned) return finish(*publish, publish->returned);
  if (confirmed) return finish(*publish, nullptr);
  if (publish->attempts <= core_.options().publish_retries && publish->done)
    return retry_later(std::move(publish));
  finish(*publish,
         make_failure(ErrorKind::rejected,
                      "the broker refused a message for " +
                          destination(publish->exchange, publish->routing_key) + " " +
                          std::to_string(publish->attempts) +
                          " times (basic.nack); the queue may be full (x-overflow=reject-publish)"));
}

void Publisher::retry_later(std::unique_ptr<Publish> publish) {
  const auto pause = core_.options().retry_pause * (1u << std::min(publish->attempts - 1, 10u));
  publish->retry_at = Clock::now() + core_.jittered(pause);
  note_deadline(publish->retry_at);
  retrying_.push_back(std::move(publish));
}

void Publisher::finish(Publish& publish, std::exception_ptr error) {
  core_.release_pending(publish.bytes());
  if (!publish.done) return;
  if (publish.receipt != nullptr) publish.receipt->attempts = publish.attempts;
  publish.done(std::move(error), &core_);
}

void Publisher::on_content(std::uint32_t id, Content content) {
  if (id != amqp::basic::Return::id)
    throw ClientError(ErrorKind::protocol, "the broker delivered a message on a channel that only publishes");
  on_returned(content);
}

void Publisher::on_returned(const Content& content) {
  Reader in(content.method.subspan(4));
  amqp::basic::Return returned;
  if (!amqp::basic::Return::parse(in, returned)) throw_malformed(amqp::basic::Return::name);
  amqp::Properties properties;
  if (!amqp::parse_properties(content.properties(), properties)) throw_malformed(amqp::basic::Return::name);
  const std::string_view message_id = properties.message_id.value_or("");
  for (const auto& publish : window_) {
    if (!publish || publish->returned || !publish->mandatory || publish->exchange != returned.exchange ||
        publish->routing_key != returned.routing_key || message_id_of(*publish) != message_id)
      continue;
    const std::string to = destination(publish->exchange, publish->routing_key);
    const std::string advice = publish->exchange.empty() ? "declare the queue first" : "bind a queue to it";
    publish->returned =
        make_failure(ErrorKind::unroutable,
                     "no queue took a message for " + to + " (" + std::string(returned.reply_text) + "); " +
                         advice + ", or set mandatory = false to have it dropped silently",
                     returned.reply_code);
    return;
  }
}

std::size_t Publisher::take_window_back() {
  std::size_t count = 0;
  for (; !window_.empty(); window_.pop_back()) {
    std::unique_ptr<Publish>& publish = window_.back();
    if (!publish) continue;
    if (!publish->done) {  // given up: nobody asked for it to be sent again
      core_.release_pending(publish->bytes());
      continue;
    }
    waiting_.push_front(std::move(publish));
    ++count;
  }
  unsettled_ = 0;
  first_tag_ = 1;
  return count;
}

void Publisher::on_closed(const std::exception_ptr& why, bool link_lost) {
  if (link_lost) {
    take_window_back();
    return;
  }
  blame(why);
  open();
}

void Publisher::blame(const std::exception_ptr& why) {
  if (unsettled_ == 1) {
    for (auto& publish : window_)
      if (publish) finish(*std::exchange(publish, nullptr), why);
    window_.clear();
    unsettled_ = 0;
    if (suspects_ != 0) --suspects_;
    return;
  }
  const std::size_t back = take_window_back();
  suspects_ = std::max(suspects_, back);
}

void Publisher::set_blocked(bool blocked) {
  blocked_ = blocked;
  pump();
}

void Publisher::cancel(std::uint64_t id) {
  for (auto* queue : {&waiting_, &retrying_, &window_}) {
    for (auto at = queue->begin(); at != queue->end(); ++at) {
      if (!*at || (*at)->id != id || !(*at)->done) continue;
      auto done = std::move((*at)->done);
      const bool sent = queue == &window_;
      if (!sent) {
        core_.release_pending((*at)->bytes());
        queue->erase(at);
      }
      return done.fail(make_failure(ErrorKind::cancelled,
                                    sent ? "the publish was cancelled; the message is with the broker"
                                         : "the publish was cancelled before it was sent"),
                       &core_);
    }
  }
}

void Publisher::expire(Clock::time_point now, const std::string& connection_state) {
  if (next_deadline_ > now) return;
  next_deadline_ = Clock::time_point::max();
  const auto expired = [&](Publish& publish, const std::string& why, ErrorKind kind) {
    if (!publish.done) return false;
    if (publish.deadline > now) return note_deadline(publish.deadline), false;
    auto done = std::move(publish.done);
    done.fail(make_failure(
                  kind, "a message for " + destination(publish.exchange, publish.routing_key) + ": " + why),
              &core_);
    return true;
  };
  for (auto& publish : window_)
    if (publish)
      expired(*publish, "not confirmed by the broker in time; it may still be", ErrorKind::timed_out);
  std::string why = "could not be sent in time: ";
  if (!core_.has_link())
    why += connection_state;
  else if (blocked_)
    why += "the broker blocks publishers (it is low on memory or disk)";
  else
    why += "too many messages wait for their confirms";
  std::erase_if(retrying_, [&](std::unique_ptr<Publish>& publish) {
    if (publish->retry_at > now) return note_deadline(publish->retry_at), false;
    waiting_.push_back(std::move(publish));
    return true;
  });
  const ErrorKind kind = core_.has_link() ? ErrorKind::timed_out : ErrorKind::not_connected;
  std::erase_if(waiting_, [&](const std::unique_ptr<Publish>& publish) {
    if (!expired(*publish, why, kind)) return false;
    core_.release_pending(publish->bytes());
    return true;
  });
  pump();
}

void Publisher::fail_all(const std::exception_ptr& why) {
  for (auto* queue : {&window_, &waiting_, &retrying_}) {
    for (auto& publish : *queue)
      if (publish) finish(*publish, why);
    queue->clear();
  }
  unsettled_ = 0;
  suspects_ = 0;
}

}  // namespace millrace::client
