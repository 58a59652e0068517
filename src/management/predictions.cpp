#include "management/predictions.hpp"

#include <algorithm>
#include <cmath>

namespace millrace::management {
namespace {

namespace json = boost::json;
using broker::Scheduling;

double micro_rate(const Load& load) noexcept {
  return load.rate / 1e6;
}

// That a message finds all consumers busy, when sizes are exponential (Erlang 1917).
double erlang_c(unsigned consumers, double utilisation) noexcept {
  const double offered = utilisation * consumers;
  double blocked = 1;  // Erlang's B, by its recursion
  for (unsigned k = 1; k <= consumers; ++k) blocked = offered * blocked / (k + offered * blocked);
  return blocked / (1 - utilisation * (1 - blocked));
}

// Several consumers are taken for one that is as fast as all of them, corrected by how much a message waits
// less for one of several to be free: exact for first come, first served and exponential sizes.
struct OneServer {
  std::vector<SizeClass> sizes;
  double rate = 0;  // a microsecond
  double utilisation = 0;
  double residual_us = 0;  // W0: of the work that an arrival finds being done
  double correction = 1;
};

OneServer as_one(const Load& load) {
  OneServer one{load.sizes, micro_rate(load), load.utilisation()};
  for (SizeClass& size : one.sizes) size.mean_us /= load.consumers;
  one.residual_us = one.rate * load.second_moment() / load.consumers / load.consumers / 2;
  if (load.consumers > 1) one.correction = erlang_c(load.consumers, one.utilisation) / one.utilisation;
  return one;
}

double by_classes(const OneServer& one) {
  double mean = 0, before = 0;
  for (const SizeClass& size : one.sizes) {
    const double through = before + one.rate * size.part * size.mean_us;
    mean += size.part * one.residual_us / ((1 - before) * (1 - through));
    before = through;
  }
  return mean;
}

double in_two_classes(const OneServer& one, double mean_us) {
  double part = 0, load = 0;
  for (const SizeClass& size : one.sizes) {
    if (size.mean_us > mean_us) break;
    part += size.part;
    load += one.rate * size.part * size.mean_us;
  }
  const double first = one.residual_us / (1 - load);
  return part * first + (1 - part) * first / (1 - one.utilisation);
}

// Ranks are arrival + size / ageing, so a class goes by a fixed lead over another. Of another class an
// arrival has to wait for those that wait already and whose lead is not used up by it, and for those that
// come within its own lead. What those are follows from the waits of both, taken to be exponential behind a
// busy server: found by iteration. Within some ten per cent of simulation, and it keeps Kleinrock's
// conservation law.
double aged(const OneServer& one, double ageing) {
  constexpr int kIterations = 200;
  constexpr double kTolerance = 1e-4;
  const std::size_t count = one.sizes.size();
  const double equal = one.residual_us / (1 - one.utilisation);
  std::vector<double> waits(count, equal), next(count);
  const auto within = [&](double wait, double lead) {
    return wait <= 0 ? 0 : wait * (1 - std::exp(-one.utilisation * lead / wait));
  };
  for (int i = 0; i < kIterations; ++i) {
    double change = 0;
    for (std::size_t mine = 0; mine < count; ++mine) {
      double wait = one.residual_us;
      for (std::size_t other = 0; other < count; ++other) {
        const double load = one.rate * one.sizes[other].part * one.sizes[other].mean_us;
        const double lead = (one.sizes[other].mean_us - one.sizes[mine].mean_us) / ageing;
        wait += load * (lead > 0 ? waits[other] - within(waits[other], lead)
                                 : waits[other] + within(waits[mine], -lead));
      }
      change = std::max(change, std::abs(wait - waits[mine]));
      next[mine] = (wait + waits[mine]) / 2;
    }
    waits.swap(next);
    if (change <= kTolerance * equal) break;
  }
  double mean = 0;
  for (std::size_t i = 0; i < count; ++i) mean += one.sizes[i].part * waits[i];
  return mean;
}

json::value number(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? json::value(*value) : json::value(nullptr);
}

}  // namespace

double Load::mean_us() const noexcept {
  double mean = 0;
  for (const SizeClass& size : sizes) mean += size.part * size.mean_us;
  return mean;
}

double Load::second_moment() const noexcept {
  double moment = 0;
  for (const SizeClass& size : sizes) moment += size.part * size.mean_us * size.mean_us;
  return moment;
}

double Load::utilisation() const noexcept {
  return micro_rate(*this) * mean_us() / std::max(consumers, 1u);
}

Load load_of(const broker::LatencyCounts& held, double rate, unsigned consumers) {
  Load load;
  load.rate = rate;
  load.consumers = std::max(consumers, 1u);
  if (held.count == 0) return load;
  const auto all = static_cast<double>(held.count);
  for (unsigned i = 0; i < held.buckets.size(); ++i) {
    if (held.buckets[i] == 0) continue;
    const unsigned bucket = held.first + i;
    const double begin = bucket == 0 ? 0 : static_cast<double>(broker::latency_bucket_end(bucket - 1));
    const double end = static_cast<double>(broker::latency_bucket_end(bucket));
    load.sizes.push_back({(begin + end) / 2, static_cast<double>(held.buckets[i]) / all});
  }
  // The sum is exact where the middles of buckets are not.
  const double middles = load.mean_us();
  if (middles > 0) {
    for (SizeClass& size : load.sizes) size.mean_us *= held.mean_us() / middles;
  }
  return load;
}

std::optional<double> Predictions::of(Scheduling order) const noexcept {
  switch (order) {
    case Scheduling::shortest_job:
      return shortest_job;
    case Scheduling::aged_shortest_job:
      return aged_shortest_job;
    case Scheduling::fifo:
    case Scheduling::lifo:
    case Scheduling::priority:
    case Scheduling::earliest_deadline:
    case Scheduling::fair:
      return first_come;
  }
  return std::nullopt;
}

Predictions predict(const Load& load, double ageing) {
  Predictions waits;
  const double utilisation = load.utilisation();
  if (load.sizes.empty() || load.rate <= 0 || utilisation <= 0 || utilisation >= 1) return waits;
  const OneServer one = as_one(load);
  waits.first_come = one.correction * one.residual_us / (1 - utilisation);
  waits.shortest_job = one.correction * by_classes(one);
  waits.aged_shortest_job = one.correction * aged(one, ageing);
  waits.two_classes = one.correction * in_two_classes(one, load.mean_us() / load.consumers);
  waits.shared_processor = one.correction * utilisation * load.mean_us() / load.consumers / (1 - utilisation);
  return waits;
}

json::object prediction_fields(const broker::SchedulingSettings& settings,
                               const broker::LatencyCounts& waited, const broker::LatencyCounts& held,
                               double rate, unsigned consumers) {
  const Load load = load_of(held, rate, consumers);
  const Predictions waits = predict(load, settings.ageing);
  json::object item;
  item["arrival_rate"] = rate;
  item["utilisation"] = load.sizes.empty() ? json::value(nullptr) : json::value(load.utilisation());
  item["mean_size_us"] = load.sizes.empty() ? json::value(nullptr) : json::value(load.mean_us());
  const double mean = load.mean_us();
  item["squared_variation"] =
      mean > 0 ? json::value(load.second_moment() / (mean * mean) - 1) : json::value(nullptr);
  item["measured_us"] = waited.count > 0 ? json::value(waited.mean_us()) : json::value(nullptr);
  item["predicted_us"] = number(waits.of(settings.order));
  json::object others;
  others["fifo"] = number(waits.first_come);
  others["sjf"] = number(waits.shortest_job);
  others["aged-sjf"] = number(waits.aged_shortest_job);
  others["two-classes"] = number(waits.two_classes);
  others["processor-sharing"] = number(waits.shared_processor);
  item["what_if_us"] = std::move(others);
  return item;
}

}  // namespace millrace::management
