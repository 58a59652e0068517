// Producers and consumers in one process: put, get, task_done and join, then close.
//
//   c++ -std=c++20 inprocess_queue.cpp $(pkg-config --cflags --libs millrace)

#include <cstdio>
#include <millrace/queue.hpp>
#include <string>
#include <thread>
#include <vector>

int main() {
  millrace::queue<std::string> messages(100);  // put() waits while 100 messages are in it

  std::vector<std::jthread> consumers;
  for (int consumer = 0; consumer < 2; ++consumer) {
    consumers.emplace_back([&messages, consumer] {
      while (auto message = messages.next()) {  // nothing once the queue is closed and empty
        std::printf("consumer %d received: %s\n", consumer, message->c_str());
        messages.task_done();
      }
    });
  }

  std::vector<std::jthread> producers;
  for (int producer = 0; producer < 2; ++producer) {
    producers.emplace_back([&messages, producer] {
      for (int n = 0; n < 5; ++n) {
        messages.put("hello " + std::to_string(n) + " of producer " + std::to_string(producer));
      }
    });
  }
  producers.clear();  // the producers have put everything

  messages.join();   // every message was taken, and task_done() said for each
  messages.close();  // the consumers' loops end
}
