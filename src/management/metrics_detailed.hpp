// /metrics/detailed: the families of metrics that the query names, of the vhosts and queues that it names.
#pragma once

#include <cstddef>

#include "management/api.hpp"

namespace millrace::management {

// As with RabbitMQ. A longer one is refused.
inline constexpr std::size_t kMaxQueuePatternBytes = 2000;
// Searched in one turn, between which others are served.
inline constexpr std::size_t kNamesPerTurn = 32;

// ?family=queue_coarse_metrics&family=…&vhost=…&queue=REGEX, by RabbitMQ's names of families, metrics and
// labels. A family that is not known, or of which nothing is counted here, has no lines, as with RabbitMQ;
// only the objects of the families asked for are looked at. 400: the pattern is none, or not the only one.
void reply_detailed_metrics(Api& api, const CallRef& call);

}  // namespace millrace::management
