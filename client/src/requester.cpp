#include "client/src/requester.hpp"

#include "client/src/core.hpp"
#include "client/src/fields.hpp"
#include "codec/amqp091/content.hpp"
#include "codec/amqp091/properties.hpp"
#include "millrace/error.hpp"

namespace millrace::client {

void Requester::start(Request request) {
  if (core_.is_ready() && !is_open()) open();
  if (!is_open()) return waiting_.push_back(std::move(request));
  write(request);
  std::string key = request.correlation_id;
  sent_.emplace(std::move(key), std::move(request));
  link().flush();
}

void Requester::write(const Request& request) {
  const Publish& publish = *request.publish;
  amqp::write_publish(link().out(), number(), publish.exchange, publish.routing_key, true,
                      publish.raw_properties(), publish.whole_body(), link().frame_max());
}

void Requester::on_open() {
  amqp::basic::Consume consume;
  consume.queue = "amq.rabbitmq.reply-to";
  consume.no_ack = true;
  send(consume);
  for (; !waiting_.empty(); waiting_.pop_front()) {
    write(waiting_.front());
    std::string key = waiting_.front().correlation_id;
    sent_.emplace(std::move(key), std::move(waiting_.front()));
  }
  link().flush();
}

void Requester::on_method(std::uint32_t id, const amqp::Frame&) {
  if (id == amqp::basic::ConsumeOk::id || id == amqp::channel::Flow::id) return;
  throw ClientError(ErrorKind::protocol,
                    "the broker sent " + std::string(amqp::method_name(id)) + " on the channel of requests");
}

void Requester::on_content(std::uint32_t id, Content content) {
  if (id == amqp::basic::Return::id) return take_return(content);
  take_reply(std::move(content));
}

void Requester::take_reply(Content content) {
  Message reply;
  if (!read_message_properties(content.properties(), reply)) throw_malformed("reply");
  const auto at = sent_.find(reply.correlation_id);
  if (at == sent_.end()) return;  // too late: nobody waits for it
  reply.body = content.take_body();
  auto done = std::move(at->second.done);
  sent_.erase(at);
  if (const Field* error = reply.header("millrace-error")) {
    const std::string* text = error->as<std::string>();
    return done.fail(make_failure(ErrorKind::remote, text ? *text : "the service failed without a word"),
                     &core_);
  }
  done(nullptr, std::move(reply), &core_);
}

void Requester::take_return(const Content& content) {
  Message returned;
  if (!read_message_properties(content.properties(), returned)) throw_malformed(amqp::basic::Return::name);
  const auto at = sent_.find(returned.correlation_id);
  if (at == sent_.end()) return;
  const Publish& publish = *at->second.publish;
  const std::string to = publish.exchange.empty() ? "queue '" + publish.routing_key + "'"
                                                  : "exchange '" + publish.exchange + "'";
  auto done = std::move(at->second.done);
  sent_.erase(at);
  done.fail(make_failure(ErrorKind::unroutable,
                         "nobody can answer the request: no queue behind " + to +
                             "; is the program that serves it running?",
                         312),
            &core_);
}

void Requester::on_closed(const std::exception_ptr& why, bool link_lost) {
  auto sent = std::move(sent_);
  sent_.clear();
  const auto error =
      link_lost ? make_failure(ErrorKind::connection_lost,
                               "the connection broke while a request was under way; it may have been handled")
                : why;
  for (auto& [key, request] : sent) request.done.fail(error, &core_);
}

void Requester::cancel(std::uint64_t id) {
  const auto error = make_failure(ErrorKind::cancelled, "the request was cancelled; it may still be handled");
  for (auto at = waiting_.begin(); at != waiting_.end(); ++at) {
    if (at->id != id) continue;
    auto done = std::move(at->done);
    waiting_.erase(at);
    return done.fail(error, &core_);
  }
  for (auto at = sent_.begin(); at != sent_.end(); ++at) {
    if (at->second.id != id) continue;
    auto done = std::move(at->second.done);
    sent_.erase(at);
    return done.fail(error, &core_);
  }
}

void Requester::expire(Clock::time_point now, const std::string& connection_state) {
  std::erase_if(waiting_, [&](Request& request) {
    if (request.deadline > now) return false;
    request.done.fail(
        make_failure(ErrorKind::not_connected, "a request could not be sent in time: " + connection_state),
        &core_);
    return true;
  });
  for (auto at = sent_.begin(); at != sent_.end();) {
    Request& request = at->second;
    if (request.deadline > now) {
      ++at;
      continue;
    }
    request.done.fail(
        make_failure(ErrorKind::timed_out, "no reply in time from queue '" + request.publish->routing_key +
                                               "'; the request may still be handled"),
        &core_);
    at = sent_.erase(at);
  }
}

void Requester::fail_all(const std::exception_ptr& why) {
  for (Request& request : waiting_) request.done.fail(why, &core_);
  waiting_.clear();
  for (auto& [key, request] : sent_) request.done.fail(why, &core_);
  sent_.clear();
}

}  // namespace millrace::client
