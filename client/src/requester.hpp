// The channel for requests: they go out with RabbitMQ's direct reply-to, and replies come back on the same
// channel. Requests that are under way when the connection breaks fail: their replies cannot find the way
// back any more.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>

#include "client/src/publisher.hpp"

namespace millrace::client {

struct Request {
  std::unique_ptr<Publish> publish;  // its `done` empty
  std::string correlation_id;
  std::uint64_t id = 0;
  Clock::time_point deadline;
  detail::Completion<Message> done;
};

class Requester final : public Channel {
 public:
  using Channel::Channel;

  void start(Request request);
  void cancel(std::uint64_t id);
  void expire(Clock::time_point now, const std::string& connection_state);
  void fail_all(const std::exception_ptr& why);
  bool idle() const noexcept { return waiting_.empty() && sent_.empty(); }

 private:
  void on_open() override;
  void on_method(std::uint32_t id, const amqp::Frame& frame) override;
  void on_content(std::uint32_t id, Content content) override;
  void on_closed(const std::exception_ptr& why, bool link_lost) override;
  void write(const Request& request);
  void take_reply(Content content);
  void take_return(const Content& content);

  std::deque<Request> waiting_;
  std::map<std::string, Request, std::less<>> sent_;  // by correlation id
};

}  // namespace millrace::client
