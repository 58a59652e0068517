// Producers and consumers in one loop of one thread.
//
// A run warms up, measures, and then lets everything that is under way arrive before it is checked; with
// --messages it is measured from the first message to the last.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "load/clock.hpp"
#include "load/consumer.hpp"
#include "load/event_loop.hpp"
#include "load/loads.hpp"
#include "load/process_meter.hpp"
#include "load/producer.hpp"
#include "load/topology.hpp"
#include "load/tracker.hpp"

namespace millrace::load {

namespace {

constexpr std::uint64_t kLongestWait = kSecond / 10;  // so that the clock of the run is looked at

struct Sample {
  std::uint64_t time = 0;
  std::uint64_t published = 0;
  std::uint64_t confirmed = 0;
  std::uint64_t delivered = 0;
  std::uint64_t broker_cpu = 0;
  std::uint64_t own_cpu = 0;
};

class MessageLoad {
 public:
  explicit MessageLoad(const Options& options);

  Report run();

 private:
  void open();
  // One turn of the loop.
  void step();
  bool pump(std::uint64_t now);
  std::uint64_t wait_ns(std::uint64_t now) const;
  template <class Done>
  void run_until(Done&& done);
  Sample sample() const;
  bool all_sent() const;
  bool all_arrived() const { return counters_.delivered - repeated() == expected_deliveries(); }
  std::uint64_t repeated() const;
  std::uint64_t expected_deliveries() const;
  void finish();
  void check_complete() const;
  Report report(const Sample& from, const Sample& to) const;

