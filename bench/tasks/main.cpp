// How many tasks a second: submitted durably with confirms, carried out (they do nothing), acknowledged; and
// how long a task waits between its submission and its start.
//   bench_tasks URL [count=N] [threads=N] [prefetch=N] [window=N] [results=0|1] [slots=N] [rate=N]
//   [seconds=N]
//               [broker_pid=N]
// First all are submitted, then a worker carries them out, then both at once; then a queue that serves by
// rank, with as much credit as the worker has slots; then `rate` a second. 0 for count, slots or rate leaves
// that part out.
#include <algorithm>
#include <atomic>
#include <boost/json/src.hpp>
#include <chrono>
#include <cstdio>
#include <functional>
#include <map>
#include <millrace/tasks.hpp>
#include <string>
#include <thread>
#include <vector>

#include "load/process_meter.hpp"

namespace {

using namespace millrace::tasks;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

const Task<void(int)> nothing{"bench.nothing"};
const Task<void(int, std::int64_t)> timed{"bench.timed"};

struct Settings {
  std::string url;
  std::map<std::string, int> numbers{{"count", 200'000}, {"threads", 1}, {"prefetch", 500},
                                     {"window", 4000},   {"results", 0}, {"slots", 8},
                                     {"rate", 5000},     {"seconds", 5}, {"broker_pid", 0}};
  int number(const std::string& name) const { return numbers.at(name); }
};

[[noreturn]] void fail(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::_Exit(1);
}

// Runs `work` and says how fast it was.
template <class Work>
void measure(const char* what, const Settings& settings, int count, Work work) {
  const millrace::load::ProcessMeter broker(settings.number("broker_pid"));
  const std::uint64_t own = millrace::load::own_cpu_ns();
  const std::uint64_t brokers = broker.cpu_ns();
  const auto began = Clock::now();
  work();
  const double took = std::chrono::duration<double>(Clock::now() - began).count();
  const auto us_a_task = [count](std::uint64_t ns) { return static_cast<double>(ns) / 1e3 / count; };
  std::printf("%-20s %8.0f tasks/s  %5.2f us of this process' processor time a task", what, count / took,
              us_a_task(millrace::load::own_cpu_ns() - own));
  if (broker.on()) std::printf("  %5.2f us of the broker's", us_a_task(broker.cpu_ns() - brokers));
  std::printf("\n");
  std::fflush(stdout);
}

class Submitting {
 public:
  Submitting(Producer& producer, const Settings& settings)
      : producer_(producer), wants_results_(settings.number("results") != 0) {}

  void submit(Call<void> call) {
    if (!wants_results_) call.ignore_result();
    ++submitted_;
    producer_.async_submit(std::move(call), [this](millrace::Failure failure, const Result<void>&) {
      if (failure) fail(failure.text());
      confirmed_.fetch_add(1, std::memory_order_relaxed);
    });
  }
  void wait_for_room(int window) const {
    while (submitted_ - confirmed_.load(std::memory_order_relaxed) >= window)
      std::this_thread::sleep_for(500us);
  }
  void wait_for_all() const { wait_for_room(1); }

 private:
  Producer& producer_;
  const bool wants_results_;
  int submitted_ = 0;
  std::atomic<int> confirmed_{0};
};

void submit_all(Producer& producer, const Settings& settings, const std::function<Call<void>(int)>& call_of) {
  Submitting submitting(producer, settings);
  for (int i = 0; i < settings.number("count"); ++i) {
    submitting.wait_for_room(settings.number("window"));
    submitting.submit(call_of(i));
  }
  submitting.wait_for_all();
}

WorkerOptions options_of(const std::string& queue, int threads, int prefetch) {
  WorkerOptions options;
  options.queues = {queue};
  options.threads = static_cast<unsigned>(threads);
  options.prefetch = static_cast<std::uint16_t>(prefetch);
  return options;
}

class BusyWorker {
 public:
  BusyWorker(const Settings& settings, const WorkerOptions& options) : worker_(settings.url, options) {
    worker_.on(nothing, [this](int) { done_.fetch_add(1, std::memory_order_relaxed); });
    worker_.start();
  }
  void wait_for(int count) {
    while (done_ < count) std::this_thread::sleep_for(500us);
  }

