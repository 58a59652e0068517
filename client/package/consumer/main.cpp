// Links what an ordinary program uses, and shows that it runs: there is no broker at this address.
#include <iostream>
#include <millrace/millrace.hpp>
#include <millrace/processed_ids.hpp>

int main() {
  millrace::ProcessedIds ids(":memory:", "consumer");
  if (!ids.remember("m") || ids.remember("m")) return 1;
  millrace::ClientOptions options("amqp://127.0.0.1:1");
  options.operation_timeout = std::chrono::milliseconds(100);
  millrace::Client client(options);
  try {
    client.publish("queue", "x");
  } catch (const millrace::ClientError& error) {
    std::cout << error.what() << '\n';
    return error.kind() == millrace::ErrorKind::not_connected ? 0 : 1;
  }
  return 1;
}
