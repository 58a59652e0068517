// Whom a producer asks for kept results, by the ids of the calls: those who wait for the same one wait
// together.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/prng.hpp"
#include "client/tasks/asking.hpp"
#include "client/tasks/subscriptions.hpp"
#include "millrace/client.hpp"
#include "millrace/event_loop.hpp"

namespace millrace::tasks {

// Any thread. The client and the loop are used until close().
class Askings {
 public:
  // `queue` and `listen`: see Subscriptions.
  Askings(Client& client, EventLoop& loop, std::string queue, Step listen, AskingPace pace = {});

  // See Asking::take_in.
  void ask(const std::string& id, Milliseconds timeout, Asking::Done done);
  // The call has ended.
  void on_notice(const std::string& id);
  // Who waits is told why.
  void close(const std::exception_ptr& why);

 private:
  std::shared_ptr<Asking> asking_of(const std::string& id);

  Client& client_;
  EventLoop& loop_;
  const AskingPace pace_;
  const std::shared_ptr<Subscriptions> subscriptions_;
  std::mutex mutex_;
  Prng random_;
  std::map<std::string, std::shared_ptr<Asking>> askings_;
};

}  // namespace millrace::tasks