 private:
  std::atomic<int> done_{0};
  Worker worker_;
};

void run_in_order(const Settings& settings) {
  const int count = settings.number("count");
  ProducerOptions options;
  options.queue = "bench.tasks";
  const WorkerOptions worker_options =
      options_of(options.queue, settings.number("threads"), settings.number("prefetch"));
  Producer producer(settings.url, options);
  const auto call_of = [](int i) { return nothing(i); };
  measure("submit", settings, count, [&] { submit_all(producer, settings, call_of); });
  measure("carry out", settings, count, [&] { BusyWorker(settings, worker_options).wait_for(count); });
  BusyWorker worker(settings, worker_options);
  measure("both at once", settings, count, [&] {
    submit_all(producer, settings, call_of);
    worker.wait_for(count);
  });
}

void run_ranked(const Settings& settings) {
  const int count = settings.number("count");
  const int slots = settings.number("slots");
  ProducerOptions options;
  options.queue = "bench.ranked";
  options.queue_arguments = {{"x-scheduling", "priority"}};
  WorkerOptions worker_options = options_of(options.queue, slots, slots);
  worker_options.queue_arguments = options.queue_arguments;
  Producer producer(settings.url, options);
  const auto call_of = [](int i) { return nothing(i).priority(static_cast<std::uint8_t>(i * 7 % 100)); };
  measure("submit, ranked", settings, count, [&] { submit_all(producer, settings, call_of); });
  measure("carry out, ranked", settings, count,
          [&] { BusyWorker(settings, worker_options).wait_for(count); });
}

std::int64_t nanoseconds(Clock::time_point time) {
  return time.time_since_epoch() / 1ns;
}

// From when each was due, so that a stall is not excused from what it delays.
void run_paced(const Settings& settings) {
  const int rate = settings.number("rate");
  const int count = rate * settings.number("seconds");
  const int warm = count / 10;
  std::vector<std::int64_t> waited(static_cast<std::size_t>(count), 0);
  std::atomic<int> done{0};
  ProducerOptions options;
  options.queue = "bench.paced";
  Producer producer(settings.url, options);
  Worker worker(settings.url,
                options_of(options.queue, settings.number("threads"), settings.number("prefetch")));
  worker.on(timed, [&](int number, std::int64_t due) {
    waited[static_cast<std::size_t>(number)] = nanoseconds(Clock::now()) - due;
    done.fetch_add(1, std::memory_order_release);
  });
  worker.start();
  measure("at a fixed rate", settings, count, [&] {
    Submitting submitting(producer, settings);
    const auto began = Clock::now();
    for (int i = 0; i < count; ++i) {
      const auto due = began + std::chrono::nanoseconds(1s) * i / rate;
      std::this_thread::sleep_until(due);
      submitting.submit(timed(i, nanoseconds(due)));
    }
    submitting.wait_for_all();
    while (done.load(std::memory_order_acquire) < count) std::this_thread::sleep_for(500us);
  });
  std::sort(waited.begin() + warm, waited.end());
  const auto at = [&](double part) {
    const auto index = warm + static_cast<int>(part * (count - warm - 1));
    return static_cast<double>(waited[static_cast<std::size_t>(index)]) / 1e3;
  };
  std::printf("from due to begun    p50 %.0f us  p99 %.0f us  most %.0f us\n", at(0.5), at(0.99), at(1));
}

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
  if (settings.number("count") != 0) run_in_order(settings);
  if (settings.number("count") != 0 && settings.number("slots") != 0) run_ranked(settings);
  if (settings.number("rate") != 0) run_paced(settings);
} catch (const std::exception& error) {
  fail(error.what());
}
