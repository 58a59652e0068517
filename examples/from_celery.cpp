// Two tasks of a program that uses Celery, carried out here instead. Its callers, as from_celery.py beside
// this, stay as they were; they only route these tasks to a queue of their own.
#include <boost/describe.hpp>
#include <boost/json/src.hpp>
#include <iostream>
#include <millrace/tasks.hpp>
#include <string>
#include <vector>

namespace tasks = millrace::tasks;

struct Line {
  std::string article;
  int price;
  int count;
};
BOOST_DESCRIBE_STRUCT(Line, (), (article, price, count))

// @app.task(name="shop.total")
// def total(lines): ...
const tasks::Task<int(std::vector<Line>)> total{"shop.total", {"lines"}};

// @app.task(name="shop.invoice", autoretry_for=(Exception,), max_retries=3)
// def invoice(total): ...
const tasks::Task<std::string(int)> invoice{"shop.invoice", {"total"}};

int main(int argc, char** argv) try {
  tasks::WorkerOptions options;
  options.queues = {"shop"};
  tasks::Worker worker(argc > 1 ? argv[1] : "amqp://guest:guest@localhost", options);

  worker.on(total, [](const std::vector<Line>& lines) {
    int sum = 0;
    for (const Line& line : lines) sum += line.price * line.count;
    return sum;
  });
  worker
      .on(invoice,
          [](const tasks::Context& context, int sum) {
            if (context.retries() == 0) throw tasks::Retry("the printer is warming up");
            return "invoice over " + std::to_string(sum);
          })
      .retries(3, std::chrono::milliseconds(100));

  worker.run([] { std::cout << "ready" << std::endl; });  // until SIGTERM, then in order
} catch (const millrace::ClientError& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
