// Asks for a kept result: looks for it, with growing pauses, until it is there. To look is to get the message
// and to give it back; while somebody has it, it is not there for others, who look again.
#pragma once

#include <boost/json.hpp>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "client/tasks/caller.hpp"
#include "millrace/client.hpp"
#include "millrace/event_loop.hpp"
#include "millrace/tasks/call.hpp"

namespace millrace::tasks {

class Asking final : public Waiting, public std::enable_shared_from_this<Asking> {
 public:
  using Done = millrace::detail::Completion<boost::json::value>;

  // Ends with the value, with TaskFailed, not_found when there is no such queue, timed_out when there is
  // nothing in it at the end of the time, or with what the client says. Even without any time it looks for
  // kPatience. The client and the loop are used until it has ended.
  Asking(Client& client, EventLoop& loop, std::string id, Milliseconds timeout, Done done);

  void start();
  void give_up(const std::exception_ptr& why) override;

 private:
  using Clock = std::chrono::steady_clock;

  // Others have it for about a round trip.
  static constexpr Milliseconds kPatience{150};

  void look();
  void on_look(const std::exception_ptr& error, Delivery delivery);
  // With the lock.
  void end(const std::exception_ptr& error, const boost::json::value& value = {});

  Client& client_;
  EventLoop& loop_;
  const std::string id_;
  const std::string queue_;
  const Clock::time_point deadline_;
  std::mutex mutex_;
  bool ended_ = false;
  Milliseconds pause_{10};
  std::optional<TimerId> timer_;
  Done done_;
};

}  // namespace millrace::tasks
