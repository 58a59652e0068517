// Asking and answering: the answer, or the reason why there is none, comes back to who asked.
#include <iostream>
#include <millrace/millrace.hpp>
#include <stdexcept>

int main(int argc, char** argv) try {
  const std::string url = argc > 1 ? argv[1] : "amqp://guest:guest@localhost";

  millrace::Client server(url);
  server.declare_queue("squares");
  const millrace::Consumer serving = server.serve("squares", [](const millrace::Delivery& request) {
    const int number = std::stoi(request.body());
    if (number < 0) throw std::invalid_argument("it is negative");
    return millrace::Message(std::to_string(number * number));
  });

  millrace::Client client(url);
  std::cout << "7 * 7 = " << client.request("squares", "7").body << '\n';
  try {
    client.request("squares", "-1");
  } catch (const millrace::ClientError& error) {
    std::cout << "-1: " << error.what() << '\n';
  }
  client.delete_queue("squares");
} catch (const millrace::ClientError& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
