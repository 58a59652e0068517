#include "client/tasks/places.hpp"

#include <utility>

#include "millrace/coroutines.hpp"

namespace millrace::tasks {
namespace {

// What the broker remembers of unique keys when a call says nothing else.
constexpr std::int64_t kUniqueKeys = 1'000'000;
constexpr std::int64_t kUniqueForMs = 3'600'000;

// An exchange type that the broker does not have is an error of ours, with the reason that people need.
std::exception_ptr explain(Places::Need need, const std::exception_ptr& error) {
  if (need != Places::Need::delayed && need != Places::Need::unique) return error;
  const millrace::Failure failure(error);
  const bool by_type = failure.kind() == ErrorKind::not_supported ||
                       failure.kind() == ErrorKind::precondition ||
                       failure.kind() == ErrorKind::not_allowed || failure.kind() == ErrorKind::broker;
  if (!by_type) return error;
  const bool delayed = need == Places::Need::delayed;
  return make_failure(ErrorKind::not_supported,
                      std::string(delayed ? "delays, retries and rate limits need a broker with the exchange "
                                            "type x-delayed-message"
                                          : "unique calls, chords, dags and schedules need a broker with the "
                                            "exchange types x-delayed-message and x-message-deduplication") +
                          ", such as Millrace; leave them out with this one: " + failure.text());
}

}  // namespace

std::string dead_queue_of(const std::string& queue) {
  return queue + ".dead";
}

bool Places::is_there(Need need, const std::string& queue) const {
  const std::lock_guard lock(mutex_);
  const auto at = places_.find({need, queue});
  return at != places_.end() && at->second.there;
}

void Places::ensure(Need need, const std::string& queue, Then then) {
  const std::pair key(need, queue);
  {
    std::unique_lock lock(mutex_);
    Place& place = places_[key];
    if (place.there) {
      lock.unlock();
      return then(nullptr);
    }
    place.waiting.push_back(std::move(then));
    if (place.waiting.size() > 1) return;
  }
  run_steps(
      steps_for(need, queue),
      [this, key, need](std::exception_ptr error) { finish(key, error ? explain(need, error) : error); },
      [this] { return closed_.load(); });
}

void Places::ensure(Need need, const std::string& queue) {
  wait_until_done([&](Then then) { ensure(need, queue, std::move(then)); });
}

void Places::finish(const std::pair<Need, std::string>& key, const std::exception_ptr& error) {
  std::vector<Then> waiting;
  {
    const std::lock_guard lock(mutex_);
    Place& place = places_[key];
    place.there = !error;
    waiting.swap(place.waiting);
  }
  for (const Then& then : waiting) then(error);
}

std::vector<Step> Places::steps_for(Need need, const std::string& queue) {
  std::vector<Step> steps;
  if (need == Need::dead) {
    steps.push_back(declare(QueueSpec(dead_queue_of(queue))));
    return steps;
  }
  if (declare_queues_) {
    QueueSpec spec(queue);
    spec.arguments = queue_arguments_;
    const bool own = own_queues_.contains(queue);
    steps.push_back(own ? declare(std::move(spec)) : declare_unless_there(std::move(spec)));
  }
  if (need == Need::queue) return steps;
  ExchangeSpec delayed(kDelayedExchange, "x-delayed-message");
  delayed.arguments = {{"x-delayed-type", "direct"}};
  steps.push_back(declare(std::move(delayed)));
  steps.push_back(bind(BindingSpec(kDelayedExchange, queue, queue)));
  if (need == Need::delayed) return steps;
  ExchangeSpec unique(kUniqueExchange, "x-message-deduplication");
  unique.arguments = {{"x-cache-size", kUniqueKeys}, {"x-cache-ttl", kUniqueForMs}};
  steps.push_back(declare(std::move(unique)));
  BindingSpec onwards(kUniqueExchange, kDelayedExchange, queue);
  onwards.to_exchange = true;
  steps.push_back(bind(std::move(onwards)));
  return steps;
}

Step Places::declare(QueueSpec queue) {
  return [this, queue = std::move(queue)](Then then) {
    client_.async_declare_queue(
        queue, bind_executor(executor_, [then = std::move(then)](std::exception_ptr error, const QueueInfo&) {
          then(std::move(error));
        }));
  };
}

Step Places::declare_unless_there(QueueSpec queue) {
  return [this, queue = std::move(queue)](Then then) {
    client_.async_inspect_queue(
        queue.name, bind_executor(executor_, [this, queue, then = std::move(then)](std::exception_ptr error,
                                                                                   const QueueInfo&) {
          const bool is_missing = millrace::Failure(error).kind() == ErrorKind::not_found;
          if (is_missing && !closed_) return declare(queue)(then);
          then(std::move(error));
        }));
  };
}

Step Places::declare(ExchangeSpec exchange) {
  return [this, exchange = std::move(exchange)](Then then) {
    client_.async_declare_exchange(
        exchange, bind_executor(executor_, [then = std::move(then)](std::exception_ptr error) {
          then(std::move(error));
        }));
  };
}

Step Places::bind(BindingSpec binding) {
  return [this, binding = std::move(binding)](Then then) {
    client_.async_bind(binding, bind_executor(executor_, [then = std::move(then)](std::exception_ptr error) {
                         then(std::move(error));
                       }));
  };
}

}  // namespace millrace::tasks
