// What a producer has its reply queue bound to while somebody waits for a kept result: the notices of these
// calls (results_exchange.hpp). The client binds it again on each new connection.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "client/tasks/results_exchange.hpp"
#include "client/tasks/steps.hpp"
#include "millrace/client.hpp"

namespace millrace::tasks {

// Any thread. Held by a shared_ptr.
class Subscriptions : public std::enable_shared_from_this<Subscriptions> {
 public:
  // `listen` makes the queue and consumes it, if that is still to be done. `executor` runs what is called.
  Subscriptions(Client& client, Executor executor, std::string queue, Step listen);

  // Has the notices of that call come to the queue, and calls `then` when they do, or with why they do not;
  // not before it returns. Once for each id until leave().
  void join(const std::string& id, Then then);
  // Whatever came of join(). While there is no connection it is asked for again and again.
  void leave(const std::string& id);
  // Uses the client no more.
  void close();

 private:
  bool is_closed();
  void bind(const std::string& id, Then then);
  // With the lock.
  void unbind(const std::string& id);
  void unbound(const std::string& id, const std::exception_ptr& error);

  Client& client_;
  const Executor executor_;
  const std::string queue_;
  const Step listen_;
  const std::shared_ptr<ResultsExchange> exchange_;
  std::mutex mutex_;
  bool closed_ = false;
  std::map<std::string, bool> joined_;  // whether the broker was asked to bind, and has not refused
};

}  // namespace millrace::tasks
