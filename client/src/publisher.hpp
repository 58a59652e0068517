// The channel that publishes with confirms: a window of messages that were sent, in front of those that wait.
//
// A message leaves here when the broker confirmed it (basic.ack), when it was refused once too often
// (basic.nack), when nobody can take it (basic.return before the ack), at its deadline, or when its caller
// gives up. When the connection breaks, all that is not confirmed is sent again, in order, on the next one:
// at least once.
//
// A publish that the broker refuses by closing the channel (a missing exchange, no permission, too large)
// cannot be told from its neighbours: channel.close does not say which it was. Then the whole window is
// suspect and goes one at a time, until the guilty one closes the channel alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <string>

#include "base/buffer.hpp"
#include "client/src/call_channel.hpp"
#include "client/src/channel.hpp"
#include "client/src/recycled_bytes.hpp"
#include "millrace/completion.hpp"
#include "millrace/message.hpp"

namespace millrace::client {

struct Publish : detail::Recycled {
  std::string exchange;
  std::string routing_key;
  RecycledBytes content;  // its properties, raw; behind them its body, unless that is in `body`
  std::size_t properties_bytes = 0;
  std::string body;
  bool mandatory = false;
  unsigned attempts = 0;
  std::uint64_t id = 0;  // to cancel it; 0: cannot be cancelled
  Clock::time_point deadline;
  Clock::time_point retry_at;
  std::exception_ptr returned;  // basic.return has come, the ack is to follow
  detail::Completion<> done;
  Receipt* receipt = nullptr;  // where `done` keeps it; null: it gives none

  ByteView raw_properties() const noexcept { return content.view().first(properties_bytes); }
  ByteView whole_body() const noexcept {
    return body.empty() ? content.view().subspan(properties_bytes) : as_bytes(body);
  }
  std::size_t bytes() const noexcept {
    return sizeof(Publish) + exchange.size() + routing_key.size() + content.size() + body.size();
  }
};

class Publisher final : public Channel {
 public:
  using Channel::Channel;

  void start(std::unique_ptr<Publish> publish);
  // Sends what the window, the link and the broker allow.
  void pump();
  void cancel(std::uint64_t id);
  void expire(Clock::time_point now, const std::string& connection_state);
  void fail_all(const std::exception_ptr& why);
  std::size_t under_way() const noexcept { return unsettled_; }
  bool idle() const noexcept { return waiting_.empty() && window_.empty() && retrying_.empty(); }
  // connection.blocked (RabbitMQ's extension): the broker reads nothing more from those who publish.
  void set_blocked(bool blocked);
  // A connection.close that names basic.publish: as if it had closed the channel.
  void blame(const std::exception_ptr& why);

 private:
  void on_open() override;
  void on_method(std::uint32_t id, const amqp::Frame& frame) override;
  void on_content(std::uint32_t id, Content content) override;
  void on_closed(const std::exception_ptr& why, bool link_lost) override;

  void settle_tags(std::uint64_t tag, bool multiple, bool confirmed);
  void settle_one(std::unique_ptr<Publish> publish, bool confirmed);
  void retry_later(std::unique_ptr<Publish> publish);
  void on_returned(const Content& content);
  // The window goes to the front of those waiting. Returns how many.
  std::size_t take_window_back();
  void finish(Publish& publish, std::exception_ptr error);
  std::size_t window_limit() const noexcept;
  void note_deadline(Clock::time_point deadline) noexcept;

  std::deque<std::unique_ptr<Publish>> waiting_;
  std::deque<std::unique_ptr<Publish>> window_;    // by delivery tag; null where confirmed out of order
  std::uint64_t first_tag_ = 1;                    // of window_
  std::deque<std::unique_ptr<Publish>> retrying_;  // refused, to be sent again at their retry_at
  std::size_t unsettled_ = 0;                      // of window_, not null
  std::size_t suspects_ = 0;                       // at the front of waiting_ and in window_: one at a time
  bool blocked_ = false;
  bool flow_off_ = false;
  Clock::time_point next_deadline_ = Clock::time_point::max();  // none is due before
};

}  // namespace millrace::client
