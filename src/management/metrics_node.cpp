#include "management/metrics_node.hpp"

namespace millrace::management {

void put_identity(MetricsText& out, const Api& api, std::string_view endpoint) {
  const ApiOptions& options = api.options();
  const std::string version = label_value(options.version);
  out.family("rabbitmq_identity_info", "untyped", "Which broker this is");
  out.sample(1, "rabbitmq_node=\"" + label_value(options.node_name) + "\",rabbitmq_cluster=\"" +
                    label_value(api.cluster_name()) + "\",rabbitmq_cluster_permanent_id=\"" +
                    label_value(options.node_name) + "\",rabbitmq_endpoint=\"" + std::string(endpoint) +
                    "\"");
  out.family("rabbitmq_build_info", "untyped", "What it is made of");
  out.sample(1, "rabbitmq_version=\"" + version + "\",prometheus_plugin_version=\"" + version +
                    "\",prometheus_client_version=\"none\",erlang_version=\"none\",product_name=\"" +
                    label_value(options.product) + "\",product_version=\"" + version + "\"");
}

void put_node_usage(MetricsText& out, const std::string& prefix, const Api& api) {
  const ProcessFigures process = api.options().process_figures();
  out.gauge(prefix + "process_open_fds", "Open files", process.open_files);
  out.gauge(prefix + "process_resident_memory_bytes", "Memory in use", process.resident_bytes);
  out.gauge(prefix + "disk_space_available_bytes", "Room on the disk", process.disk_free_bytes);
}

void put_node_limits(MetricsText& out, const std::string& prefix, const Api& api,
                     const broker::NodeStatistics& now) {
  const ApiOptions& options = api.options();
  out.gauge(prefix + "process_max_fds", "Files that may be open", options.process_figures().open_files_max);
  out.gauge(prefix + "resident_memory_limit_bytes", "Memory in use from which publishers are held back",
            now.memory_limit_bytes);
  out.gauge(prefix + "disk_space_available_limit_bytes",
            "Room on the disk below which publishers are held back", now.disk_low_water_bytes);
  out.gauge(prefix + "erlang_uptime_seconds", "Since the start",
            static_cast<std::uint64_t>((options.wall_ms() - options.started_ms) / 1000));
}

void put_churn(MetricsText& out, const std::string& prefix, const broker::NodeStatistics& now) {
  out.counter(prefix + "connections_opened_total", "Connections opened", now.connections_opened);
  out.counter(prefix + "connections_closed_total", "Connections closed", now.connections_closed);
  out.counter(prefix + "channels_opened_total", "Channels opened", now.channels_opened);
  out.counter(prefix + "channels_closed_total", "Channels closed", now.channels_closed);
  out.counter(prefix + "queues_declared_total", "Declarations of queues", now.queues_declared);
  out.counter(prefix + "queues_created_total", "Queues made", now.queues_created);
  out.counter(prefix + "queues_deleted_total", "Queues deleted", now.queues_deleted);
}

}  // namespace millrace::management
