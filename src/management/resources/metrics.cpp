// /metrics and /metrics/per-object: the figures in Prometheus' text format, by the names and labels that
// RabbitMQ's dashboards read.
//
// One queue of many costs its few lines in /metrics/per-object alone; what is aggregated has the same size
// whatever there is. A counter never falls while the broker runs: what is gone stays counted.
#include <algorithm>
#include <array>
#include <boost/json/value.hpp>
#include <charconv>

#include "base/utf8.hpp"
#include "management/items.hpp"
#include "management/listing.hpp"

namespace millrace::management {
namespace metric {
namespace {

using broker::NodeStatistics;
using broker::QueueCounters;

// https://prometheus.io/docs/instrumenting/exposition_formats/
std::string label_value(std::string_view text) {
  std::string out;
  for (const char c : as_utf8(text)) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

class Writer {
 public:
  void family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    ((((text_ += "# TYPE ") += name) += ' ') += type) += '\n';
    ((((text_ += "# HELP ") += name) += ' ') += help) += '\n';
  }
  void sample(std::uint64_t value, std::string_view labels = {}) {
    text_ += name_;
    if (!labels.empty()) ((text_ += '{') += labels) += '}';
    ((text_ += ' ') += std::to_string(value)) += '\n';
  }
  // A family of one sample.
  void gauge(std::string_view name, std::string_view help, std::uint64_t value) {
    family(name, "gauge", help);
    sample(value);
  }
  void counter(std::string_view name, std::string_view help, std::uint64_t value,
               std::string_view labels = {}) {
    family(name, "counter", help);
    sample(value, labels);
  }
  // Of a histogram: `count` is of what is not beyond `end`. Times are in seconds, as Prometheus' conventions
  // have it.
  void bucket(std::string_view end, std::uint64_t count, std::string_view labels) {
    (((text_ += name_) += "_bucket{") += labels) += labels.empty() ? "" : ",";
    ((((text_ += "le=\"") += end) += "\"} ") += std::to_string(count)) += '\n';
  }
  void sum_and_count(std::string_view sum, std::uint64_t count, std::string_view labels) {
    const auto put = [&](std::string_view what, std::string_view value) {
      (text_ += name_) += what;
      if (!labels.empty()) ((text_ += '{') += labels) += '}';
      ((text_ += ' ') += value) += '\n';
    };
    put("_sum", sum);
    put("_count", std::to_string(count));
  }
  void sample_seconds(std::uint64_t us, std::string_view labels = {}) {
    text_ += name_;
    if (!labels.empty()) ((text_ += '{') += labels) += '}';
    ((text_ += ' ') += seconds(us)) += '\n';
  }
  // Exact to the microsecond, without an exponent.
  static std::string seconds(std::uint64_t us) {
    std::string text = std::to_string(us / 1'000'000);
    if (const std::uint64_t part = us % 1'000'000; part != 0) {
      const std::string digits = std::to_string(1'000'000 + part);
      text += '.' + digits.substr(1, digits.find_last_not_of('0'));
    }
    return text;
  }
  std::string& text() noexcept { return text_; }

 private:
  std::string name_;
  std::string text_;
};

void put_identity(Writer& out, const Api& api, std::string_view endpoint) {
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

void put_node(Writer& out, const Api& api, const NodeStatistics& now) {
  const ApiOptions& options = api.options();
  const ProcessFigures process = options.process_figures();
  out.gauge("rabbitmq_process_open_fds", "Open files", process.open_files);
  out.gauge("rabbitmq_process_max_fds", "Files that may be open", process.open_files_max);
  out.gauge("rabbitmq_process_open_tcp_sockets", "Open connections", now.connections.size());
  out.gauge("rabbitmq_process_resident_memory_bytes", "Memory in use", process.resident_bytes);
  out.gauge("rabbitmq_resident_memory_limit_bytes", "Memory in use from which publishers are held back",
            now.memory_limit_bytes);
  out.gauge("rabbitmq_disk_space_available_bytes", "Room on the disk", process.disk_free_bytes);
  out.gauge("rabbitmq_disk_space_available_limit_bytes",
            "Room on the disk below which publishers are held back", now.disk_low_water_bytes);
  out.gauge("rabbitmq_erlang_uptime_seconds", "Since the start",
            static_cast<std::uint64_t>((options.wall_ms() - options.started_ms) / 1000));
  out.gauge("rabbitmq_alarms_memory_used_watermark", "1 while memory is short", now.memory_alarm ? 1 : 0);
  out.gauge("rabbitmq_alarms_free_disk_space_watermark", "1 while disk space is short",
            now.disk_alarm ? 1 : 0);
}

void put_churn(Writer& out, const NodeStatistics& now) {
  std::uint64_t channels = 0;
  for (const auto& connection : now.connections) channels += connection.session.channels.size();
  out.gauge("rabbitmq_connections", "Open connections", now.connections.size());
  out.gauge("rabbitmq_channels", "Open channels", channels);
  out.gauge("rabbitmq_consumers", "Consumers", now.consumers.size());
  out.gauge("rabbitmq_queues", "Queues", now.queues.size());
  out.counter("rabbitmq_connections_opened_total", "Connections opened", now.connections_opened);
  out.counter("rabbitmq_connections_closed_total", "Connections closed", now.connections_closed);
  out.counter("rabbitmq_channels_opened_total", "Channels opened", now.channels_opened);
  out.counter("rabbitmq_channels_closed_total", "Channels closed", now.channels_closed);
  out.counter("rabbitmq_queues_declared_total", "Declarations of queues", now.queues_declared);
  out.counter("rabbitmq_queues_created_total", "Queues made", now.queues_created);
  out.counter("rabbitmq_queues_deleted_total", "Queues deleted", now.queues_deleted);
  out.family("rabbitmq_auth_attempts_total", "counter", "Logins");
  std::uint64_t accepted = 0, refused = 0;
  for (const auto& [protocol, logins] : now.logins) {
    accepted += logins.accepted;
    refused += logins.refused;
  }
  out.sample(accepted + refused);
  out.counter("rabbitmq_auth_attempts_succeeded_total", "Logins that went well", accepted);
  out.counter("rabbitmq_auth_attempts_failed_total", "Logins that were refused", refused);
}

constexpr std::string_view kProtocol = "protocol=\"amqp091\"";

// The ends of MessageSizes as RabbitMQ's dashboards select them, letter by letter: Prometheus 3 writes every
// end so, Prometheus 2 keeps what it was given.
constexpr std::array<std::string_view, broker::MessageSizes::kEnds.size()> kSizeEnds{
    "100.0", "1000.0", "10000.0", "100000.0", "1e+06", "1e+07", "5e+07", "1e+08"};

void put_sizes(Writer& out, const broker::MessageSizes& sizes) {
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

void put_messages(Writer& out, const NodeStatistics& now) {
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
void put_queue_sums(Writer& out, const NodeStatistics& now) {
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

void put_histogram(Writer& out, const broker::LatencyCounts& counts, std::string_view labels) {
  std::uint64_t below = 0;
  unsigned bucket = 0;
  for (unsigned power = kFirstBound; power <= kLastBound; power += kBoundStep) {
    const std::uint64_t end = std::uint64_t{1} << power;
    for (; broker::latency_bucket_end(bucket) <= end; ++bucket) below += counts.at(bucket);
    out.bucket(Writer::seconds(end), below, labels);
  }
  out.bucket("+Inf", counts.count, labels);
  out.sum_and_count(Writer::seconds(counts.sum_us), counts.count, labels);
}

struct QueueHistogram {
  std::string_view name;
  std::string_view help;
  const std::shared_ptr<const broker::LatencyCounts>& (*of)(const broker::QueueStatistics&);
  const broker::LatencyHistogram& (*of_all)(const NodeStatistics&);
};
constexpr QueueHistogram kQueueHistograms[] = {
    {"millrace_queue_time_in_queue_seconds", "From the arrival of a message to its delivery",
     [](const broker::QueueStatistics& q) -> const auto& {return q.times.waited;
}  // namespace
, [](const NodeStatistics& all) -> const auto& {
  return all.waited;
}
}  // namespace metric
, {"millrace_queue_time_to_ack_seconds", "From the delivery of a message to its acknowledgement",
   [](const broker::QueueStatistics& q) -> const auto& {return q.times.held;
}  // namespace millrace::management
, [](const NodeStatistics& all) -> const auto& {
  return all.held;
}
}
,
}
;

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

void put_latencies(Writer& out, const NodeStatistics& now) {
  for (const QueueHistogram& histogram : kQueueHistograms) {
    out.family(histogram.name, "histogram", histogram.help);
    put_histogram(out, broker::LatencyCounts(histogram.of_all(now)), {});
  }
  std::uint64_t oldest_us = 0;
  for (const auto& [id, queue] : now.queues) oldest_us = std::max(oldest_us, kOldestAge.value_us(queue, now));
  out.family(kOldestAge.name, kOldestAge.type, kOldestAge.help);
  out.sample_seconds(oldest_us);
}

void put_spans(Writer& out, const ApiOptions& options) {
  const otlp::SpanFigures spans = options.span_figures ? options.span_figures() : otlp::SpanFigures{};
  out.counter("millrace_otlp_spans_sent_total", "Spans of messages that the collector took", spans.sent);
  out.counter("millrace_otlp_spans_dropped_total",
              "Spans that it refused, or that were too many while it was slow", spans.dropped);
}

void put_common(Writer& out, const Api& api, const NodeStatistics& now, std::string_view endpoint) {
  put_identity(out, api, endpoint);
  put_node(out, api, now);
  put_churn(out, now);
  put_messages(out, now);
  put_sizes(out, now.sizes);
  put_spans(out, api.options());
}

Answer metrics_answer(std::string text) {
  Answer answer;
  answer.body = std::move(text);
  answer.content_type = "text/plain; version=0.0.4; charset=utf-8";
  return answer;
}

void aggregated(Api& api, const CallRef& call) {
  api.with_raw_figures(call, [&api, call](const Figures& figures) {
    Writer out;
    put_common(out, api, *figures.now, "aggregated");
    put_queue_sums(out, *figures.now);
    put_latencies(out, *figures.now);
    reply(call, metrics_answer(std::move(out.text())));
  });
}

// Lines of one figure of one queue after the other, family by family as the format wants it; a turn of the
// thread for so many.
struct PerObject {
  static constexpr std::size_t kLinesPerTurn = 4096;

  Api& api;
  CallRef call;
  Figures figures;
  std::vector<std::pair<const broker::QueueStatistics*, std::string>> queues;  // with their labels
  Writer out;
  std::size_t family = 0;
  std::size_t next = 0;
  std::size_t reserved = 0;
};

constexpr std::size_t kFamilies =
    std::size(kQueueGauges) + std::size(kQueueTimes) + std::size(kQueueHistograms);

// One figure of the queue that is next, or what a family begins with when `queue` is null. Returns lines.
std::size_t put_figure(Writer& out, std::size_t family, const NodeStatistics& now,
                       const broker::QueueStatistics* queue, std::string_view labels) {
  if (family < std::size(kQueueGauges)) {
    const QueueGauge& gauge = kQueueGauges[family];
    if (queue != nullptr) {
      out.sample(gauge.value(*queue), labels);
    } else {
      out.family(gauge.name, gauge.is_counter ? "counter" : "gauge", gauge.help);
    }
    return 1;
  }
  family -= std::size(kQueueGauges);
  if (family < std::size(kQueueTimes)) {
    const QueueTime& time = kQueueTimes[family];
    if (queue != nullptr) {
      out.sample_seconds(time.value_us(*queue, now), labels);
    } else {
      out.family(time.name, time.type, time.help);
    }
    return 1;
  }
  const QueueHistogram& histogram = kQueueHistograms[family - std::size(kQueueTimes)];
  if (queue == nullptr) {
    out.family(histogram.name, "histogram", histogram.help);
    return 1;
  }
  // What was never used has no lines.
  const auto& counts = histogram.of(*queue);
  if (!counts) return 1;
  put_histogram(out, *counts, labels);
  return (kLastBound - kFirstBound) / kBoundStep + 4;
}

void go_on(const std::shared_ptr<PerObject>& run) {
  const NodeStatistics& now = *run->figures.now;
  for (std::size_t lines = 0; run->family < kFamilies && lines < PerObject::kLinesPerTurn;) {
    if (run->next == 0) lines += put_figure(run->out, run->family, now, nullptr, {});
    if (run->next < run->queues.size()) {
      const auto& [queue, labels] = run->queues[run->next];
      lines += put_figure(run->out, run->family, now, queue, labels);
      ++run->next;
    }
    if (run->next >= run->queues.size()) {
      run->next = 0;
      ++run->family;
    }
  }
  const std::size_t before = std::exchange(run->reserved, run->out.text().size());
  const bool fits =
      run->api.hold_list_bytes(before, run->reserved) && run->reserved <= Listing::kMaxAnswerBytes;
  if (fits && run->family < kFamilies) return run->api.home().post([run] { go_on(run); });
  run->api.hold_list_bytes(run->reserved, 0);
  if (fits) return reply(run->call, metrics_answer(std::move(run->out.text())));
  reply(run->call, refusal(503, "service_unavailable", "there are too many queues to tell of each"));
}

void per_object(Api& api, const CallRef& call) {
  api.with_raw_figures(call, [&api, call](const Figures& figures) {
    auto run = std::make_shared<PerObject>(PerObject{api, call, figures, {}, {}, 0, 0, 0});
    put_common(run->out, api, *figures.now, "per-object");
    for (const auto& [vhost_name, vhost] : api.model().definitions().vhosts()) {
      const std::string of_vhost = "vhost=\"" + label_value(vhost_name) + "\",queue=\"";
      for (const auto& [name, queue] : vhost.queues) {
        run->queues.emplace_back(&figures.of(queue->address.id), of_vhost + label_value(name) + "\"");
      }
    }
    go_on(run);
  });
}

constexpr Route kRoutes[] = {
    {"GET", "/metrics", Door::monitoring, aggregated},
    {"GET", "/metrics/per-object", Door::monitoring, per_object},
};

}  // namespace
}  // namespace metric

std::span<const Route> metric_routes() {
  return metric::kRoutes;
}

}  // namespace millrace::management
