// Asks for a kept result on behalf of all of one producer who wait for it. It looks; where there is nothing,
// it has itself told when the call ends (subscriptions.hpp), looks once more, since that may have been
// meanwhile, and waits. To look is to ask how many messages the queue has, to get the one and to give it
// back; while somebody has it, it is not there for others, so who has reason to find it looks some more
// times.
#pragma once

#include <boost/json.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/prng.hpp"
#include "client/tasks/subscriptions.hpp"
#include "millrace/client.hpp"
#include "millrace/event_loop.hpp"
#include "millrace/tasks/call.hpp"

namespace millrace::tasks {

// When it looks again; each pause is drawn between half of it and all, so that those who were told at one
// moment do not meet again.
struct AskingPace {
  // After each reason to look: somebody asks, or the call has ended. A second and more, in which some hundred
  // producers have their turn, each of which has the message for about a round trip.
  int quick_looks = 10;
  Milliseconds first{10};  // doubled each time
  Milliseconds longest{250};
  // From then on, for notices that do not come: lost with a connection, not permitted, not sent by the
  // workers of an earlier version. Not longer, since that is what such a one costs; not shorter, since
  // thousands may wait.
  Milliseconds slow{5000};
};

class Asking final : public std::enable_shared_from_this<Asking> {
 public:
  using Done = millrace::detail::Completion<boost::json::value>;

  // Who has no more time than that is no reason to be told anything: others have a message for about a round
  // trip.
  static constexpr Milliseconds kPatience{150};

  // The client, the loop, and what `forget` is of are used until it has ended. `forget`, under its lock, when
  // it does.
  Asking(Client& client, EventLoop& loop, std::shared_ptr<Subscriptions> subscriptions, std::string id,
         const AskingPace& pace, std::uint64_t seed, std::function<void()> forget);

  // One more who waits. Ends with the value, with TaskFailed, not_found when there is no such queue,
  // timed_out when there is nothing in it at the end of the time, or with what the client says. Even without
  // any time it looks for kPatience. False, and `done` is untouched: it has ended.
  bool take_in(Milliseconds timeout, Done& done);
  // The call has ended.
  void on_notice();
  void give_up(const std::exception_ptr& why);

 private:
  using Clock = std::chrono::steady_clock;

  struct Asker {
    Clock::time_point deadline;
    bool is_patient = false;
    bool is_new = true;  // has not had a look
    Done done;
  };

  void leave(const std::weak_ptr<Asker>& who);
  void on_inspected(const std::exception_ptr& error, const QueueInfo& info);
  void on_got(const std::exception_ptr& error, Delivery delivery);
  void on_subscribed();

  // All with the lock.
  void look();
  void look_quickly();
  void go_on(const std::exception_ptr& missing);
  void rest();
  Milliseconds pause();
  void tell_those(const std::function<bool(const Asker&)>& which, const std::exception_ptr& error);
  void end(const std::exception_ptr& error, const boost::json::value& value = {});
  void end();

  Client& client_;
  EventLoop& loop_;
  const std::shared_ptr<Subscriptions> subscriptions_;
  const std::string id_;
  const std::string queue_;
  const AskingPace pace_;
  const std::function<void()> forget_;
  std::mutex mutex_;
  Prng random_;
  std::vector<std::shared_ptr<Asker>> askers_;
  bool ended_ = false;
  bool busy_ = false;   // looks, or is subscribing
  bool again_ = false;  // told while it was busy
  bool subscribed_ = false;
  int quick_looks_ = 0;
  Milliseconds quick_pause_{0};
  std::optional<TimerId> timer_;
};

}  // namespace millrace::tasks
