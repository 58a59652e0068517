// What a queue object of the API says about time: how long messages wait and are held, of what came between
// the last two looks and since the start. RabbitMQ has nothing like it, so it is a group of its own,
// "millrace".
#pragma once

#include <boost/json/object.hpp>

#include "broker/queue/scheduling.hpp"
#include "broker/statistics.hpp"
#include "management/figures.hpp"

namespace millrace::management {

// For lists; `in_full`: for one queue, with the buckets that a heat map is drawn of and what has been since
// the queue was first used, and what theory predicts of both (predictions.hpp).
boost::json::object latency_fields(const broker::QueueStatistics& now, const broker::QueueStatistics& before,
                                   const Figures& figures, const broker::SchedulingSettings& scheduling,
                                   bool in_full);

// The share of the time between the last two looks in which a consumer could have taken a message at once.
double consumer_capacity(const broker::QueueStatistics& now, const broker::QueueStatistics& before);

}  // namespace millrace::management
