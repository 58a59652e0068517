// The four ways to wait for what the broker answers: each function of the client takes any of them.
#include <future>
#include <iostream>
#include <millrace/coroutines.hpp>
#include <millrace/millrace.hpp>

namespace {

millrace::awaitable<void> publish_in_a_coroutine(millrace::Client& client) {
  const millrace::Receipt receipt = co_await client.async_publish("waiting", "by a coroutine");
  std::cout << "coroutine: confirmed after " << receipt.attempts << " attempt\n";
}

}  // namespace

int main(int argc, char** argv) try {
  millrace::Client client(argc > 1 ? argv[1] : "amqp://guest:guest@localhost");
  client.declare_queue("waiting");

  client.publish("waiting", "by this thread");
  std::cout << "blocking: confirmed\n";

  std::promise<void> called;
  client.async_publish("waiting", "by a callback",
                       [&called](const millrace::Failure& failure, const millrace::Receipt&) {
                         std::cout << "callback: " << (failure ? failure.text() : "confirmed") << '\n';
                         called.set_value();
                       });
  called.get_future().wait();

  std::future<millrace::Receipt> future =
      client.async_publish("waiting", "by a future", millrace::use_future);
  future.get();
  std::cout << "future: confirmed\n";

  millrace::co_spawn(client.executor(), publish_in_a_coroutine(client), millrace::use_future).get();

  client.delete_queue("waiting");
  client.close();
} catch (const millrace::ClientError& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
