// What the tests of tasks (harness/tasks.py) have the task system do with a real broker:
//   tasks_driver worker URL QUEUE [OPTION=VALUE ...]     until SIGTERM; prints "ready"
//   tasks_driver VERB URL QUEUE [COUNT]
#include <unistd.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json/src.hpp>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <future>
#include <iostream>
#include <map>
#include <millrace/coroutines.hpp>
#include <numeric>

#include "cpp_client/tasks_driver.hpp"

namespace tasks_driver {
namespace {

using millrace::awaitable;
using millrace::use_awaitable;
namespace json = boost::json;

awaitable<double> rest_awaiting(double seconds) {
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
  timer.expires_after(std::chrono::milliseconds(static_cast<int>(seconds * 1000)));
  co_await timer.async_wait(use_awaitable);
  co_return seconds;
}

std::string misbehaving(const std::string& how) {
  if (how == "exit") std::exit(7);
  if (how == "crash") std::raise(SIGSEGV);
  if (how == "kill") ::kill(getpid(), SIGKILL);
  volatile std::size_t bytes = std::size_t{1} << 33;  // clang 14 dies of trying it out itself
  if (how == "memory") return std::string(bytes, 'x').substr(0, 1);
  volatile std::uint64_t turns = 0;
  while (how == "cpu") turns = turns + 1;
  return how;
}

void work(const Arguments& arguments) {
  WorkerOptions options;
  options.queues = {arguments.queue};
  options.threads = static_cast<unsigned>(arguments.number("threads", 4));
  options.processes = static_cast<unsigned>(arguments.number("processes", 2));
  options.prefetch = static_cast<std::uint16_t>(arguments.number("prefetch", 0));
  options.running_max = static_cast<unsigned>(arguments.number("running_max", 0));
  options.time_slice = std::chrono::milliseconds(arguments.number("time_slice", 50));
  if (arguments.number("round_robin", 0) != 0) options.dispatch = Dispatch::round_robin;
  options.events = arguments.number("events", 0) != 0;
  options.drain_time = std::chrono::milliseconds(arguments.number("drain_ms", 20'000));
  options.stop_time = std::chrono::milliseconds(arguments.number("stop_ms", 2'000));
  options.process_limits.memory_max = static_cast<std::size_t>(arguments.number("memory_mb", 0)) << 20;
  options.process_limits.cpu_max = std::chrono::seconds(arguments.number("cpu_s", 0));
  options.process_limits.tasks_max = static_cast<std::uint64_t>(arguments.number("tasks_max", 0));
  options.queue_arguments = arguments_of_queue(arguments);
  const auto name = arguments.given.find("name");
  if (name != arguments.given.end()) options.name = name->second;
  Worker worker(arguments.url, options);
  worker.on(add, [](int x, int y) { return x + y; });
  worker.on(echo, [](const std::string& text) { return text; });
  worker
      .on(fail_twice,
          [](Context& context) {
            if (context.retries() < 2) throw std::runtime_error("not yet");
            return static_cast<int>(context.retries());
          })
      .retries(5, 50ms, 2, 1s, 0.5);
  worker.on(raise, [](const std::string& text) { throw TaskError("ValueError", text); }).retries(1, 10ms);
  worker.on(never_again, [] { throw Reject("no use"); }).retries(5, 10ms);
  worker.on(rest, rest_for).report_start();
  worker.on(rest_deaf, [](double seconds) {
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    return seconds;
  });
  worker.on(steps, [](Context& context, int count) {
    for (int i = 1; i <= count; ++i) context.progress(static_cast<double>(i) / count, i);
    return count;
  });
  worker.on(total, [](const std::vector<int>& numbers) {
    return std::accumulate(numbers.begin(), numbers.end(), 0);
  });
  worker.on(rest_async, rest_awaiting);
  // What was carried out, for tests that count.
  TaskOptions& noting = worker.on(note, [](const std::string& file, int number) {
    std::this_thread::sleep_for(1ms);
    std::ofstream(file, std::ios::app) << (std::to_string(number) + "\n");
  });
  const int rate = arguments.number("rate", 0);
  if (rate > 0)
    noting.rate_limit(static_cast<unsigned>(rate), 1s, static_cast<unsigned>(arguments.number("burst", 1)));
  worker.on(note_then_rest, [](Context& context, const std::string& file, int number, double seconds) {
    std::ofstream(file, std::ios::app) << (std::to_string(number) + "\n");
    return rest_for(context, seconds);
  });
  worker.on(misbehave, misbehaving).in_process();
  worker.on(kill_worker, [] { ::kill(getpid(), SIGKILL); });
  worker.on(thread_id, [] { return static_cast<int>(gettid()); });
  worker.on(child_pid, [] { return static_cast<int>(getpid()); }).in_process();
  worker.on(rest_in_process, rest_for).in_process();
  worker.run([&] { std::cout << "ready " << worker.name() << std::endl; });
}

awaitable<void> sums_awaiting(Producer& producer, int count) {
  for (int i = 0; i < count; ++i) {
    Result<int> sum = co_await producer.async_submit(add(i, 1));
    check(co_await sum.async_get() == i + 1, "a coroutine gets its sum");
  }
}

// Results by get, by future, by callback, by co_await.
void results(const Arguments& arguments) {
  Producer producer(arguments.url, producing(arguments));
  std::vector<Result<int>> sums;
  for (int i = 0; i < arguments.count; ++i) sums.push_back(producer.submit(add(i, i)));
  for (int i = 0; i < arguments.count; ++i)
    check(sums[static_cast<std::size_t>(i)].get(20s) == 2 * i, "each call has its own result");
  std::future<Result<int>> submitted = producer.async_submit(add(1, 2), millrace::use_future);
  check(submitted.get().async_get(millrace::use_future).get() == 3, "a future has the result");
  boost::asio::io_context context;
  std::exception_ptr error;
  millrace::co_spawn(context, sums_awaiting(producer, 10),
                     [&](std::exception_ptr thrown) { error = thrown; });
  context.run();
  if (error) std::rethrow_exception(error);
  const std::string text = failure_of([&] { producer.submit(raise("boom")).get(20s); });
  check(text == "ValueError: boom", "the failure is the task's own: " + text);
  check(producer.submit(fail_twice()).get(20s) == 2, "it succeeds at the third attempt");
  check(producer.submit(add.partial(1).with("y", 5)).get(20s) == 6, "arguments can be given by name");
  check(producer.submit(echo("é\n\"")).get(20s) == "é\n\"", "text arrives as it was");
  check(producer.submit(rest_async(0.05)).get(20s) == 0.05, "coroutines answer");
}

// A delay and an eta are held by the broker; a task that comes too late is revoked.
void times(const Arguments& arguments) {
  Producer producer(arguments.url, producing(arguments));
  const auto began = std::chrono::steady_clock::now();
  check(producer.submit(add(1, 1).delay(700ms)).get(20s) == 2, "a delayed task answers");
  const auto took = std::chrono::steady_clock::now() - began;
  check(took >= 690ms && took < 10s, "after its delay");
  const std::string text =
      failure_of([&] { producer.submit(add(1, 1).delay(400ms).expires_in(100ms)).get(20s); });
  check(text == "TaskRevokedError: expired", "a late task is revoked: " + text);
}

void cancelling(const Arguments& arguments) {
  Producer producer(arguments.url, producing(arguments));
  // One that runs.
  for (const auto& running :
       {producer.submit(rest(30)), producer.submit(rest_async(30)), producer.submit(rest_in_process(30))}) {
    std::this_thread::sleep_for(500ms);
    running.cancel();
    const std::string text = failure_of([&] { running.get(20s); });
    check(text.starts_with("TaskRevokedError"), "a running task is cancelled: " + text);
    check(running.status().state == State::revoked, "its state says so");
  }
  // One that has not begun.
  Result<int> waiting = producer.submit(add(1, 1).delay(600ms));
  waiting.cancel();
  const std::string text = failure_of([&] { waiting.get(20s); });
  check(text == "TaskRevokedError: revoked", "a waiting task never begins: " + text);
}

void reporting(const Arguments& arguments) {
  Producer producer(arguments.url, producing(arguments));
  Result<int> result = producer.submit(steps(3).delay(300ms));
  std::mutex mutex;
  std::vector<std::string> seen;
  result.on_status([&](const Status& status) {
    const std::lock_guard lock(mutex);
    seen.push_back(status.name +
                   (status.name == "PROGRESS" ? json::serialize(status.value.at("detail")) : ""));
  });
  check(result.get(20s) == 3, "a task that reports answers");
  std::this_thread::sleep_for(100ms);
  const std::lock_guard lock(mutex);
  check(seen == std::vector<std::string>{"PROGRESS1", "PROGRESS2", "PROGRESS3", "SUCCESS"},
        "every report arrives");
}

void limits(const Arguments& arguments) {
  Producer producer(arguments.url, producing(arguments));
  for (const auto& call : {rest(30).limits(200ms, 0ms), rest_in_process(30).limits(200ms, 0ms)}) {
    const std::string text = failure_of([&] { producer.submit(call).get(20s); });
    check(text.starts_with("SoftTimeLimitExceeded"), "the soft limit is thrown: " + text);
  }
  for (const auto& call : {rest_deaf(3).limits(0ms, 200ms), rest_in_process(30).limits(0ms, 200ms)}) {
    const auto began = std::chrono::steady_clock::now();
    const std::string text = failure_of([&] { producer.submit(call).get(20s); });
    check(text.starts_with("TimeLimitExceeded"), "the hard limit ends it: " + text);
    check(std::chrono::steady_clock::now() - began < 2500ms, "at once");
  }
  check(producer.submit(add(1, 1)).get(20s) == 2, "the worker goes on");
}

void processes(const Arguments& arguments) {
  Producer producer(arguments.url, producing(arguments));
  for (const auto& [way, words] : std::map<std::string, std::string>{
           {"exit", "WorkerLostError: the process of the task exited with status 7"},
           {"crash", "WorkerLostError: the process of the task was killed by signal 11"},
           {"kill", "WorkerLostError: the process of the task was killed by signal 9"},
           {"memory", "bad_alloc"},
           {"cpu", "WorkerLostError: the process of the task was killed by signal 24"}}) {
    const std::string how = way;  // clang 14 takes no binding into a lambda
    const std::string text = failure_of([&] { producer.submit(misbehave(how)).get(30s); });
    check(text.starts_with(words), "'" + how + "' is reported as such: " + text);
  }
  check(producer.submit(misbehave("well")).get(20s) == "well", "the next task finds a process");
  const int first = producer.submit(child_pid()).get(20s);
  std::map<int, int> seen;
  for (int i = 0; i < 30; ++i) ++seen[producer.submit(child_pid()).get(20s)];
  check(first != getpid(), "tasks run elsewhere");
  for (const auto& [pid, times] : seen) check(times <= 5, "a process is replaced after its five tasks");
}

// Who carries out eight short calls: how many of them each of the two.
std::map<int, int> share(Producer& producer, const Task<int()>& task) {
  std::vector<Result<int>> asked;
  for (int i = 0; i < 8; ++i) asked.push_back(producer.submit(task()));
  std::map<int, int> calls;
  for (Result<int>& result : asked) ++calls[result.get(20s)];
  return calls;
}

void going_round(const Arguments& arguments) {
  Producer producer(arguments.url, producing(arguments));
  for (const Task<int()>& task : {thread_id, child_pid}) {
    const std::map<int, int> calls = share(producer, task);
    check(calls.size() == 2 && calls.begin()->second == 4, "each has its four calls of " + task.name());
  }
  const auto began = std::chrono::steady_clock::now();
  Result<double> rests = producer.submit(rest(1.5));
  share(producer, thread_id);
  check(std::chrono::steady_clock::now() - began > 1s, "those of the busy thread have waited for it");
  rests.get(20s);
}

void idle_first(const Arguments& arguments) {
  Producer producer(arguments.url, producing(arguments));
  const auto began = std::chrono::steady_clock::now();
  Result<double> rests = producer.submit(rest(3));
  const std::map<int, int> calls = share(producer, thread_id);
  check(calls.size() == 1 && calls.begin()->second == 8, "the free thread carries out all");
  check(std::chrono::steady_clock::now() - began < 2s, "and none waits for the busy one");
  rests.get(20s);
}

void uniqueness(const Arguments& arguments) {
  Producer producer(arguments.url, producing(arguments));
  const std::string key = "key-" + std::to_string(getpid());
  Result<int> first = producer.submit(add(1, 1).unique(key, 1min));
  Result<int> second = producer.submit(add(1, 1).unique(key, 1min));
  check(first.get(20s) == 2, "the first is carried out");
  try {
    second.get(1s);
    check(false, "the second is dropped");
  } catch (const millrace::ClientError& error) {
    check(error.kind() == millrace::ErrorKind::timed_out, "and has no result");
  }
}

// A schedule goes on by itself, is replaced, and ends.
void scheduling(const Arguments& arguments) {
  Producer producer(arguments.url, producing(arguments));
  const std::string name = arguments.queue + "-often";
  const std::string file = arguments.given.at("file");
  producer.schedule(name, "@every 1s", note(file, 1));
  std::this_thread::sleep_for(3500ms);
  producer.schedule(name, "@every 1s", note(file, 2));
  std::this_thread::sleep_for(3500ms);
  producer.unschedule(name);
  std::this_thread::sleep_for(1500ms);
  producer.submit(note(file, 3)).get(20s);
  std::this_thread::sleep_for(2s);
  try {
    producer.schedule(name, "every day", note(file, 4));
    check(false, "what is no schedule is refused");
  } catch (const std::invalid_argument&) {
  }
}

// Submits numbered notes to a file; prints each number once the broker has it.
void submit_notes(const Arguments& arguments) {
  millrace::ClientOptions options(arguments.url);
  options.backoff_max = 300ms;
  options.operation_timeout = 60s;
  Producer producer(options, producing(arguments));
  const std::string file = arguments.given.at("file");
  std::atomic<int> open{0};
  for (int i = 0; i < arguments.count; ++i) {
    while (open > 50) std::this_thread::sleep_for(1ms);
    ++open;
    producer.async_submit(note(file, i).ignore_result(),
                          [&open, i](millrace::Failure failed, const Result<void>&) {
                            if (!failed) std::cout << (std::to_string(i) + "\n") << std::flush;
                            --open;
                          });
  }
  while (open > 0) std::this_thread::sleep_for(1ms);
}

// Asks Celery's own worker, whose tasks have the same names.
void ask_celery(const Arguments& arguments) {
  Producer producer(arguments.url, producing(arguments));
  check(producer.submit(add(2, 3)).get(20s) == 5, "Celery adds");
  CallData retried;
  retried.task = "tasks.succeed_at_last";
  check(producer.submit(retried).get(20s).to_number<int>() == 2, "Celery retries");
  const std::string text = failure_of([&] { producer.submit(add.partial("a", 1)).get(20s); });
  check(text.starts_with("TypeError"), "Celery's exception arrives: " + text);
  CallData first = add(1, 2).data();
  first.next = {add.partial(10).data(), add.partial(100).data()};
  check(producer.submit(first).get(20s).to_number<int>() == 113, "a chain through Celery");
  check(producer.submit(add(4, 4).delay(500ms)).get(20s) == 8, "a delayed task for Celery");
}

// Calls for a queue that others have declared in their way, and for one that cannot be.
void elsewhere(const Arguments& arguments) {
  millrace::Client client(arguments.url);
  Producer producer(client, producing(arguments));
  millrace::QueueSpec other(arguments.queue + ".other");
  other.arguments = {{"x-max-priority", 5}};
  client.declare_queue(other);
  producer.submit(add(1, 2).queue(other.name).ignore_result());
  producer.submit(chain(add(1, 2), add.partial(3).queue(other.name)));
  for (int i = 0; client.inspect_queue(other.name).messages < 2; ++i) {
    check(i < 200, "both calls arrive");
    std::this_thread::sleep_for(50ms);
  }
  const auto noted = note(arguments.given.at("file"), 1);
  const std::string text =
      failure_of([&] { producer.submit(chain(noted, add(1, 1).immutable().queue("amq.nowhere"))).get(20s); });
  check(text.find("amq.nowhere") != std::string::npos, "the caller is told what cannot follow: " + text);
}

// Notes for a queue that serves in an order of its own; before any worker comes.
void ranked(const Arguments& arguments) {
  Producer producer(arguments.url, producing(arguments));
  const auto submit = [&](int number, const auto& set) {
    Call<void> call = note(arguments.given.at("file"), number);
    producer.submit(set(call).ignore_result());
  };
  const std::string order = arguments.given.at("scheduling");
  if (order == "fair") {
    for (const int number : {1, 2, 3}) submit(number, [](auto& call) { return call.key("a"); });
    submit(4, [](auto& call) { return call.key("b"); });
  } else if (order == "sjf") {
    for (const int number : {3, 1, 2})
      submit(number, [number](auto& call) { return call.estimate(number * 100ms); });
  } else {
    submit(1, [](auto& call) { return call.deadline_in(30s); });
    submit(2, [](auto& call) { return call.expires_in(20s); });
    submit(3, [](auto& call) { return call.deadline_in(10s); });
  }
}

// Submits notes to workers with a rate limit, and waits for all.
void paced(const Arguments& arguments) {
  Producer producer(arguments.url, producing(arguments));
  Group<void> notes;
  for (int i = 0; i < arguments.count; ++i) notes.add(note(arguments.given.at("file"), i));
  producer.submit(notes).get(60s);
}

// A broker that holds neither delays nor unique calls: what needs them says so, and all else works.
void unsupported(const Arguments& arguments) {
  Producer producer(arguments.url, producing(arguments));
  const auto check_refused = [](const std::string& what, const std::string& type, const auto& submit) {
    try {
      submit();
    } catch (const millrace::ClientError& error) {
      const std::string text = error.what();
      check(error.kind() == millrace::ErrorKind::not_supported, what + " is not supported: " + text);
      check(text.find(type + ", such as Millrace") != std::string::npos,
            what + " says what it needs: " + text);
      return;
    }
    check(false, what + " is refused");
  };
  const std::string delayed = "x-delayed-message";
  const std::string unique = "x-message-deduplication";
  check_refused("a delay", delayed, [&] { producer.submit(add(1, 2).delay(1s)); });
  check_refused("a unique call", unique, [&] { producer.submit(add(1, 2).unique("k", 1s)); });
  check_refused("a schedule", unique, [&] { producer.schedule("s", "@hourly", add(1, 2)); });
  check_refused("a chord", unique, [&] { producer.submit(chord(group(add(1, 2)), total.partial())); });
  Dag dag;
  dag.step("a", add(1, 2));
  check_refused("a dag", unique, [&] { producer.submit(dag); });
  WorkerOptions options;
  options.queues = {arguments.queue};
  const auto start = [&](auto set) {
    Worker worker(arguments.url, options);
    set(worker.on(add, [](int x, int y) { return x + y; }));
    worker.start();
    worker.stop();
  };
  check_refused("a worker with retries", delayed, [&] { start([](TaskOptions& task) { task.retries(1); }); });
  check_refused("a worker with a rate limit", delayed,
                [&] { start([](TaskOptions& task) { task.rate_limit(1); }); });
  Worker worker(arguments.url, options);
  worker.on(add, [](int x, int y) { return x + y; });
  worker.start();
  check(producer.submit(add(2, 3)).get(20s) == 5, "a task is carried out");
  check(producer.submit(chain(add(1, 2), add.partial(10))).get(20s) == 13, "so is a chain");
}

// Producers that go while they submit: with a client of their own, and with one that goes right after them.
void going(const Arguments& arguments) {
  std::atomic<int> told{0};
  int asked = 0;
  const auto count = [&](std::exception_ptr, auto&&) { ++told; };
  for (int round = 0; round < arguments.count; ++round) {
    const bool owns = round % 2 != 0;
    const auto client = owns ? nullptr : std::make_unique<millrace::Client>(arguments.url);
    ProducerOptions options;
    options.queue = arguments.queue;
    auto producer = owns ? std::make_unique<Producer>(arguments.url, options)
                         : std::make_unique<Producer>(*client, options);
    Group<int> calls = group(add(1, 2), add(3, 4));
    for (int i = 0; i < 20; ++i)
      calls.calls.push_back(add(i, i).queue(arguments.queue + std::to_string(round % 7 + i % 5)).data());
    producer->async_submit(calls, count);
    producer->async_submit(chord(group(add(1, 2), add(3, 4)), total.partial()), count);
    Dag dag;
    dag.step("a", add(1, 2));
    producer->async_submit(dag, count);
    asked += 3;
    std::this_thread::sleep_for(std::chrono::milliseconds(round % 10 * 3));
  }
  for (int i = 0; i < 200 && told < asked; ++i) std::this_thread::sleep_for(10ms);
  check(told == asked, std::to_string(told) + " of " + std::to_string(asked) + " were told");
}

}  // namespace
}  // namespace tasks_driver

int main(int argc, char** argv) try {
  using namespace tasks_driver;
  const std::map<std::string, void (*)(const Arguments&)> verbs{
      {"worker", work},           {"results", results},
      {"times", times},           {"cancelling", cancelling},
      {"reporting", reporting},   {"limits", limits},
      {"processes", processes},   {"going_round", going_round},
      {"idle_first", idle_first}, {"uniqueness", uniqueness},
      {"notes", submit_notes},    {"celery", ask_celery},
      {"chains", chains},         {"groups", groups},
      {"scheduling", scheduling}, {"dags", dags},
      {"sagas", sagas},           {"cancelled", cancelled},
      {"paced", paced},           {"unsupported", unsupported},
      {"canvases", canvases},     {"kept", kept},
      {"stuck", stuck},           {"elsewhere", elsewhere},
      {"ranked", ranked},         {"going", going},
      {"waiting", waiting},       {"unpermitted", unpermitted},
      {"awaited", awaited}};
  if (argc < 4 || !verbs.contains(argv[1])) {
    std::cerr << "usage: tasks_driver VERB URL QUEUE [NAME=VALUE ...]\n";
    return 2;
  }
  Arguments arguments{argv[2], argv[3], {}, 0};
  for (int i = 4; i < argc; ++i) {
    const std::string word = argv[i];
    const auto equals = word.find('=');
    arguments.given[word.substr(0, equals)] = equals == std::string::npos ? "" : word.substr(equals + 1);
  }
  arguments.count = arguments.number("count", 50);
  verbs.at(argv[1])(arguments);
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
