// How many tasks a second: submitted durably with confirms, carried out (they do nothing), acknowledged.
//   bench_tasks URL [count=N] [threads=N] [prefetch=N] [window=N] [results=0|1]
// First all are submitted, then a worker carries them out; then both at once.
#include <sys/resource.h>

#include <atomic>
#include <boost/json/src.hpp>
#include <chrono>
#include <cstdio>
#include <map>
#include <millrace/tasks.hpp>
#include <string>
#include <thread>

namespace {

using namespace millrace::tasks;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

const Task<void(int)> nothing{"bench.nothing"};

struct Settings {
  std::string url;
  std::map<std::string, int> numbers{
      {"count", 200'000}, {"threads", 1}, {"prefetch", 500}, {"window", 4000}, {"results", 0}};
  int number(const std::string& name) const { return numbers.at(name); }
};

void fail(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::_Exit(1);
}

double cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

// Runs `work` and says how fast it was.
template <class Work>
void measure(const char* what, int count, Work work) {
  const double cpu = cpu_seconds();
  const auto began = Clock::now();
  work();
  const double took = std::chrono::duration<double>(Clock::now() - began).count();
  std::printf("%-20s %8.0f tasks/s  %5.2f us of this process' processor time a task\n", what, count / took,
              (cpu_seconds() - cpu) / count * 1e6);
  std::fflush(stdout);
}

void submit_all(Producer& producer, const Settings& settings) {
  const int count = settings.number("count");
  const int window = settings.number("window");
  std::atomic<int> confirmed{0};
  for (int i = 0; i < count; ++i) {
    while (i - confirmed.load(std::memory_order_relaxed) >= window) std::this_thread::sleep_for(50us);
    Call<void> call = nothing(i);
    if (settings.number("results") == 0) call.ignore_result();
    producer.async_submit(std::move(call), [&confirmed](millrace::Failure failure, const Result<void>&) {
      if (failure) fail(failure.text());
      confirmed.fetch_add(1, std::memory_order_relaxed);
    });
  }
  while (confirmed < count) std::this_thread::sleep_for(50us);
}

class BusyWorker {
 public:
  BusyWorker(const Settings& settings, const std::string& queue)
      : worker_(settings.url, options(settings, queue)) {
    worker_.on(nothing, [this](int) { done_.fetch_add(1, std::memory_order_relaxed); });
    worker_.start();
  }
  void wait_for(int count) {
    while (done_ < count) std::this_thread::sleep_for(50us);
  }

 private:
  static WorkerOptions options(const Settings& settings, const std::string& queue) {
    WorkerOptions options;
    options.queues = {queue};
    options.threads = static_cast<unsigned>(settings.number("threads"));
    options.prefetch = static_cast<std::uint16_t>(settings.number("prefetch"));
    return options;
  }
  std::atomic<int> done_{0};
  Worker worker_;
};

}  // namespace

int main(int argc, char** argv) try {
  Settings settings{argc > 1 ? argv[1] : "amqp://guest:guest@localhost"};
  for (int i = 2; i < argc; ++i) {
    const std::string word = argv[i];
    const auto equals = word.find('=');
    if (equals == std::string::npos || !settings.numbers.contains(word.substr(0, equals)))
      fail("what is " + word + "?");
    settings.numbers[word.substr(0, equals)] = std::stoi(word.substr(equals + 1));
  }
  const int count = settings.number("count");
  ProducerOptions options;
  options.queue = "bench.tasks";
  Producer producer(settings.url, options);
  measure("submit", count, [&] { submit_all(producer, settings); });
  measure("carry out", count, [&] {
    BusyWorker worker(settings, options.queue);
    worker.wait_for(count);
  });
  BusyWorker worker(settings, options.queue);
  measure("both at once", count, [&] {
    submit_all(producer, settings);
    worker.wait_for(count);
  });
} catch (const std::exception& error) {
  fail(error.what());
}
