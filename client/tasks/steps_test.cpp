// Operations of several steps, and who waits for them.
#include "client/tasks/steps.hpp"

#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <future>
#include <string>

#include "millrace/tasks.hpp"

namespace millrace::tasks {
namespace {

using namespace std::chrono_literals;

struct Steps : testing::Test {
  std::string done;
  ErrorKind ended = ErrorKind::broker;

  Step step(char name, ErrorKind kind = ErrorKind::none) {
    return [this, name, kind](const Then& then) {
      done += name;
      then(kind == ErrorKind::none ? nullptr : make_failure(kind, "no"));
    };
  }
  Then end() {
    return [this](std::exception_ptr error) { ended = Failure(error).kind(); };
  }
};

TEST_F(Steps, run_in_order) {
  run_steps({step('a'), step('b')}, end());
  EXPECT_EQ(done, "ab");
  EXPECT_EQ(ended, ErrorKind::none);
}

TEST_F(Steps, end_with_the_first_error) {
  run_steps({step('a'), step('b', ErrorKind::rejected), step('c')}, end());
  EXPECT_EQ(done, "ab");
  EXPECT_EQ(ended, ErrorKind::rejected);
}

TEST_F(Steps, end_when_the_caller_has_given_up) {
  run_steps({step('a'), step('b'), step('c')}, end(), [&] { return done.size() == 2; });
  EXPECT_EQ(done, "ab");
  EXPECT_EQ(ended, ErrorKind::cancelled);
}

// Nobody listens there: nothing goes on by itself.
ClientOptions nowhere() {
  ClientOptions options("amqp://127.0.0.1:1");
  options.close_timeout = 50ms;
  return options;
}

struct Cancelling : testing::Test {
  Producer producer{nowhere()};
  const Task<int()> one{"one"};
  const Task<int(std::vector<int>)> total{"total"};
  boost::asio::cancellation_signal stop;

  template <class Submit>
  ErrorKind cancelled(Submit submit) {
    std::promise<ErrorKind> told;
    submit(boost::asio::bind_cancellation_slot(
        stop.slot(), [&](const Failure& failure, auto&&...) { told.set_value(failure.kind()); }));
    stop.emit(boost::asio::cancellation_type::terminal);
    auto kind = told.get_future();
    return kind.wait_for(10s) == std::future_status::ready ? kind.get() : ErrorKind::none;
  }
};

TEST_F(Cancelling, a_chord_tells_who_waited_at_once) {
  EXPECT_EQ(cancelled([&](auto token) {
              producer.async_submit(chord(group(one(), one()), total.partial()), std::move(token));
            }),
            ErrorKind::cancelled);
}

TEST_F(Cancelling, a_dag_tells_who_waited_at_once) {
  Dag dag;
  dag.step("a", one());
  EXPECT_EQ(cancelled([&](auto token) { producer.async_submit(dag, std::move(token)); }),
            ErrorKind::cancelled);
}

TEST_F(Cancelling, a_group_and_a_single_call_do_as_well) {
  EXPECT_EQ(cancelled([&](auto token) { producer.async_submit(group(one(), one()), std::move(token)); }),
            ErrorKind::cancelled);
  EXPECT_EQ(cancelled([&](auto token) { producer.async_submit(one(), std::move(token)); }),
            ErrorKind::cancelled);
}

TEST_F(Cancelling, who_asks_for_a_kept_result_is_told_at_once) {
  EXPECT_EQ(cancelled([&](auto token) { producer.async_result_of<int>("id", 1h, std::move(token)); }),
            ErrorKind::cancelled);
}

TEST(Producer, that_goes_ends_what_waits_for_a_kept_result) {
  std::promise<ErrorKind> told;
  {
    Producer producer{nowhere()};
    producer.async_result_of<int>("id", 1h,
                                  [&](const Failure& failure, int) { told.set_value(failure.kind()); });
  }
  EXPECT_EQ(told.get_future().get(), ErrorKind::closed);
}

}  // namespace
}  // namespace millrace::tasks
