// Events for tests of the bus over a broker, and what was heard of them.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "millrace/embedded.hpp"
#include "millrace/event_broker.hpp"
#include "millrace/json.hpp"
#include "millrace/millrace.hpp"

namespace millrace::embedded_test {

struct OrderPlaced {
  static constexpr std::string_view topic = "orders.placed";
  int number = 0;
  std::string customer;
};
BOOST_DESCRIBE_STRUCT(OrderPlaced, (), (number, customer))

struct OrderPaid {
  static constexpr std::string_view topic = "orders.paid";
  int number = 0;
};
BOOST_DESCRIBE_STRUCT(OrderPaid, (), (number))

// One that no bus carries.
struct Unknown {
  static constexpr std::string_view topic = "unknown";
};

using Heard = std::vector<std::string>;

// What was heard, and waiting for it.
class Notes {
 public:
  void add(std::string note) {
    const std::lock_guard lock(mutex_);
    notes_.push_back(std::move(note));
    changed_.notify_all();
  }
  Heard wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(20), [&] { return notes_.size() >= count; });
    return notes_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  Heard notes_;
};

inline ErrorKind kind_thrown(const std::function<void()>& call) {
  try {
    call();
    return ErrorKind::none;
  } catch (const ClientError& error) {
    return error.kind();
  }
}

// What listeners note, and what their buses report.
struct Listening {
  broker_bus_options reporting() {
    broker_bus_options options;
    options.on_failure = [this](const std::string& why) { failures.add(why); };
    return options;
  }
  std::unique_ptr<event_carrier> carrier(Client& of) {
    return over_broker<Json, OrderPlaced, OrderPaid>(of, reporting());
  }

  Notes notes;
  Notes failures;
};

// Two programs on one broker.
struct OnOneBroker : testing::Test {
  embedded broker;
  Client client{broker.address()};
  Client other_client{broker.address()};
};

}  // namespace millrace::embedded_test
