// /metrics and what lies below it: the figures in Prometheus' text format, by the names and labels that
// RabbitMQ's dashboards read.
//
// What is aggregated has the same size whatever there is; each queue costs its few lines where each is told
// of. A counter never falls while the broker runs: what is gone stays counted.
#include <algorithm>
#include <array>

#include "management/items.hpp"
#include "management/memory.hpp"
#include "management/metrics_detailed.hpp"
#include "management/metrics_node.hpp"
#include "management/metrics_tables.hpp"

namespace millrace::management {
namespace metric {
namespace {

using broker::NodeStatistics;
using broker::QueueCounters;

void put_alarms(MetricsText& out, const NodeStatistics& now) {
  out.gauge("rabbitmq_alarms_memory_used_watermark", "1 while memory is short", now.memory_alarm ? 1 : 0);
  out.gauge("rabbitmq_alarms_free_disk_space_watermark", "1 while disk space is short",
            now.disk_alarm ? 1 : 0);
}

void put_totals(MetricsText& out, const NodeStatistics& now) {
  std::uint64_t channels = 0;
  for (const auto& connection : now.connections) channels += connection.session.channels.size();
  out.gauge("rabbitmq_process_open_tcp_sockets", "Open connections", now.connections.size());
  out.gauge("rabbitmq_connections", "Open connections", now.connections.size());
  out.gauge("rabbitmq_channels", "Open channels", channels);
  out.gauge("rabbitmq_consumers", "Consumers", now.consumers.size());
  out.gauge("rabbitmq_queues", "Queues", now.queues.size());
}

void put_logins(MetricsText& out, const NodeStatistics& now) {
  std::uint64_t accepted = 0, refused = 0;
  for (const auto& [protocol, logins] : now.logins) {
    accepted += logins.accepted;
    refused += logins.refused;
  }
  out.counter("rabbitmq_auth_attempts_total", "Logins", accepted + refused);
  out.counter("rabbitmq_auth_attempts_succeeded_total", "Logins that went well", accepted);
  out.counter("rabbitmq_auth_attempts_failed_total", "Logins that were refused", refused);
}

constexpr std::string_view kProtocol = "protocol=\"amqp091\"";

// The ends of MessageSizes as RabbitMQ's dashboards select them, letter by letter: Prometheus 3 writes every
// end so, Prometheus 2 keeps what it was given.
constexpr std::array<std::string_view, broker::MessageSizes::kEnds.size()> kSizeEnds{
    "100.0", "1000.0", "10000.0", "100000.0", "1e+06", "1e+07", "5e+07", "1e+08"};

void put_sizes(MetricsText& out, const broker::MessageSizes& sizes) {
  out.family("rabbitmq_message_size_bytes", "histogram", "Bodies of messages that were published");
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < kSizeEnds.size(); ++i) {
    below += sizes.buckets[i];
    out.bucket(kSizeEnds[i], below, kProtocol);
  }
  below += sizes.buckets.back();
  out.bucket("+Inf", below, kProtocol);
  out.sum_and_count(std::to_string(sizes.bytes), below, kProtocol);
}

void put_messages(MetricsText& out, const NodeStatistics& now) {
  const broker::ConnectionCounters& in = now.connection_totals;
  const QueueCounters& queues = now.queue_totals;
  std::uint64_t publishers = 0;
  for (const auto& connection : now.connections) publishers += connection.counters.published != 0 ? 1 : 0;
  const auto put = [&](std::string_view name, std::string_view help, std::uint64_t value) {
    out.counter("rabbitmq_global_messages_" + std::string(name) + "_total", help, value, kProtocol);
  };
  put("received", "Messages published", in.published);
  put("received_confirm", "Of them, those to be confirmed", in.wanting_confirm);
  put("confirmed", "Of them, those confirmed", in.wanting_confirm);
  put("routed", "Messages that went to queues", queues.published);
  put("unroutable_dropped", "Messages that went nowhere", in.unroutable);
  put("unroutable_returned", "Messages that went back to their publishers", in.returned);
  put("delivered", "Messages given to consumers and getters", queues.given());
  put("delivered_consume_manual_ack", "To consumers that acknowledge", queues.delivered);
  put("delivered_consume_auto_ack", "To consumers that do not", queues.delivered_no_ack);
  put("delivered_get_manual_ack", "To getters that acknowledge", queues.got);
  put("delivered_get_auto_ack", "To getters that do not", queues.got_no_ack);
  put("get_empty", "Gets that found nothing", queues.got_nothing);
  put("redelivered", "Messages given again", queues.redelivered);
  put("acknowledged", "Messages acknowledged", queues.acked);
  out.counter("millrace_messages_set_aside_total",
              "Messages that cannot be read from disk; the log names them", queues.set_aside);
  out.family("rabbitmq_global_publishers", "gauge", "Connections that have published");
  out.sample(publishers, kProtocol);
  out.family("rabbitmq_global_consumers", "gauge", "Consumers");
  out.sample(now.consumers.size(), kProtocol);
}

struct QueueGauge {
  std::string_view name;
  std::string_view help;
  std::uint64_t (*value)(const broker::QueueStatistics&);
  bool is_counter = false;
};
constexpr QueueGauge kQueueGauges[] = {
    {"rabbitmq_queue_messages_ready", "Messages that wait for a consumer",
     [](const auto& q) { return q.ready; }},
    {"rabbitmq_queue_messages_unacked", "Messages given and not acknowledged",
     [](const auto& q) { return q.unacked; }},
    {"rabbitmq_queue_messages", "Both", [](const auto& q) { return q.ready + q.unacked; }},
    {"rabbitmq_queue_messages_ready_bytes", "Bodies of messages that wait",
     [](const auto& q) { return q.ready_bytes; }},
    {"rabbitmq_queue_process_memory_bytes", "Memory of the messages",
     [](const auto& q) { return q.memory_bytes; }},
    {"rabbitmq_queue_consumers", "Consumers", [](const auto& q) { return std::uint64_t{q.consumers}; }},
    {"rabbitmq_queue_messages_published_total", "Messages that came in",
     [](const auto& q) { return q.counters.published; }, true},
    {"rabbitmq_queue_messages_delivered_ack_total", "Messages given to be acknowledged",
     [](const auto& q) { return q.counters.delivered + q.counters.got; }, true},
    {"rabbitmq_queue_messages_delivered_total", "Messages given without",
     [](const auto& q) { return q.counters.delivered_no_ack + q.counters.got_no_ack; }, true},
    {"rabbitmq_queue_messages_redelivered_total", "Messages given again",
     [](const auto& q) { return q.counters.redelivered; }, true},
    {"rabbitmq_queue_messages_acked_total", "Messages acknowledged",
     [](const auto& q) { return q.counters.acked; }, true},
    {"millrace_queue_messages_set_aside_total", "Messages that cannot be read from disk",
     [](const auto& q) { return q.counters.set_aside; }, true},
};

// Of queues that are; the counters of all that were are among the global ones.
void put_queue_sums(MetricsText& out, const NodeStatistics& now) {
  for (const QueueGauge& gauge : kQueueGauges) {
    if (gauge.is_counter) continue;
    std::uint64_t sum = 0;
    for (const auto& [id, queue] : now.queues) sum += gauge.value(queue);
    out.gauge(gauge.name, gauge.help, sum);
  }
}

// Histograms of time. Bounds are powers of four from 16 µs to 19 hours: those of the queues' own buckets, so
// that nothing is estimated, and few enough for each of many queues.
constexpr unsigned kFirstBound = 4;  // 2^4 µs
constexpr unsigned kLastBound = 36;  // 2^36 µs
constexpr unsigned kBoundStep = 2;

void put_histogram(MetricsText& out, const broker::LatencyCounts& counts, std::string_view labels) {
  std::uint64_t below = 0;
  unsigned bucket = 0;
  for (unsigned power = kFirstBound; power <= kLastBound; power += kBoundStep) {
    const std::uint64_t end = std::uint64_t{1} << power;
    for (; broker::latency_bucket_end(bucket) <= end; ++bucket) below += counts.at(bucket);
    out.bucket(MetricsText::seconds(end), below, labels);
  }
  out.bucket("+Inf", counts.count, labels);
  out.sum_and_count(MetricsText::seconds(counts.sum_us), counts.count, labels);
}

using QueueLatencies = std::shared_ptr<const broker::LatencyCounts>;
const QueueLatencies& waited_in(const broker::QueueStatistics& queue) {
  return queue.times.waited;
}
const QueueLatencies& held_in(const broker::QueueStatistics& queue) {
  return queue.times.held;
}

struct QueueHistogram {
  std::string_view name;
  std::string_view help;
  const QueueLatencies& (*of)(const broker::QueueStatistics&);  // null: it was never used
  broker::LatencyHistogram NodeStatistics::*of_all;
};
constexpr QueueHistogram kQueueHistograms[] = {
    {"millrace_queue_time_in_queue_seconds", "From the arrival of a message to its delivery", waited_in,
     &NodeStatistics::waited},
    {"millrace_queue_time_to_ack_seconds", "From the delivery of a message to its acknowledgement", held_in,
     &NodeStatistics::held},
};

// Seconds of a queue.
struct QueueTime {
  std::string_view name;
  std::string_view type;
  std::string_view help;
  std::uint64_t (*value_us)(const broker::QueueStatistics&, const NodeStatistics&);
};
constexpr QueueTime kOldestAge = {
    "millrace_queue_oldest_message_age_seconds", "gauge", "Age of the oldest message that waits",
    [](const auto& q, const auto& all) {
      const bool known = q.oldest_ms != 0 && all.taken_ms > q.oldest_ms;
      return known ? static_cast<std::uint64_t>(all.taken_ms - q.oldest_ms) * 1000 : 0;
    }};
constexpr QueueTime kQueueTimes[] = {
    kOldestAge,
    {"millrace_queue_ready_message_seconds_total", "counter",
     "Messages that wait, summed over time: its rate is the mean length",
     [](const auto& q, const auto&) { return q.times.ready_us; }},
    {"millrace_queue_unacked_message_seconds_total", "counter",
     "Messages that consumers hold, summed over time: its rate is their mean number",
     [](const auto& q, const auto&) { return q.times.unacked_us; }},
    {"millrace_queue_busy_seconds_total", "counter",
     "Time in which consumers held messages: its rate is their utilisation",
     [](const auto& q, const auto&) { return q.times.busy_us; }},
    {"millrace_queue_open_seconds_total", "counter",
     "Time in which a consumer could have taken a message at once",
     [](const auto& q, const auto&) { return q.times.open_us; }},
};

void put_latencies(MetricsText& out, const NodeStatistics& now) {
  for (const QueueHistogram& histogram : kQueueHistograms) {
    out.family(histogram.name, "histogram", histogram.help);
    put_histogram(out, broker::LatencyCounts(now.*histogram.of_all), {});
  }
  std::uint64_t oldest_us = 0;
  for (const auto& [id, queue] : now.queues) oldest_us = std::max(oldest_us, kOldestAge.value_us(queue, now));
  out.family(kOldestAge.name, kOldestAge.type, kOldestAge.help);
  out.sample_seconds(oldest_us);
}

void put_spans(MetricsText& out, const ApiOptions& options) {
  const otlp::SpanFigures spans = options.span_figures ? options.span_figures() : otlp::SpanFigures{};
  out.counter("millrace_otlp_spans_sent_total", "Spans of messages that the collector took", spans.sent);
  out.counter("millrace_otlp_spans_dropped_total",
              "Spans that it refused, or that were too many while it was slow", spans.dropped);
}

constexpr const char* kPrefix = "rabbitmq_";

void put_common(MetricsText& out, const Api& api, const NodeStatistics& now, std::string_view endpoint) {
  put_identity(out, api, endpoint);
  put_node_usage(out, kPrefix, api);
  put_node_limits(out, kPrefix, api, now);
  put_alarms(out, now);
  put_totals(out, now);
  put_churn(out, kPrefix, now);
  put_logins(out, now);
  put_messages(out, now);
  put_sizes(out, now.sizes);
  put_spans(out, api.options());
}

void aggregated(Api& api, const CallRef& call) {
  api.with_raw_figures(call, [&api, call](const Figures& figures) {
    MetricsText out;
    put_common(out, api, *figures.now, "aggregated");
    put_queue_sums(out, *figures.now);
    put_latencies(out, *figures.now);
    reply_metrics(api, call, std::move(out), {});
  });
}

// The queues that there are when somebody asks, with their labels.
struct AllQueues {
  AllQueues(const Api& api, Figures of) : figures(std::move(of)) {
    for (const auto& [vhost_name, vhost] : api.model().definitions().vhosts()) {
      const std::string of_vhost = "vhost=\"" + label_value(vhost_name) + "\",queue=\"";
      for (const auto& [name, queue] : vhost.queues) {
        queues.emplace_back(&figures.of(queue->address.id), of_vhost + label_value(name) + "\"");
      }
    }
  }
  Figures figures;  // holds what is pointed to
  std::vector<std::pair<const broker::QueueStatistics*, std::string>> queues;
};

// Calls put(out, queue, labels, all the figures) for each queue.
template <class Put>
MetricsTable queue_table(std::string_view name, std::string_view type, std::string_view help,
                         const std::shared_ptr<const AllQueues>& all, Put put) {
  return {std::string(name), type, help, all->queues.size(), [all, put](MetricsText& out, std::size_t row) {
            const auto& [queue, labels] = all->queues[row];
            return put(out, *queue, labels, *all->figures.now);
          }};
}

void per_object(Api& api, const CallRef& call) {
  using broker::QueueStatistics;
  api.with_raw_figures(call, [&api, call](const Figures& figures) {
    MetricsText out;
    put_common(out, api, *figures.now, "per-object");
    const auto all = std::make_shared<const AllQueues>(api, figures);
    std::vector<MetricsTable> tables;
    for (const QueueGauge& gauge : kQueueGauges) {
      tables.push_back(queue_table(
          gauge.name, gauge.is_counter ? "counter" : "gauge", gauge.help, all,
          [&gauge](MetricsText& to, const QueueStatistics& queue, const std::string& labels, const auto&) {
            to.sample(gauge.value(queue), labels);
            return std::size_t{1};
          }));
    }
    for (const QueueTime& time : kQueueTimes) {
      tables.push_back(queue_table(
          time.name, time.type, time.help, all,
          [&time](MetricsText& to, const QueueStatistics& queue, const std::string& labels, const auto& now) {
            to.sample_seconds(time.value_us(queue, now), labels);
            return std::size_t{1};
          }));
    }
    for (const QueueHistogram& histogram : kQueueHistograms) {
      tables.push_back(queue_table(histogram.name, "histogram", histogram.help, all,
                                   [&histogram](MetricsText& to, const QueueStatistics& queue,
                                                const std::string& labels, const auto&) {
                                     const QueueLatencies& counts = histogram.of(queue);
                                     if (!counts) return std::size_t{0};
                                     put_histogram(to, *counts, labels);
                                     return std::size_t{(kLastBound - kFirstBound) / kBoundStep + 4};
                                   }));
    }
    reply_metrics(api, call, std::move(out), std::move(tables));
  });
}

// RabbitMQ's metrics by the parts of memory_parts().
constexpr std::pair<std::string_view, std::string_view> kMemoryMetrics[] = {
    {"code", "rabbitmq_memory_code_module_bytes"},
    {"connection_readers", "rabbitmq_memory_client_connection_reader_bytes"},
    {"connection_writers", "rabbitmq_memory_client_connection_writer_bytes"},
    {"connection_channels", "rabbitmq_memory_client_connection_channel_bytes"},
    {"connection_other", "rabbitmq_memory_client_connection_other_bytes"},
    {"queue_procs", "rabbitmq_memory_classic_queue_erlang_process_bytes"},
    {"quorum_queue_procs", "rabbitmq_memory_quorum_queue_erlang_process_bytes"},
    {"quorum_queue_dlx_procs", "rabbitmq_memory_quorum_queue_dlx_erlang_process_bytes"},
    {"stream_queue_procs", "rabbitmq_memory_stream_erlang_process_bytes"},
    {"stream_queue_replica_reader_procs", "rabbitmq_memory_stream_replica_reader_erlang_process_bytes"},
    {"stream_queue_coordinator_procs", "rabbitmq_memory_stream_coordinator_erlang_process_bytes"},
    {"plugins", "rabbitmq_memory_plugin_bytes"},
    {"metadata_store", "rabbitmq_memory_modern_metadata_store_bytes"},
    {"other_proc", "rabbitmq_memory_other_erlang_process_bytes"},
    {"metrics", "rabbitmq_memory_metrics_bytes"},
    {"mgmt_db", "rabbitmq_memory_management_stats_db_bytes"},
    {"mnesia", "rabbitmq_memory_classic_metadata_store_bytes"},
    {"quorum_ets", "rabbitmq_memory_quorum_queue_ets_table_bytes"},
    {"metadata_store_ets", "rabbitmq_memory_modern_metadata_store_ets_table_bytes"},
    {"other_ets", "rabbitmq_memory_other_ets_table_bytes"},
    {"binary", "rabbitmq_memory_binary_heap_bytes"},
    {"msg_index", "rabbitmq_memory_message_index_bytes"},
    {"atom", "rabbitmq_memory_atom_table_bytes"},
    {"other_system", "rabbitmq_memory_other_system_bytes"},
    {"allocated_unused", "rabbitmq_memory_runtime_allocated_unused_bytes"},
    {"reserved_unallocated", "rabbitmq_memory_runtime_reserved_unallocated_bytes"},
};

void memory_breakdown(Api& api, const CallRef& call) {
  api.with_raw_figures(call, [&api, call](const Figures& figures) {
    MetricsText out;
    const auto parts = memory_parts(*figures.now, api.options().process_figures().resident_bytes);
    for (const auto& [name, metric] : kMemoryMetrics) {
      const auto part = std::find_if(parts.begin(), parts.end(),
                                     [&name = name](const auto& one) { return one.name == name; });
      if (part != parts.end()) out.gauge(metric, "Memory in use, of this kind", part->bytes);
    }
    put_identity(out, api, "memory-breakdown");
    reply_metrics(api, call, std::move(out), {});
  });
}

constexpr Route kRoutes[] = {
    {"GET", "/metrics", Door::monitoring, aggregated},
    {"GET", "/metrics/per-object", Door::monitoring, per_object},
    {"GET", "/metrics/detailed", Door::monitoring, reply_detailed_metrics},
    {"GET", "/metrics/memory-breakdown", Door::monitoring, memory_breakdown},
};

}  // namespace
}  // namespace metric

std::span<const Route> metric_routes() {
  return metric::kRoutes;
}

}  // namespace millrace::management
