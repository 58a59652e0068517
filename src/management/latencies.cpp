#include "management/latencies.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "management/predictions.hpp"

namespace millrace::management {
namespace {

namespace json = boost::json;
using broker::LatencyCounts;
using broker::QueueStatistics;
using Counts = std::shared_ptr<const LatencyCounts>;

LatencyCounts between(const Counts& now, const Counts& before) {
  if (!now) return {};
  return before ? now->since(*before) : *now;
}

json::object summary(const LatencyCounts& counts) {
  json::object item;
  item["count"] = counts.count;
  if (counts.count == 0) {
    for (const char* name : {"mean_us", "p50_us", "p90_us", "p99_us", "p999_us"}) item[name] = nullptr;
    return item;
  }
  item["mean_us"] = counts.mean_us();
  item["p50_us"] = counts.quantile_us(0.5);
  item["p90_us"] = counts.quantile_us(0.9);
  item["p99_us"] = counts.quantile_us(0.99);
  item["p999_us"] = counts.quantile_us(0.999);
  return item;
}

// [[end of the bucket in microseconds, messages], …], empty ones left out.
json::array buckets(const LatencyCounts& counts) {
  json::array list;
  for (std::size_t i = 0; i < counts.buckets.size(); ++i) {
    if (counts.buckets[i] == 0) continue;
    const std::uint64_t end = broker::latency_bucket_end(counts.first + static_cast<unsigned>(i));
    list.push_back(json::array{end, counts.buckets[i]});
  }
  return list;
}

double share(std::uint64_t now, std::uint64_t before, std::uint64_t age_now, std::uint64_t age_before) {
  if (age_now <= age_before || now < before) return 0;
  return static_cast<double>(now - before) / static_cast<double>(age_now - age_before);
}

// As many as there are on average, measured by the level, and by the stays of single messages.
json::object littles_law(std::uint64_t level_us, std::uint64_t stays_us, std::uint64_t age_us) {
  json::object law;
  law["mean_length"] = share(level_us, 0, age_us, 0);
  law["rate_times_time"] = share(stays_us, 0, age_us, 0);
  return law;
}

json::object since_start(const QueueStatistics& now, const broker::SchedulingSettings& scheduling) {
  const broker::QueueTimesStatistics& times = now.times;
  const LatencyCounts waited = between(times.waited, nullptr), held = between(times.held, nullptr);
  json::object item;
  item["seconds"] = static_cast<double>(times.age_us) / 1e6;
  item["time_in_queue"] = summary(waited);
  item["time_to_ack"] = summary(held);
  json::object laws;
  laws["ready"] = littles_law(times.ready_us, waited.sum_us + times.dropped_us, times.age_us);
  laws["unacknowledged"] = littles_law(times.unacked_us, held.sum_us, times.age_us);
  item["littles_law"] = std::move(laws);
  const double seconds = static_cast<double>(times.age_us) / 1e6;
  const double rate = seconds > 0 ? static_cast<double>(now.counters.published) / seconds : 0;
  item["waiting"] = prediction_fields(scheduling, waited, held, rate, now.consumers);
  return item;
}

}  // namespace

double consumer_capacity(const QueueStatistics& now, const QueueStatistics& before) {
  if (now.times.age_us == before.times.age_us) return now.consumers > 0 ? 1 : 0;
  return share(now.times.open_us, before.times.open_us, now.times.age_us, before.times.age_us);
}

json::object latency_fields(const QueueStatistics& now, const QueueStatistics& before, const Figures& figures,
                            const broker::SchedulingSettings& scheduling, bool in_full) {
  const LatencyCounts waited = between(now.times.waited, before.times.waited);
  const LatencyCounts held = between(now.times.held, before.times.held);
  json::object item;
  item["scheduling"] = broker::to_string(scheduling.order);
  item["time_in_queue"] = summary(waited);
  item["time_to_ack"] = summary(held);
  if (now.oldest_ms != 0) {
    item["oldest_message_age_ms"] = std::max<std::int64_t>(figures.now->taken_ms - now.oldest_ms, 0);
  } else {
    item["oldest_message_age_ms"] = nullptr;
  }
  item["arrival_rate"] = figures.rate(now.counters.published, before.counters.published);
  item["service_rate"] = figures.rate(now.counters.given(), before.counters.given());
  item["utilisation"] = share(now.times.busy_us, before.times.busy_us, now.times.age_us, before.times.age_us);
  if (!in_full) return item;
  item["time_in_queue_buckets"] = buckets(waited);
  item["time_to_ack_buckets"] = buckets(held);
  item["waiting"] =
      prediction_fields(scheduling, waited, held,
                        figures.rate(now.counters.published, before.counters.published), now.consumers);
  item["since_start"] = since_start(now, scheduling);
  return item;
}

}  // namespace millrace::management
