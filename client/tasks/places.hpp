// The queues and exchanges that calls go through, each declared once, when it is first needed.
//
//   NAME               the queue of the tasks: durable, with the arguments that the program gives;
//                      another's, where a call goes, is taken as it is if it is there
//   NAME.dead          what could not be done
//   millrace.delayed   holds calls until their time (x-delayed-message), then routes them by the queue's name
//   millrace.unique    lets one call of each key pass (x-message-deduplication), and on to millrace.delayed
#pragma once

#include <atomic>
#include <exception>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "client/tasks/steps.hpp"
#include "millrace/client.hpp"
#include "millrace/tasks/call.hpp"

namespace millrace::tasks {

inline constexpr const char* kDelayedExchange = "millrace.delayed";
inline constexpr const char* kUniqueExchange = "millrace.unique";

std::string dead_queue_of(const std::string& queue);

class Places {
 public:
  enum class Need : std::uint8_t { queue, dead, delayed, unique };

  // `executor` runs what `ensure` is given, and must not be blocked by it. `own_queues` have to be as they
  // are declared here.
  Places(Client& client, Executor executor, bool declare_queues, std::set<std::string> own_queues,
         FieldTable queue_arguments)
      : client_(client),
        executor_(std::move(executor)),
        declare_queues_(declare_queues),
        own_queues_(std::move(own_queues)),
        queue_arguments_(std::move(queue_arguments)) {}

  // Calls `then` at once when it is there, else later. An error is not remembered: the next one tries again.
  void ensure(Need need, const std::string& queue, Then then);
  // Blocks; throws.
  void ensure(Need need, const std::string& queue);
  bool is_there(Need need, const std::string& queue) const;
  // Begins no further step: the client is about to go.
  void close() noexcept { closed_ = true; }

 private:
  struct Place {
    bool there = false;
    std::vector<Then> waiting;  // not empty: being declared
  };

  std::vector<Step> steps_for(Need need, const std::string& queue);
  Step declare(QueueSpec queue);
  Step declare_unless_there(QueueSpec queue);
  Step declare(ExchangeSpec exchange);
  Step bind(BindingSpec binding);
  void finish(const std::pair<Need, std::string>& key, const std::exception_ptr& error);

  Client& client_;
  const Executor executor_;
  const bool declare_queues_;
  const std::set<std::string> own_queues_;
  const FieldTable queue_arguments_;
  std::atomic<bool> closed_{false};
  mutable std::mutex mutex_;
  std::map<std::pair<Need, std::string>, Place> places_;
};

}  // namespace millrace::tasks
