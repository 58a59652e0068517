// What queueing theory says of a queue: how long its messages should wait on average under each order of
// serving, from how often they come and how long consumers hold them. docs/scheduling.md has the formulas.
//
// The load is taken to be open (messages come whatever the queue does, at random) and a consumer to hold one
// message at a time. Of a queue that is overloaded nothing is predicted: it grows without end.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <vector>

#include "broker/latency.hpp"
#include "broker/queue/scheduling.hpp"

namespace millrace::management {

// Messages of like size: the part of all that they are.
struct SizeClass {
  double mean_us = 0;
  double part = 0;
};

struct Load {
  std::vector<SizeClass> sizes;  // rising, no part is 0
  double rate = 0;               // messages a second
  unsigned consumers = 1;

  double mean_us() const noexcept;
  double second_moment() const noexcept;  // µs²
  double utilisation() const noexcept;
};

Load load_of(const broker::LatencyCounts& held, double rate, unsigned consumers);

// Mean waits until delivery, in microseconds, of all messages. None: overloaded, or nothing is known.
struct Predictions {
  std::optional<double> first_come;    // Pollaczek and Khinchine; by Erlang's C for several consumers
  std::optional<double> shortest_job;  // classes by size
  std::optional<double> aged_shortest_job;
  std::optional<double> two_classes;       // Cobham: those below the mean size before the others
  std::optional<double> shared_processor;  // as if all were served at once, each more slowly

  // Orders that do not look at sizes all make for the same mean.
  std::optional<double> of(broker::Scheduling order) const noexcept;
};
Predictions predict(const Load& load, double ageing);

// The group "waiting" of a queue object.
boost::json::object prediction_fields(const broker::SchedulingSettings& settings,
                                      const broker::LatencyCounts& waited, const broker::LatencyCounts& held,
                                      double rate, unsigned consumers);

}  // namespace millrace::management
