// The first program: connect, declare, publish and wait for the confirm, consume, acknowledge.
#include <iostream>
#include <millrace/millrace.hpp>

int main(int argc, char** argv) try {
  millrace::Client client(argc > 1 ? argv[1] : "amqp://guest:guest@localhost");

  client.declare_queue("greetings");
  client.publish("greetings", "hello, world");  // returns when the broker has confirmed it

  millrace::Consumer greetings = client.consume("greetings");
  millrace::Delivery delivery = greetings.next();
  std::cout << delivery.body() << '\n';
  delivery.ack();
  client.close();
} catch (const millrace::ClientError& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
