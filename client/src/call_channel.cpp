#include "client/src/call_channel.hpp"

#include <algorithm>

#include "client/src/core.hpp"
#include "millrace/error.hpp"

namespace millrace::client {

void CallChannel::start(Call call) {
  calls_.push_back(std::move(call));
  if (!core_.has_link()) return;
  if (!is_open()) return open();  // which sends it
  calls_.back().write(link().out(), number());
  link().flush();
}

void CallChannel::start_first(std::deque<Call> calls) {
  for (; !calls.empty(); calls.pop_back()) calls_.push_front(std::move(calls.back()));
  open();
}

void CallChannel::on_open() {
  // Those given up while they waited are not sent at all.
  std::erase_if(calls_, [](const Call& call) { return !call.done; });
  for (Call& call : calls_) call.write(link().out(), number());
  link().flush();
}

void CallChannel::answer_first(const Answer& answer) {
  if (calls_.empty())
    throw ClientError(
        ErrorKind::protocol,
        "the broker answered " + std::string(amqp::method_name(answer.id)) + " to nothing that was asked");
  Call call = std::move(calls_.front());
  calls_.pop_front();
  if (call.done) call.done(answer);
}

void CallChannel::on_method(std::uint32_t id, const amqp::Frame& frame) {
  if (id == amqp::channel::Flow::id) return;
  answer_first(Answer{nullptr, id, &frame, nullptr});
}

void CallChannel::on_content(std::uint32_t id, Content content) {
  answer_first(Answer{nullptr, id, nullptr, &content});
}

void CallChannel::on_closed(const std::exception_ptr& why, bool link_lost) {
  if (link_lost) return;
  if (!calls_.empty()) answer_first(Answer{why, 0, nullptr, nullptr});
  if (!calls_.empty()) open();
}

bool CallChannel::blame(const std::exception_ptr& why) {
  if (calls_.empty()) return false;
  answer_first(Answer{why, 0, nullptr, nullptr});
  return true;
}

void CallChannel::cancel(std::uint64_t id) {
  for (Call& call : calls_) {
    if (call.id != id || !call.done) continue;
    auto done = std::exchange(call.done, nullptr);
    done(Answer{make_failure(ErrorKind::cancelled, call.what + ": cancelled; it may still happen")});
    return;
  }
}

void CallChannel::expire(Clock::time_point now, const std::string& connection_state) {
  std::exception_ptr why;
  for (Call& call : calls_) {
    if (!call.done || call.deadline > now) continue;
    why = core_.has_link()
              ? make_failure(ErrorKind::timed_out,
                             call.what + ": no answer from the broker in time; it may still happen")
              : make_failure(ErrorKind::not_connected, call.what + ": " + connection_state);
    auto done = std::exchange(call.done, nullptr);
    done(Answer{why});
  }
  if (!is_open()) std::erase_if(calls_, [](const Call& call) { return !call.done; });
}

void CallChannel::fail_all(const std::exception_ptr& why) {
  std::deque<Call> calls = std::move(calls_);
  calls_.clear();
  for (Call& call : calls)
    if (call.done) call.done(Answer{why});
}

void CallChannel::settle(const Settlement& settlement) {
  switch (settlement.how) {
    case Settlement::How::ack:
      return send(amqp::basic::Ack{settlement.tag, false});
    case Settlement::How::requeue:
      return send(amqp::basic::Reject{settlement.tag, true});
    case Settlement::How::reject:
      return send(amqp::basic::Reject{settlement.tag, false});
  }
}

}  // namespace millrace::client
