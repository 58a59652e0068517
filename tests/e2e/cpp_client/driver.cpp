// What test_cpp_client.py has libmillrace do with a real broker: driver VERB BROKER QUEUE [COUNT].
#include <sys/resource.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/json/src.hpp>
#include <charconv>
#include <condition_variable>
#include <cstdio>
#include <functional>
#include <iostream>
#include <map>
#include <millrace/event_broker.hpp>
#include <millrace/json.hpp>
#include <millrace/millrace.hpp>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "cpp_client/broker.hpp"

namespace {

using namespace millrace;

struct Arguments {
  std::string url;
  std::string queue;
  int count = 0;
};

void check(bool condition, const std::string& what) {
  if (!condition) throw std::runtime_error("not so: " + what);
}

ErrorKind kind_of(const std::function<void()>& call) {
  try {
    call();
    return ErrorKind::none;
  } catch (const ClientError& error) {
    std::cerr << error.what() << '\n';
    return error.kind();
  }
}

ClientOptions options_for(const Arguments& arguments) {
  ClientOptions options(arguments.url);
  options.name = "driver";
  options.backoff_max = std::chrono::milliseconds(500);
  options.operation_timeout = std::chrono::seconds(60);
  return options;
}

// Publishes numbered messages with confirms, a thousand at a time; every one must be confirmed in the end,
// whatever happens to the broker meanwhile. Prints how often it had to connect again.
void publish(const Arguments& arguments) {
  Client client(options_for(arguments));
  std::atomic<int> losses{0};
  client.on_event([&](const Event& event) { losses += event.kind == EventKind::disconnected; });
  client.declare_queue(arguments.queue);
  std::cout << "publishing" << std::endl;
  std::mutex mutex;
  std::condition_variable changed;
  int open = 0;
  int confirmed = 0;
  std::string failure;
  for (int i = 0; i < arguments.count; ++i) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return open < 1000; });
    ++open;
    lock.unlock();
    client.async_publish(arguments.queue,
                         std::to_string(i) + std::string(static_cast<std::size_t>(i) % 1000, 'x'),
                         [&](Failure failed, const Receipt&) {
                           const std::lock_guard guard(mutex);
                           --open;
                           confirmed += !failed;
                           if (failed) failure = failed.text();
                           changed.notify_all();
                         });
  }
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return open == 0; });
  check(failure.empty(), failure);
  check(confirmed == arguments.count, "every publish is confirmed");
  std::cout << confirmed << " confirmed, " << losses << " losses" << std::endl;
}

awaitable<void> publish_and_consume(Client& client, const Arguments& arguments) {
  co_await client.async_declare_queue(arguments.queue);
  for (int i = 0; i < arguments.count; ++i) co_await client.async_publish(arguments.queue, std::to_string(i));
  Consumer consumer = co_await client.async_consume(arguments.queue);
  for (int i = 0; i < arguments.count; ++i) {
    Delivery delivery = co_await consumer.async_next();
    check(delivery.body() == std::to_string(i), "messages come in the order they were published");
    check(!delivery.message().message_id.empty() && delivery.message().persistent, "properties arrive");
    delivery.ack();
  }
  consumer.cancel();
  const QueueInfo left = co_await client.async_inspect_queue(arguments.queue);
  check(left.name == arguments.queue && left.messages == 0, "all is acknowledged");
}

void round_trip(const Arguments& arguments) {
  Client client(options_for(arguments));
  boost::asio::io_context context;
  std::exception_ptr error;
  co_spawn(context, publish_and_consume(client, arguments),
           [&](std::exception_ptr thrown) { error = thrown; });
  context.run();
  if (error) std::rethrow_exception(error);
  client.delete_queue(arguments.queue);
  std::cout << client.broker().product << ' ' << (client.broker().is_millrace ? "millrace" : "other")
            << std::endl;
}

