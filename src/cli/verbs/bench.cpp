// bench: a small load, to see what a broker does on this machine
#include <unistd.h>

#include <atomic>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <cstring>
#include <deque>
#include <thread>

#include "cli/amqp.hpp"
#include "cli/histogram.hpp"
#include "cli/sending.hpp"
#include "cli/session.hpp"
#include "cli/stop.hpp"
#include "cli/terminal.hpp"
#include "cli/text.hpp"
#include "cli/verb.hpp"

namespace millrace::cli {
namespace bench {
namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kMostPeers = 100;
constexpr std::uint64_t kMostBytes = 16 << 20;
constexpr std::size_t kStampBytes = sizeof(std::uint64_t);
// Consumers may lag behind when publishing ends.
constexpr std::chrono::seconds kDrainTimeout{10};

constexpr Option kOptions[] = {
    {"-p,--vhost", "VHOST", "The virtual host (default /)"},
    {"--publishers", "N", "Connections that publish (default 1)"},
    {"--consumers", "N", "Connections that consume (default 1; 0: messages stay until the end)"},
    {"--size", "BYTES", "Of a body (default 1024)"},
    {"--seconds", "N", "How long (default 10)"},
    {"--count", "N", "End after N messages of each publisher"},
    {"--rate", "N", "Messages a second of each publisher (default: as fast as confirms come)"},
    {"--window", "N", "Messages of a publisher that are not confirmed yet (default 1000)"},
    {"--transient", "", "Transient messages: they need not reach the disk"},
    {"--queue", "NAME", "A queue that is there already (default: one of its own, deleted at the end)"},
};

std::uint64_t now_ns() {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count());
}

struct Tally {
  std::mutex mutex;
  Histogram latencies;
  void add(std::uint64_t since_ns) {
    const std::uint64_t now = now_ns();
    const std::lock_guard lock(mutex);
    latencies.add(now > since_ns ? now - since_ns : 0);
  }
  std::uint64_t count() {
    const std::lock_guard lock(mutex);
    return latencies.count();
  }
};

struct Load {
  AmqpServer server;
  std::string queue;
  std::uint64_t size = 0;
  std::uint64_t count = 0;
  std::uint64_t rate = 0;
  std::uint64_t window = 0;
  bool persistent = true;
  Clock::time_point end;
  std::shared_ptr<Tally> confirms = std::make_shared<Tally>();
  std::shared_ptr<Tally> deliveries = std::make_shared<Tally>();
};

void publish_until_end(Client& client, const Load& load, std::optional<Failure>& failure) {
  Sending sending(client, load.window);
  const auto begun = Clock::now();
  std::string body(std::max<std::uint64_t>(load.size, kStampBytes), 'x');
  for (std::uint64_t sent = 0; sent < load.count && Clock::now() < load.end && Interrupts::seen() == 0;
       ++sent) {
    if (load.rate != 0) {
      std::this_thread::sleep_until(begun + std::chrono::nanoseconds(sent * 1'000'000'000 / load.rate));
    }
    const std::uint64_t stamp = now_ns();
    std::memcpy(body.data(), &stamp, kStampBytes);
    Message message(body);
    message.persistent = load.persistent;
    const auto on_confirm = [tally = load.confirms, stamp](const Receipt&) { tally->add(stamp); };
    if (!sending.send(Address(load.queue), std::move(message), on_confirm)) break;
  }
  sending.wait();
  failure = sending.failure();
}

std::vector<std::unique_ptr<Client>> connect_many(std::uint64_t count, const AmqpServer& server,
                                                  const char* name) {
  std::vector<std::unique_ptr<Client>> clients;
  for (std::uint64_t i = 0; i < count; ++i) clients.push_back(connect_client(server, name));
  return clients;
}

std::vector<Consumer> consume_with(std::vector<std::unique_ptr<Client>>& clients, const Load& load) {
  std::vector<Consumer> consumers;
  for (const auto& client : clients) {
    consumers.push_back(client->consume(load.queue, [tally = load.deliveries](Delivery delivery) {
      std::uint64_t stamp = 0;
      if (delivery.body().size() >= kStampBytes) std::memcpy(&stamp, delivery.body().data(), kStampBytes);
      delivery.ack();
      tally->add(stamp);
    }));
  }
  return consumers;
}

json::object figures(Tally& tally, double seconds) {
  const std::lock_guard lock(tally.mutex);
  const Histogram& latencies = tally.latencies;
  const auto ms = [](std::uint64_t ns) { return static_cast<double>(ns) / 1e6; };
  return {{"messages", latencies.count()},
          {"per_second", static_cast<double>(latencies.count()) / seconds},
          {"p50_ms", ms(latencies.percentile(0.5))},
          {"p90_ms", ms(latencies.percentile(0.9))},
          {"p99_ms", ms(latencies.percentile(0.99))},
          {"p999_ms", ms(latencies.percentile(0.999))},
          {"max_ms", ms(latencies.max())}};
}

std::string line_of(const char* what, const json::object& it) {
  const auto latency = [&](const char* key) {
    return latency_text(static_cast<std::uint64_t>(it.at(key).to_number<double>() * 1e6));
  };
  return std::string(what) + std::to_string(it.at("messages").to_number<std::uint64_t>()) + " messages, " +
         rate_text(it.at("per_second").to_number<double>()) + ", latency p50 " + latency("p50_ms") +
         ", p90 " + latency("p90_ms") + ", p99 " + latency("p99_ms") + ", p99.9 " + latency("p999_ms") +
         ", max " + latency("max_ms") + "\n";
}

int run_bench(Session& session) {
  const Given& given = session.given;
  Load load;
  load.server = amqp_url(session);
  load.size = given.number("size", 1024, kMostBytes);
  load.count = given.number("count", ~UINT64_C(0), ~UINT64_C(0));
  load.rate = given.number("rate", 0, 1'000'000'000);
  load.window = std::max<std::uint64_t>(1, given.number("window", Sending::kWindow, 1'000'000));
  load.persistent = !given.has("transient");
  const std::uint64_t seconds = given.number("seconds", 10, 86'400);
  const std::uint64_t publishers = given.number("publishers", 1, kMostPeers);
  const std::uint64_t consumers = given.number("consumers", 1, kMostPeers);
  if (publishers == 0) throw Stop(kBadUse, "--publishers takes at least 1");
  const bool own_queue = !given.has("queue");
  load.queue = own_queue ? "millrace.bench." + std::to_string(getpid()) : given.text("queue");

  auto publishing = connect_many(publishers, load.server, "millrace bench: publisher");
  auto consuming = connect_many(consumers, load.server, "millrace bench: consumer");
  if (own_queue) {
    (void)publishing[0]->declare_queue(load.queue);
  } else {
    (void)publishing[0]->inspect_queue(load.queue);
  }
  std::vector<std::optional<Failure>> failures(publishers);
  const Interrupts interrupts;
  const auto begun = Clock::now();
  load.end = begun + std::chrono::seconds(seconds);
  {
    auto running = consume_with(consuming, load);
    std::vector<std::thread> threads;
    std::atomic<std::uint64_t> ended{0};
    for (std::uint64_t i = 0; i < publishers; ++i) {
      threads.emplace_back([&, i] {
        publish_until_end(*publishing[i], load, failures[i]);
        ++ended;
      });
    }
    {
      Progress progress("benching, seconds", seconds);
      while (ended != publishers) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        progress.show(static_cast<std::uint64_t>(
            std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - begun).count()));
      }
    }
    for (std::thread& thread : threads) thread.join();
    const auto drained_by = Clock::now() + kDrainTimeout;
    while (consumers != 0 && Interrupts::seen() == 0 && Clock::now() < drained_by &&
           load.deliveries->count() < load.confirms->count()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
  const double took = std::chrono::duration<double>(Clock::now() - begun).count();
  if (own_queue) publishing[0]->delete_queue(load.queue);

  const json::object published = figures(*load.confirms, took);
  const json::object consumed = figures(*load.deliveries, took);
  if (session.wants_json()) {
    print(json::serialize(json::object{{"seconds", took},
                                       {"size", load.size},
                                       {"persistent", load.persistent},
                                       {"publishers", publishers},
                                       {"consumers", consumers},
                                       {"published", published},
                                       {"consumed", consumed}}) +
          "\n");
  } else {
    print(line_of("published and confirmed: ", published) +
          (consumers == 0 ? "" : line_of("consumed:                ", consumed)));
  }
  for (const auto& failure : failures) {
    if (failure) throw stop_for(*failure);
  }
  return kOk;
}

}  // namespace
}  // namespace bench

std::span<const Verb> bench_verbs() {
  using namespace bench;
  static const Verb verbs[] = {
      {"bench",
       "Put a small load on the broker: throughput and latency",
       {},
       kOptions,
       "millrace bench\n"
       "millrace bench --publishers 4 --consumers 4 --size 100 --seconds 30\n"
       "millrace bench --rate 1000 --window 1 --json",
       guarded<run_bench>},
  };
  return verbs;
}

}  // namespace millrace::cli
