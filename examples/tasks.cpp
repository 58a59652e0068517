// A task, a worker that carries it out, and a producer that wants the result: here in one program, else in
// two.
#include <boost/json/src.hpp>
#include <iostream>
#include <millrace/tasks.hpp>

namespace tasks = millrace::tasks;

// Shared by both sides: the name, the types, and the names of the arguments for callers in Python.
const tasks::Task<int(int, int)> add{"tasks.add", {"x", "y"}};

int main(int argc, char** argv) try {
  const std::string url = argc > 1 ? argv[1] : "amqp://guest:guest@localhost";

  tasks::Worker worker(url);
  worker.on(add, [](int x, int y) { return x + y; }).retries(3);
  worker.start();  // run() instead takes tasks until SIGTERM

  tasks::Producer producer(url);
  tasks::Result<int> sum = producer.submit(add(2, 3));
  std::cout << "2 + 3 = " << sum.get() << '\n';
  worker.stop();
} catch (const millrace::ClientError& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
