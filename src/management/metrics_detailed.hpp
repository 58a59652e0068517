// /metrics/detailed: the families of metrics that the query names, of the vhosts that it names.
#pragma once

#include "management/api.hpp"

namespace millrace::management {

// ?family=queue_coarse_metrics&family=…&vhost=…, by RabbitMQ's names of families, metrics and labels. A
// family that is not known, or of which nothing is counted here, has no lines, as with RabbitMQ; only the
// objects of the families asked for are looked at.
void reply_detailed_metrics(Api& api, const CallRef& call);

}  // namespace millrace::management
