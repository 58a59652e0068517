// The whole of it in one process.
#include <iostream>
#include <millrace/embedded.hpp>
#include <millrace/millrace.hpp>

int main() {
  millrace::embedded broker;
  millrace::Client client(broker.address());
  client.declare_queue("greetings");
  client.publish("greetings", "hello");
  millrace::Delivery delivery = client.get("greetings");
  delivery.ack();
  std::cout << delivery.body() << '\n';
  return delivery.body() == "hello" ? 0 : 1;
}
