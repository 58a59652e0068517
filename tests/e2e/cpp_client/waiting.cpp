// The verbs of tasks_driver about who waits for kept results: that they are told when the call ends, and what
// they leave behind. Nothing of this needs Millrace; its worker is here.
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <future>
#include <iostream>
#include <millrace/coroutines.hpp>
#include <numeric>

#include "cpp_client/tasks_driver.hpp"

namespace tasks_driver {
namespace {

using millrace::Client;
using millrace::use_future;
using Clock = std::chrono::steady_clock;

const Task<int(int)> held{"tasks.held", {"gate"}};

// A worker of whose tasks each ends when it is told to.
class Holding {
 public:
  Holding(const Arguments& arguments, std::size_t gates)
      : opened_(gates), worker_(arguments.url, with(arguments)) {
    for (auto& gate : opened_) ends_.push_back(gate.get_future().share());
    worker_.on(held, [this](int gate) {
      ends_.at(static_cast<std::size_t>(gate)).wait();
      return gate;
    });
    worker_.on(add, [](int x, int y) { return x + y; });
    worker_.start();
  }

  void open(std::size_t gate) { opened_.at(gate).set_value(); }

 private:
  static WorkerOptions with(const Arguments& arguments) {
    WorkerOptions options;
    options.queues = {arguments.queue};
    options.threads = 24;
    return options;
  }