void errors(const Arguments& arguments) {
  Client client(options_for(arguments));
  const std::string& queue = arguments.queue;
  client.declare_queue(queue);
  QueueSpec other(queue);
  other.durable = false;
  check(kind_of([&] { client.declare_queue(other); }) == ErrorKind::precondition,
        "declared otherwise: precondition");
  check(kind_of([&] { client.consume(queue + "-missing"); }) == ErrorKind::not_found,
        "no queue to consume: not_found");
  check(kind_of([&] { client.get(queue + "-missing"); }) == ErrorKind::not_found,
        "no queue to get from: not_found");
  check(kind_of([&] { client.publish(queue + "-missing", "x"); }) == ErrorKind::unroutable,
        "no queue: unroutable");
  Message dropped("x");
  dropped.mandatory = false;
  client.publish(queue + "-missing", dropped);
  check(kind_of([&] { client.publish(Address(queue + "-exchange", "k"), "x"); }) == ErrorKind::not_found,
        "no exchange: not_found");
  check(kind_of([&] { client.declare_exchange(ExchangeSpec(queue, "x-no-such-type")); }) != ErrorKind::none,
        "an unknown exchange type is refused");
  client.publish(queue, "still there");
  check(client.get(queue).body() == "still there", "the client goes on after all that");
  QueueSpec small(queue + "-small");
  small.arguments = {{"x-max-length", 1}, {"x-overflow", "reject-publish"}};
  client.declare_queue(small);
  client.publish(small.name, "fits");
  check(kind_of([&] { client.publish(small.name, "does not"); }) == ErrorKind::rejected,
        "a full queue: rejected");
  client.delete_queue(small.name);
  client.delete_queue(queue);
  if (!client.broker().is_millrace)
    check(kind_of([&] { client.require_millrace("this"); }) == ErrorKind::not_supported,
          "not Millrace: not_supported");
}

void requests(const Arguments& arguments) {
  Client server(options_for(arguments));
  Client client(options_for(arguments));
  server.declare_queue(arguments.queue);
  const Consumer serving = server.serve(arguments.queue, [](const Delivery& request) {
    if (request.body() == "bad") throw std::runtime_error("cannot do that");
    return Message("re: " + request.body());
  });
  for (int i = 0; i < arguments.count; ++i) {
    const std::string body = std::to_string(i);
    check(client.request(arguments.queue, body).body == "re: " + body, "the reply is that of the request");
  }
  std::string text;
  try {
    client.request(arguments.queue, "bad");
  } catch (const ClientError& error) {
    check(error.kind() == ErrorKind::remote, "an exception of the service: remote");
    text = error.what();
  }
  check(text == "cannot do that", "the service's own words arrive");
  check(kind_of([&] { client.request(arguments.queue + "-missing", "x"); }) == ErrorKind::unroutable,
        "nobody serves: unroutable");
  server.delete_queue(arguments.queue);
}

// Keeps an exclusive queue bound to a topic exchange, and prints what comes until "stop" does: also after the
// broker was restarted, which forgets exclusive queues.
void follow(const Arguments& arguments) {
  Client client(options_for(arguments));
  client.on_event([](const Event& event) {
    if (event.kind == EventKind::connected) std::cout << "connected" << std::endl;
  });
  client.declare_exchange(ExchangeSpec(arguments.queue, "topic"));
  QueueSpec own;
  own.exclusive = true;
  own.durable = false;
  const std::string queue = client.declare_queue(own).name;
  client.bind(BindingSpec(arguments.queue, queue, "news.#"));
  Consumer consumer = client.consume(queue);
  std::cout << "listening" << std::endl;
  for (;;) {
    Delivery delivery = consumer.next();
    delivery.ack();
    if (delivery.body() == "stop") break;
    std::cout << delivery.body() << std::endl;
  }
}

// Writes the number of each message as it is confirmed, until it is killed or all are.
void confirm(const Arguments& arguments) {
  Client client(options_for(arguments));
  client.declare_queue(arguments.queue);
  std::mutex mutex;
  std::condition_variable changed;
  int open = 0;
  for (int i = 0; i < arguments.count; ++i) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return open < 100; });
    ++open;
    lock.unlock();
    client.async_publish(arguments.queue, std::to_string(i), [&, i](Failure failed, const Receipt&) {
      const std::lock_guard guard(mutex);
      --open;
      if (!failed) std::cout << i << std::endl;
      changed.notify_all();
    });
  }
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return open == 0; });
}

// Prints and acknowledges all that is in the queue.
void drain(const Arguments& arguments) {
  Client client(options_for(arguments));
  while (Delivery delivery = client.get(arguments.queue)) {
    std::cout << delivery.body() << '\n';
    delivery.ack();
  }
}

// A connected client that does nothing until standard input ends.
void idle(const Arguments& arguments) {
  Client client(options_for(arguments));
  client.declare_queue(arguments.queue);
  client.publish(arguments.queue, "x");
  std::cout << "idle" << std::endl;
  std::cin.get();
}

struct Sighting {
  static constexpr std::string_view topic = "birds.seen";
  int number = 0;
};
BOOST_DESCRIBE_STRUCT(Sighting, (), (number))

event_bus bus_over(Client& client, const Arguments& arguments, broker_bus_options options = {}) {
  options.exchange = arguments.queue;
  return event_bus(over_broker<Json, Sighting>(client, std::move(options)));
}

