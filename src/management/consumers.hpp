// Consumers of programs that speak HTTP: what they were given and have not settled, and until when.
//
// A consumer is one of the core's (broker::Management::subscribe) with a name that nobody can guess. Messages
// are told apart by tokens, "<consumer>.<number>", good for the consumer's user alone. Whoever waits for
// messages keeps its consumer; otherwise its lease runs, from the last time that it was heard of, and when
// that ends all that is not settled goes back to the queue.
//
//   once     made for one request; ends when its messages are settled
//   lasting  asked for by name, request after request
//   stream   as long as its connection; has no lease
//
// Thread: the API's.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/management.hpp"
#include "runtime/executor.hpp"

namespace millrace::management {

class Consumers {
 public:
  enum class Kind : std::uint8_t { once, lasting, stream };
  using Received = broker::Management::Received;
  using Id = std::string;

  // Of all users together. Further ones are refused.
  static constexpr std::size_t kMaxConsumers = 1024;
  // Requests and streams that wait for messages: the API's connections are for others, too.
  static constexpr std::size_t kMaxWaiting = 256;
  // Bodies of one answer together, but for a first message that is longer alone.
  static constexpr std::uint64_t kMaxAnswerBytes = 4u << 20;
  // For a message to come that is on the disk, or more messages after the first.
  static constexpr runtime::Milliseconds kShortestWait{100};
  static constexpr runtime::Milliseconds kGathering{2};

  Consumers(broker::Management& core, runtime::Timers& timers,
            std::function<void(std::span<std::uint8_t>)> random);
  ~Consumers();

  // resource_error: there are kMaxConsumers. What the core refuses is the outcome of the first receive().
  result<Id> open(broker::Subject subject, std::string vhost, broker::ConnectionInfo info,
                  broker::Management::Subscribe request, Kind kind, runtime::Milliseconds lease);
  // It is there, and the user's.
  bool knows(std::string_view id, std::string_view user, std::string_view vhost,
             std::string_view queue) const;
  // Up to `max` messages as soon as there are any; none when `wait` is over, and then a consumer for once is
  // gone. precondition_failed: somebody waits already. resource_error: kMaxWaiting.
  void receive(const Id& id, std::size_t max, runtime::Milliseconds wait,
               broker::Done<std::vector<Received>> done);
  // Nobody waits any more; `done` is not called.
  void stop_waiting(const Id& id);
  // What became of messages that receive() gave: passed on, or back to the queue. Nothing, when the consumer
  // is gone.
  void passed_on(const Id& id, const std::vector<Received>& messages, bool arrived, bool settle);

  struct Settled {
    std::size_t settled = 0;
    std::vector<std::string> unknown;  // tokens of nothing that is to be settled
  };
  Settled settle(std::string_view user, std::string_view vhost, std::string_view queue,
                 const std::vector<std::string>& tokens, broker::Settlement how);
  // The consumers of these tokens are given the time again, or another one. How many consumers that are
  // there.
  std::size_t extend(std::string_view user, std::string_view vhost, std::string_view queue,
                     const std::vector<std::string>& tokens, std::optional<runtime::Milliseconds> lease);
  void close(const Id& id);

  static std::string token(std::string_view id, const Received& message);

 private:
  struct One;

  One* find(std::string_view id) const;
  One* find_of(std::string_view id, std::string_view user, std::string_view vhost,
               std::string_view queue) const;
  void take_in(const Id& id, std::vector<Received> received);
  void look(One& one, bool gathered);
  void give(One& one);
  void end(const Id& id, const Error& why);
  void renew(One& one);
  void cancel(std::optional<runtime::TimerId>& timer);
  void settle(One& one, std::vector<std::uint64_t> seqs, broker::Settlement how);

  broker::Management& core_;
  runtime::Timers& timers_;
  std::function<void(std::span<std::uint8_t>)> random_;
  boost::unordered_flat_map<std::string, std::unique_ptr<One>> consumers_;
  std::size_t waiting_ = 0;
};

}  // namespace millrace::management
