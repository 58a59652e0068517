// Steps that depend on one another: when one fails, what was done before is undone in reverse.
#include <boost/json/src.hpp>
#include <iostream>
#include <millrace/tasks.hpp>

namespace tasks = millrace::tasks;

const tasks::Task<std::string(int)> reserve{"shop.reserve", {"order"}};
const tasks::Task<void(int)> release{"shop.release", {"order"}};
const tasks::Task<std::string(int)> pay{"shop.pay", {"order"}};
const tasks::Task<void(std::string)> refund{"shop.refund", {"payment"}};
const tasks::Task<void(int)> ship{"shop.ship", {"order"}};

int main(int argc, char** argv) try {
  const std::string url = argc > 1 ? argv[1] : "amqp://guest:guest@localhost";

  tasks::WorkerOptions working;
  working.queues = {"shop"};
  tasks::Worker worker(url, working);
  worker.on(reserve, [](int order) { return "place " + std::to_string(order); });
  worker.on(release, [](int order) { std::cout << "order " << order << " is released\n"; });
  worker.on(pay, [](int order) { return "payment " + std::to_string(order); });
  worker.on(refund, [](const std::string& payment) { std::cout << payment << " is refunded\n"; });
  worker.on(ship, [](int) { throw tasks::Reject("no ship sails"); });
  worker.start();

  tasks::ProducerOptions producing;
  producing.queue = "shop";
  tasks::Producer producer(url, producing);
  tasks::Dag order;
  order.step("reserve", reserve(17)).undo(release(17).immutable());
  order.step("pay", pay(17).immutable()).after({"reserve"}).undo(refund.partial());  // gets what pay returned
  order.step("ship", ship(17).immutable()).after({"pay"});
  try {
    producer.submit(order).get();
  } catch (const tasks::TaskFailed& failed) {
    std::cout << failed.text() << '\n';
  }
  worker.stop();
} catch (const millrace::ClientError& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