// Two programs' buses on one exchange: each hears what the other and it itself emit, in order.
void events(const Arguments& arguments) {
  Client here(options_for(arguments));
  Client there(options_for(arguments));
  event_bus bus = bus_over(here, arguments);
  event_bus other_bus = bus_over(there, arguments);
  std::mutex mutex;
  std::condition_variable changed;
  int heard_here = 0;
  int heard_there = 0;
  bool ordered = true;
  const auto count = [&](int& heard, const Sighting& seen) {
    const std::lock_guard lock(mutex);
    ordered = ordered && seen.number == heard++;
    changed.notify_all();
  };
  auto mine = bus.on<Sighting>([&](const Sighting& seen) { count(heard_here, seen); });
  auto theirs = other_bus.on<Sighting>("birds.#", [&](const Sighting& seen) { count(heard_there, seen); });
  for (int i = 0; i < arguments.count; ++i) bus.emit(Sighting{i});
  std::unique_lock lock(mutex);
  const bool all = changed.wait_for(lock, std::chrono::seconds(20), [&] {
    return heard_here == arguments.count && heard_there == arguments.count;
  });
  lock.unlock();
  check(all, "both buses hear every event");
  check(ordered, "events come in the order of their emits");
  here.delete_exchange(arguments.queue);
}

event_listener listen_by_name(event_bus& bus, std::string_view pattern,
                              const std::function<void(const Sighting&)>& heard) {
  return bus.on<Sighting>(pattern, heard, listen_as("driver"));
}

// Prints the numbers of the events that are kept for its name, as they are heard, until there were so many.
void remember(const Arguments& arguments) {
  Client client(options_for(arguments));
  event_bus bus = bus_over(client, arguments);
  std::mutex mutex;
  std::condition_variable changed;
  int heard = 0;
  std::unique_lock lock(mutex);  // nothing is printed before that it listens
  const auto listener = listen_by_name(bus, "birds.#", [&](const Sighting& seen) {
    const std::lock_guard guard(mutex);
    if (heard < arguments.count) std::cout << seen.number << std::endl;
    ++heard;
    changed.notify_all();
  });
  std::cout << "listening" << std::endl;
  const bool all = changed.wait_for(lock, std::chrono::seconds(40), [&] { return heard >= arguments.count; });
  lock.unlock();
  check(all, "every event is heard");
}

// Emits so many numbered events, each of which must be confirmed.
void emit(const Arguments& arguments) {
  std::mutex mutex;
  std::string failure;
  {
    Client client(options_for(arguments));
    broker_bus_options options;
    options.on_failure = [&](const std::string& why) {
      const std::lock_guard lock(mutex);
      failure = why;
    };
    event_bus bus = bus_over(client, arguments, options);
    for (int i = 0; i < arguments.count; ++i) bus.emit(Sighting{i});
  }
  check(failure.empty(), failure);
}

// Gives up what is kept for the name.
void forget(const Arguments& arguments) {
  Client client(options_for(arguments));
  event_bus bus = bus_over(client, arguments);
  listen_by_name(bus, "birds.#", [](const Sighting&) {}).forget();
}

// Two programs that listen by one name and pattern share the events; one with another pattern has its own.
void share(const Arguments& arguments) {
  Client here(options_for(arguments));
  Client there(options_for(arguments));
  event_bus bus = bus_over(here, arguments);
  event_bus other_bus = bus_over(there, arguments);
  std::mutex mutex;
  std::condition_variable changed;
  std::set<int> heard_here;
  std::set<int> heard_there;
  std::vector<int> heard_otherwise;
  const auto note = [&](std::set<int>& heard) {
    return [&](const Sighting& seen) {
      const std::lock_guard lock(mutex);
      heard.insert(seen.number);
      changed.notify_all();
    };
  };
  auto mine = listen_by_name(bus, "birds.#", note(heard_here));
  auto theirs = listen_by_name(other_bus, "birds.#", note(heard_there));
  auto other_pattern = listen_by_name(other_bus, "birds.*", [&](const Sighting& seen) {
    const std::lock_guard lock(mutex);
    heard_otherwise.push_back(seen.number);
    changed.notify_all();
  });
  std::vector<int> all;
  for (int i = 0; i < arguments.count; ++i) {
    bus.emit(Sighting{i});
    all.push_back(i);
  }
  std::unique_lock lock(mutex);
  const bool enough = changed.wait_for(lock, std::chrono::seconds(20), [&] {
    return heard_here.size() + heard_there.size() >= all.size() && heard_otherwise.size() >= all.size();
  });
  check(enough, "every event is heard");
  check(heard_otherwise == all, "by the other pattern all are, in order");
  check(!heard_here.empty() && !heard_there.empty(), "those who share it both hear some");
  heard_here.merge(heard_there);
  check(heard_there.empty() && heard_here.size() == all.size(), "each event goes to one of them");
  lock.unlock();
  mine.forget();
  other_pattern.forget();
  here.delete_exchange(arguments.queue);
}

