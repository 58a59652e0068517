// Metrics of the node as a whole, which several of the endpoints have, by RabbitMQ's names.
#pragma once

#include <string>
#include <string_view>

#include "management/api.hpp"
#include "management/metrics_text.hpp"

namespace millrace::management {

// Which broker this is, and what of it is told: "aggregated", "per-object", "detailed", "memory-breakdown".
void put_identity(MetricsText& out, const Api& api, std::string_view endpoint);

// `prefix` is what names begin with, "rabbitmq_" or "rabbitmq_detailed_". By RabbitMQ's families:
// node_coarse_metrics, node_metrics, connection_churn_metrics.
void put_node_usage(MetricsText& out, const std::string& prefix, const Api& api);
void put_node_limits(MetricsText& out, const std::string& prefix, const Api& api,
                     const broker::NodeStatistics& now);
void put_churn(MetricsText& out, const std::string& prefix, const broker::NodeStatistics& now);

}  // namespace millrace::management
