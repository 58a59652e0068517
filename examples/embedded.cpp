// A shop that starts as one process. Without an argument the broker runs inside; with "amqp://host" it is a
// server, and nothing else changes. With a directory the broker inside keeps its messages there.
//
//   c++ -std=c++20 embedded.cpp $(pkg-config --cflags --libs millrace-embedded)

#include <iostream>
#include <millrace/embedded.hpp>
#include <millrace/millrace.hpp>
#include <optional>
#include <string>

int main(int argc, char** argv) try {
  std::string address = argc > 1 ? argv[1] : "";
  std::optional<millrace::embedded> broker;
  if (address.find("://") == std::string::npos) {
    broker.emplace(millrace::embedded_options{.data_dir = address});
    address = broker->address();
  }

  millrace::Client client(address);
  client.declare_queue("orders");
  for (int order = 0; order < 3; ++order) client.publish("orders", "order " + std::to_string(order));

  millrace::Consumer orders = client.consume("orders");
  for (int i = 0; i < 3; ++i) {
    millrace::Delivery delivery = orders.next();
    std::cout << delivery.body() << " is paid" << std::endl;
    delivery.ack();
  }
} catch (const millrace::ClientError& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