// Throughput of confirmed publishing, transient 1 KiB bodies unless told otherwise.
void speed(const Arguments& arguments) {
  Client client(options_for(arguments));
  QueueSpec queue(arguments.queue);
  queue.durable = false;
  queue.arguments = {{"x-max-length", 10'000}};
  client.declare_queue(queue);
  Message message(std::string(1024, 'b'));
  message.persistent = false;
  std::atomic<int> confirmed{0};
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < arguments.count; ++i) {
    while (i - confirmed.load(std::memory_order_relaxed) > 16'000)
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    client.async_publish(arguments.queue, message, [&](Failure failure, const Receipt&) {
      if (failure) std::abort();
      confirmed.fetch_add(1, std::memory_order_relaxed);
    });
  }
  while (confirmed < arguments.count) std::this_thread::sleep_for(std::chrono::microseconds(100));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::cout << static_cast<long>(arguments.count / took.count()) << " confirmed messages/s of 1 KiB"
            << std::endl;
  client.delete_queue(arguments.queue);
}

// So many clients that lose their broker at one moment; another one measures meanwhile how long a round trip
// takes once it is back itself. Prints from when they came back: the seconds from the first to the last, and
// the slowest round trip in milliseconds.
void storm(const Arguments& arguments) {
  using Clock = std::chrono::steady_clock;
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);  // a client has a socket and what its thread waits by
  std::mutex mutex;
  std::condition_variable changed;
  int connected = 0;
  int back = 0;
  Clock::time_point first_back;
  Clock::time_point last_back;
  const auto came_back = [&] {
    const std::lock_guard lock(mutex);
    last_back = Clock::now();
    if (back++ == 0) first_back = last_back;
    changed.notify_all();
  };
  EventLoop loop(1);
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < arguments.count; ++i) {
    ClientOptions options(arguments.url);
    options.name = "storm " + std::to_string(i);
    clients.push_back(std::make_unique<Client>(std::move(options), loop));
    clients.back()->on_event([&came_back, lost = false](const Event& event) mutable {
      if (event.kind == EventKind::connected && std::exchange(lost, false)) came_back();
      if (event.kind == EventKind::disconnected) lost = true;
    });
    clients.back()->async_declare_queue(arguments.queue, [&](Failure failure, const QueueInfo&) {
      const std::lock_guard lock(mutex);
      connected += !failure;
      changed.notify_all();
    });
  }
  const auto wait_for = [&](const int& number, const std::string& what) {
    std::unique_lock lock(mutex);
    const bool all =
        changed.wait_for(lock, std::chrono::seconds(60), [&] { return number >= arguments.count; });
    check(all, "all " + what + ", not only " + std::to_string(number));
  };
  wait_for(connected, "are connected");
  Client witness(options_for(arguments));
  std::atomic<int> came_again{0};  // not counting the first time, which may have passed unheard
  witness.on_event([&came_again, lost = false](const Event& event) mutable {
    if (event.kind == EventKind::connected && std::exchange(lost, false)) ++came_again;
    if (event.kind == EventKind::disconnected) lost = true;
  });
  witness.declare_queue(arguments.queue + "-witness");
  std::atomic<bool> ended{false};
  std::chrono::duration<double, std::milli> slowest{0};
  int trips = 0;
  std::thread trips_of_witness([&] {
    while (!ended || trips == 0) {  // the witness may be the last who is back
      const int before = came_again;
      const auto began = Clock::now();
      witness.publish(arguments.queue + "-witness", "x");
      witness.get(arguments.queue + "-witness").ack();
      if (before == 0 || before != came_again) continue;
      slowest = std::max<decltype(slowest)>(slowest, Clock::now() - began);
      ++trips;
    }
  });
  std::cout << "connected" << std::endl;
  wait_for(back, "are back");
  ended = true;
  trips_of_witness.join();
  std::cout << std::chrono::duration<double>(last_back - first_back).count() << ' ' << slowest.count()
            << std::endl;
}

}  // namespace

int main(int argc, char** argv) try {
  const std::map<std::string, std::function<void(const Arguments&)>> verbs{
      {"publish", publish}, {"round_trip", round_trip}, {"errors", errors},   {"requests", requests},
      {"follow", follow},   {"speed", speed},           {"confirm", confirm}, {"drain", drain},
      {"idle", idle},       {"events", events},         {"storm", storm},     {"remember", remember},
      {"emit", emit},       {"forget", forget},         {"share", share}};
  if (argc < 4 || !verbs.contains(argv[1])) {
    std::cerr << "usage: driver VERB BROKER QUEUE [COUNT]\n";
    return 2;
  }
  verbs.at(argv[1])({reach_broker(argv[2]), argv[3], argc > 4 ? std::stoi(argv[4]) : 100});
  leave_broker();
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
