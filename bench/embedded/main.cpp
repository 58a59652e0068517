// What the socket costs: one client publishes, with confirms, and consumes, with acknowledgements, through a
// broker in the same process. Once the bytes go through memory (millrace::embedded), once through TCP on the
// loopback; all else is the same: one shard, the store in memory. The CPU time is the whole process's.
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <millrace/embedded.hpp>
#include <millrace/millrace.hpp>
#include <string>
#include <thread>
#include <vector>

#include "runtime/os/memory_file_system.hpp"
#include "server/process.hpp"

namespace {

using namespace millrace;
using Clock = std::chrono::steady_clock;

constexpr int kWindow = 4000;  // published and not consumed yet

double cpu_us() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto us = [](const timeval& time) { return 1e6 * static_cast<double>(time.tv_sec) + time.tv_usec; };
  return us(usage.ru_utime) + us(usage.ru_stime);
}

struct Figures {
  double rate = 0;        // messages/s
  double cpu_us = 0;      // for one message
  double round_trip = 0;  // µs, median
};

QueueSpec transient(const char* name) {
  QueueSpec queue(name);
  queue.durable = false;
  return queue;
}

Message message_of(std::size_t bytes) {
  Message message(std::string(bytes, 'b'));
  message.persistent = false;
  return message;
}

void stream(Client& client, int count, std::size_t bytes, Figures& figures) {
  client.declare_queue(transient("stream"));
  std::atomic<int> consumed{0};
  std::atomic<int> confirmed{0};
  Consumer consumer = client.consume("stream", [&](Delivery delivery) {
    delivery.ack();
    consumed.fetch_add(1, std::memory_order_relaxed);
  });
  const Message message = message_of(bytes);
  const double cpu_before = cpu_us();
  const auto start = Clock::now();
  for (int i = 0; i < count; ++i) {
    while (i - std::min(consumed.load(), confirmed.load()) > kWindow)
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    client.async_publish("stream", message, [&](Failure failure, const Receipt&) {
      if (failure) std::abort();
      confirmed.fetch_add(1, std::memory_order_relaxed);
    });
  }
  while (consumed < count || confirmed < count) std::this_thread::sleep_for(std::chrono::microseconds(100));
  figures.rate = count / std::chrono::duration<double>(Clock::now() - start).count();
  figures.cpu_us = (cpu_us() - cpu_before) / count;
  consumer.cancel();
  client.delete_queue("stream");
}

// One message at a time, from publish to the hand of its consumer.
void ping(Client& client, int count, std::size_t bytes, Figures& figures) {
  client.declare_queue(transient("ping"));
  Consumer consumer = client.consume("ping");
  const Message message = message_of(bytes);
  std::vector<double> times;
  for (int i = 0; i < count; ++i) {
    const auto start = Clock::now();
    client.async_publish("ping", message, [](Failure, const Receipt&) {});
    Delivery delivery = consumer.next();
    times.push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count());
    delivery.ack();
  }
  std::nth_element(times.begin(), times.begin() + count / 2, times.end());
  figures.round_trip = times[static_cast<std::size_t>(count) / 2];
  consumer.cancel();
  client.delete_queue("ping");
}

Figures measure(const std::string& address, int count, std::size_t bytes) {
  Client client(address);
  client.connect();
  Figures figures;
  stream(client, count / 10, bytes, figures);  // warms up
  stream(client, count, bytes, figures);
  ping(client, 2000, bytes, figures);
  return figures;
}

Figures over_memory(int count, std::size_t bytes) {
  embedded broker;
  return measure(broker.address(), count, bytes);
}

Figures over_loopback(int count, std::size_t bytes) {
  server::Config config;
  config.amqp = {{"127.0.0.1", 0}};
  config.data_dir = "/memory";
  config.shards = 1;
  config.disk_low_water_bytes = 128u << 20;
  auto process = server::Process::start(
      config, [](broker::LogLevel, std::string_view) {},
      std::make_unique<runtime::MemoryFileSystem>(std::uint64_t{1} << 30));
  if (!process) throw std::runtime_error(process.error().text);
  const std::string ready = (*process)->ready_line();  // "ready amqp=127.0.0.1:4711 data=..."
  const auto begin = ready.find("amqp=") + std::strlen("amqp=");
  return measure("amqp://" + ready.substr(begin, ready.find(' ', begin) - begin), count, bytes);
}

double median(std::vector<Figures> runs, double Figures::*field) {
  std::ranges::sort(runs, {}, field);
  return runs[runs.size() / 2].*field;
}

void print(const char* way, std::size_t bytes, const std::vector<Figures>& runs) {
  std::printf("| %s, %zu B | %.0f k | %.2f | %.0f |\n", way, bytes, median(runs, &Figures::rate) / 1000,
              median(runs, &Figures::cpu_us), median(runs, &Figures::round_trip));
}

}  // namespace

int main(int argc, char** argv) try {
  const int rounds = argc > 1 ? std::stoi(argv[1]) : 5;
  const int count = argc > 2 ? std::stoi(argv[2]) : 200'000;
  std::puts("| way | messages/s | CPU a message, µs | round trip, µs |\n|---|---|---|---|");
  for (const std::size_t bytes : {16, 1024}) {
    std::vector<Figures> memory;
    std::vector<Figures> loopback;
    for (int round = 0; round < rounds; ++round) {  // in turns: the machine's mood is shared
      memory.push_back(over_memory(count, bytes));
      loopback.push_back(over_loopback(count, bytes));
    }
    print("memory", bytes, memory);
    print("loopback", bytes, loopback);
  }
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