  const Options& options_;
  const std::uint64_t copies_;  // deliveries of each message
  Counters counters_;
  ProcessMeter meter_;
  Connection control_;
  std::uint64_t backlog_ = 0;  // what --drain-only is to find
  std::vector<Tracker> trackers_;
  std::vector<std::unique_ptr<Producer>> producers_;
  std::vector<std::unique_ptr<Consumer>> consumers_;
  EventLoop loop_;
};

MessageLoad::MessageLoad(const Options& options)
    : options_(options),
      copies_(options.fanout != 0 ? options.fanout : 1),
      meter_(options.pid),
      control_(options) {}

void MessageLoad::open() {
  if (options_.drain_only) {
    const std::uint64_t held = count_messages(control_, options_);
    backlog_ = options_.messages != 0 ? options_.messages : held;
    if (held < backlog_)
      throw Failure(fmt::format("the queues hold {} messages, not the {} to drain", held, backlog_));
  } else {
    declare_topology(control_, options_);
  }
  const std::uint32_t queues = options_.queue_count();
  const Order order = options_.shortest_first ? Order::size : Order::sent;
  const bool from_first = options_.drain_only && order == Order::sent;
  for (std::uint32_t i = 0; i < queues; ++i) {
    const std::size_t consumers = options_.consumers / queues + (i < options_.consumers % queues ? 1 : 0);
    trackers_.emplace_back(options_.queue_name(i), consumers, order, from_first);
  }
  for (std::uint32_t i = 0; i < options_.consumers; ++i) {
    const std::uint32_t queue = i % queues;
    consumers_.push_back(std::make_unique<Consumer>(options_, counters_, trackers_[queue], i / queues,
                                                    options_.queue_name(queue)));
    loop_.add(*consumers_.back());
  }
  for (std::uint32_t i = 0; i < options_.producers; ++i) {
    std::uint64_t messages = UINT64_MAX;
    if (options_.messages != 0)
      messages =
          options_.messages / options_.producers + (i < options_.messages % options_.producers ? 1 : 0);
    producers_.push_back(std::make_unique<Producer>(options_, counters_, i, exchange_of(options_),
                                                    routing_key_of(options_, i), messages));
    loop_.add(*producers_.back());
  }
}

bool MessageLoad::pump(std::uint64_t now) {
  bool more = false;
  for (const auto& producer : producers_) {
    std::uint64_t allowed = UINT64_MAX;
    if (options_.in_flight != 0) {
      const std::uint64_t arrived = counters_.delivered / copies_;
      const std::uint64_t open = counters_.published - std::min(counters_.published, arrived);
      allowed = options_.in_flight - std::min(options_.in_flight, open);
    }
    const std::uint64_t due = producer->next_due();
    if (due != 0 && due > now) allowed = 0;
    more |= producer->pump(allowed);
  }
  return more;
}

std::uint64_t MessageLoad::wait_ns(std::uint64_t now) const {
  if (options_.busy_poll) return 0;
  std::uint64_t wait = kLongestWait;
  for (const auto& producer : producers_)
    if (const std::uint64_t due = producer->next_due(); due != 0 && !producer->waits_for_socket())
      wait = std::min(wait, due > now ? due - now : 0);
  return wait;
}

void MessageLoad::step() {
  const std::uint64_t now = now_ns();
  const bool more = pump(now);
  loop_.turn(more ? 0 : wait_ns(now));
}

template <class Done>
void MessageLoad::run_until(Done&& done) {
  const auto stall = static_cast<std::uint64_t>(options_.stall_seconds * kSecond);
  std::uint64_t progress = 0;
  std::uint64_t moved_at = now_ns();
  while (!done()) {
    step();
    const std::uint64_t progress_now = counters_.published + counters_.confirmed + counters_.delivered;
    if (progress_now != progress) {
      progress = progress_now;
      moved_at = now_ns();
    } else if (now_ns() - moved_at > stall) {
      throw Failure(
          fmt::format("nothing moved for {} s: {} messages published, {} confirmed, {} of {} delivered",
                      options_.stall_seconds, counters_.published, counters_.confirmed, counters_.delivered,
                      expected_deliveries()));
    }
  }
}

Sample MessageLoad::sample() const {
  return {now_ns(),        counters_.published, counters_.confirmed, counters_.delivered,
          meter_.cpu_ns(), own_cpu_ns()};
}

bool MessageLoad::all_sent() const {
  return std::all_of(producers_.begin(), producers_.end(), [](const auto& p) { return p->finished(); });
}

std::uint64_t MessageLoad::repeated() const {
  std::uint64_t count = 0;
  for (const Tracker& tracker : trackers_) count += tracker.repeated();
  return count;
}

std::uint64_t MessageLoad::expected_deliveries() const {
  if (options_.drain_only) return backlog_;
  return consumers_.empty() ? 0 : counters_.published * copies_;
}

Report MessageLoad::run() {
  open();
  meter_.reset_peak();
  const bool from_first_message = options_.messages != 0 || options_.drain_only;
  counters_.measuring = from_first_message;
  Sample from = sample();  // the first messages of a backlog come with the answer to subscribe()
  for (const auto& consumer : consumers_) consumer->subscribe();
  const std::uint64_t start = now_ns();
  for (const auto& producer : producers_) producer->start(start);

  const auto arrived = [&] { return all_sent() && all_arrived(); };
  const auto after = [](double seconds) {
    return [end = now_ns() + static_cast<std::uint64_t>(seconds * kSecond)] { return now_ns() >= end; };
  };
  Sample to;
  if (from_first_message) {
    run_until(arrived);
    to = sample();
  } else {
    run_until(after(options_.warm_up));
    counters_.measuring = true;
    from = sample();
    run_until(after(options_.seconds));
    to = sample();
    counters_.measuring = false;
    for (const auto& producer : producers_) producer->stop();
    run_until(arrived);
  }
  const Report result = report(from, to);
  finish();
  return result;
}

void MessageLoad::finish() {
  for (const auto& producer : producers_) producer->connection().close();
  for (const auto& consumer : consumers_) consumer->finish();
  check_complete();
  if (!options_.keep && !options_.publish_only) delete_topology(control_, options_);
  control_.close();
}

void MessageLoad::check_complete() const {
  if (consumers_.empty()) return;
  for (const Tracker& tracker : trackers_) tracker.check_no_gaps();
  for (std::uint32_t i = 0; i < producers_.size(); ++i) {
    for (std::uint32_t queue = 0; queue < trackers_.size(); ++queue) {
      if (options_.fanout == 0 && queue != i % trackers_.size()) continue;
      if (const std::uint64_t complete = trackers_[queue].complete(i); complete != producers_[i]->published())
        throw Failure(fmt::format("{}: {} messages of producer {} came, {} were published",
                                  options_.queue_name(queue), complete, i, producers_[i]->published()));
    }
  }
}

Report MessageLoad::report(const Sample& from, const Sample& to) const {
  const double seconds = static_cast<double>(to.time - from.time) / kSecond;
  const std::uint64_t published = to.published - from.published;
  const std::uint64_t delivered = to.delivered - from.delivered;
  const double messages = std::max(
      1.0, static_cast<double>(consumers_.empty() ? published : delivered) / static_cast<double>(copies_));
  Report report;
  report.add("messages_per_second", messages / seconds, "/s");
  report.add("body_mib_per_second", messages * options_.size / seconds / (1 << 20), "MiB/s");
  if (meter_.on()) {
    report.add("broker_cpu_us_per_message",
               static_cast<double>(to.broker_cpu - from.broker_cpu) / 1000 / messages, "us");
    report.add("broker_cores", static_cast<double>(to.broker_cpu - from.broker_cpu) / kSecond / seconds, "");
    report.add("broker_peak_bytes", static_cast<double>(meter_.peak_bytes()), "bytes");
    report.add("broker_resident_bytes", static_cast<double>(meter_.resident_bytes()), "bytes");
  }
  report.add("load_cpu_us_per_message", static_cast<double>(to.own_cpu - from.own_cpu) / 1000 / messages,
             "us");
  report.add("seconds", seconds, "s");
  if (!producers_.empty()) report.add_count("published", published);
  if (options_.confirm != 0) report.add_count("confirmed", to.confirmed - from.confirmed);
  if (!consumers_.empty()) {
    report.add_count("delivered", delivered);
    report.add_count("redelivered", counters_.redelivered);
  }
  if (!options_.drain_only) report.add_latency("latency", counters_.delivery_latency);
  report.add_latency("confirm", counters_.confirm_latency);
  return report;
}

}  // namespace

Report run_messages(const Options& options) {
  return MessageLoad(options).run();
}

Report run_backlog(const Options& options) {
  Options publish = options;
  publish.messages = options.backlog;
  publish.publish_only = true;
  publish.consumers = 0;
  publish.in_flight = 0;
  Report report;
  report.append("publish", run_messages(publish));

  Options drain = options;
  drain.messages = options.backlog;
  drain.drain_only = true;
  drain.producers = 0;
  drain.confirm = 0;
  report.append("drain", run_messages(drain));
  return report;
}

}  // namespace millrace::load