  std::vector<std::promise<void>> opened_;
  std::vector<std::shared_future<void>> ends_;
  Worker worker_;
};

// Whether a notice of that call would go anywhere. It is one.
bool is_bound(Client& client, const std::string& id) {
  return kind_of([&] { client.publish({"millrace.results", id}, ""); }) != millrace::ErrorKind::unroutable;
}

void wait_until_bound(Client& client, const std::string& id, bool wanted, const std::string& what) {
  for (int i = 0; is_bound(client, id) != wanted; ++i) {
    check(i < 400, what);
    std::this_thread::sleep_for(25ms);
  }
}

// Whoever waits looks some times at first: had the call ended then, it would say nothing of notices. From
// then on the looks are seconds apart.
void wait_until_looks_are_rare() {
  std::this_thread::sleep_for(2s);
}

void are_told_at_once(const Arguments& arguments, Holding& holding, std::size_t count) {
  Producer producer(arguments.url, producing(arguments));
  Producer other(arguments.url);
  std::vector<std::future<int>> waiting;
  for (std::size_t i = 0; i < count; ++i) {
    const auto call = producer.submit(held(static_cast<int>(i)).ignore_result().keep_result(1min));
    waiting.push_back(other.async_result_of<int>(call.id(), 1min, use_future));
  }
  wait_until_looks_are_rare();
  Clock::duration sum{};
  for (std::size_t i = 0; i < count; ++i) {
    const auto ended = Clock::now();
    holding.open(i);
    check(waiting[i].get() == static_cast<int>(i), "who waits has the result");
    sum += Clock::now() - ended;
  }
  const std::chrono::duration<double, std::milli> mean = sum / count;
  std::cout << "told after " << mean.count() << " ms\n";
  check(mean < 500ms, "who waits is told, and does not come by at times");
}

// Of one call; each look takes its message away from the others for a moment.
void many_are_told(const Arguments& arguments, Holding& holding, std::size_t gate) {
  constexpr int kProducers = 20;
  constexpr int kOfEach = 10;
  Producer producer(arguments.url, producing(arguments));
  const auto call = producer.submit(held(static_cast<int>(gate)).ignore_result().keep_result(1min));
  std::vector<std::unique_ptr<Producer>> producers;
  std::vector<std::future<int>> waiting;
  for (int i = 0; i < kProducers; ++i) {
    producers.push_back(std::make_unique<Producer>(arguments.url));
    for (int k = 0; k < kOfEach; ++k)
      waiting.push_back(producers.back()->async_result_of<int>(call.id(), 1min, use_future));
  }
  wait_until_looks_are_rare();
  const auto ended = Clock::now();
  holding.open(gate);
  for (auto& one : waiting) check(one.get() == static_cast<int>(gate), "each of them has the result");
  const std::chrono::duration<double, std::milli> took = Clock::now() - ended;
  std::cout << waiting.size() << " told after " << took.count() << " ms\n";
  check(took < 2s, "none of them comes by at times");
}

// However they go.
void leave_nothing_behind(const Arguments& arguments, Holding& holding, std::size_t gate) {
  Client client(arguments.url);
  auto producer = std::make_unique<Producer>(arguments.url, producing(arguments));
  const std::string id =
      producer->submit(held(static_cast<int>(gate)).ignore_result().keep_result(1min)).id();
  boost::asio::cancellation_signal stop;
  std::promise<millrace::ErrorKind> told;
  boost::asio::io_context context;
  producer->async_result_of<int>(
      id, 1min,
      boost::asio::bind_executor(
          context.get_executor(),
          boost::asio::bind_cancellation_slot(
              stop.slot(), [&](const millrace::Failure& failure, int) { told.set_value(failure.kind()); })));
  wait_until_bound(client, id, true, "who waits is bound");
  stop.emit(boost::asio::cancellation_type::terminal);
  context.run();
  check(told.get_future().get() == millrace::ErrorKind::cancelled, "who cancels is told");
  wait_until_bound(client, id, false, "and is bound no longer");
  check(kind_of([&] { producer->result_of<int>(id, 400ms); }) == millrace::ErrorKind::timed_out, "too late");
  wait_until_bound(client, id, false, "who has waited long enough is bound no longer");
  auto waiting = producer->async_result_of<int>(id, 1min, use_future);
  wait_until_bound(client, id, true, "another one is bound");
  producer.reset();
  check(kind_of([&] { waiting.get(); }) == millrace::ErrorKind::closed, "its producer goes");
  wait_until_bound(client, id, false, "and is bound no longer");
  holding.open(gate);
}

// Its call is ended by somebody who tells nobody.
void look_now_and_then(const Arguments& arguments) {
  Client client(arguments.url);
  Producer producer(arguments.url);
  const std::string id = arguments.queue + "-untold";
  millrace::QueueSpec queue("millrace.result." + id);
  queue.arguments = {{"x-expires", 60'000}};
  client.declare_queue(queue);
  auto waiting = producer.async_result_of<int>(id, 1min, use_future);
  wait_until_bound(client, id, true, "who waits is bound");
  wait_until_looks_are_rare();
  client.publish(queue.name, R"({"status": "SUCCESS", "result": 7, "task_id": ")" + id + "\"}");
  check(waiting.get() == 7, "it is found nevertheless");
}

}  // namespace

void waiting(const Arguments& arguments) {
  constexpr std::size_t kAlone = 20;
  Holding holding(arguments, kAlone + 2);
  are_told_at_once(arguments, holding, kAlone);
  many_are_told(arguments, holding, kAlone);
  leave_nothing_behind(arguments, holding, kAlone + 1);
  look_now_and_then(arguments);
}

// Where this user may do nothing with the exchange of the notices.
void unpermitted(const Arguments& arguments) {
  Holding holding(arguments, 1);
  Producer producer(arguments.url, producing(arguments));
  const auto call = producer.submit(held(0).ignore_result().keep_result(1min));
  auto waiting = producer.async_result_of<int>(call.id(), 1min, use_future);
  std::vector<Result<int>> sums;
  for (int i = 0; i < arguments.count; ++i) sums.push_back(producer.submit(add(i, i).keep_result(1min)));
  for (int i = 0; i < arguments.count; ++i) {
    Result<int>& sum = sums[static_cast<std::size_t>(i)];
    check(sum.get(20s) == 2 * i && producer.result_of<int>(sum.id(), 20s) == 2 * i, "results are kept");
  }
  holding.open(0);
  check(waiting.get() == 0, "who waits finds the result");
  Client client(arguments.url);
  check(kind_of([&] {
          client.publish({"millrace.results", call.id()}, "");
        }) != millrace::ErrorKind::none,
        "it is so that it may not");
}

// Says when it begins to wait, and what it has waited for, whatever becomes of its connection meanwhile.
void awaited(const Arguments& arguments) {
  millrace::ClientOptions options(arguments.url);
  options.backoff_max = 300ms;
  options.operation_timeout = 60s;
  Producer producer(options, producing(arguments));
  auto value = producer.async_result_of<int>(arguments.given.at("id"), 5min, use_future);
  Client client(arguments.url);
  wait_until_bound(client, arguments.given.at("id"), true, "who waits is bound");
  std::cout << "waiting" << std::endl;
  std::cout << value.get() << std::endl;
}

}  // namespace tasks_driver
