#include "management/metrics_detailed.hpp"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "broker/access/pattern.hpp"
#include "management/items.hpp"
#include "management/metrics_node.hpp"
#include "management/metrics_tables.hpp"

namespace millrace::management {
namespace {

using broker::ChannelDetails;
using broker::ConnectionStatistics;
using broker::QueueStatistics;

constexpr const char* kDetailedPrefix = "rabbitmq_detailed_";
constexpr const char* kClusterPrefix = "rabbitmq_cluster_";
constexpr std::string_view kGauge = "gauge";
constexpr std::string_view kCounter = "counter";

template <class T>
struct Metric {
  std::string_view name;
  std::string_view type;
  std::string_view help;
  std::uint64_t (*value)(const T&);
};

constexpr Metric<QueueStatistics> kQueueCoarse[] = {
    {"queue_messages_ready", kGauge, "Messages that wait for a consumer",
     [](const auto& q) { return q.ready; }},
    {"queue_messages_unacked", kGauge, "Messages given and not acknowledged",
     [](const auto& q) { return q.unacked; }},
    {"queue_messages", kGauge, "Both", [](const auto& q) { return q.ready + q.unacked; }},
};
constexpr Metric<QueueStatistics> kQueueConsumers[] = {
    {"queue_consumers", kGauge, "Consumers", [](const auto& q) { return std::uint64_t{q.consumers}; }},
};
constexpr Metric<QueueStatistics> kQueueMetrics[] = {
    kQueueConsumers[0],
    {"queue_process_memory_bytes", kGauge, "Memory of the messages",
     [](const auto& q) { return q.memory_bytes; }},
    {"queue_messages_bytes", kGauge, "Bodies of all messages",
     [](const auto& q) { return q.ready_bytes + q.unacked_bytes; }},
    {"queue_messages_ready_bytes", kGauge, "Bodies of messages that wait",
     [](const auto& q) { return q.ready_bytes; }},
    {"queue_messages_unacked_bytes", kGauge, "Bodies of messages given and not acknowledged",
     [](const auto& q) { return q.unacked_bytes; }},
};
constexpr Metric<QueueStatistics> kQueueDelivery[] = {
    {"queue_get_ack_total", kCounter, "Messages got, to be acknowledged",
     [](const auto& q) { return q.counters.got; }},
    {"queue_get_total", kCounter, "Messages got without",
     [](const auto& q) { return q.counters.got_no_ack; }},
    {"queue_messages_delivered_ack_total", kCounter, "Messages given to consumers, to be acknowledged",
     [](const auto& q) { return q.counters.delivered; }},
    {"queue_messages_delivered_total", kCounter, "Messages given to consumers without",
     [](const auto& q) { return q.counters.delivered_no_ack; }},
    {"queue_messages_redelivered_total", kCounter, "Messages given again",
     [](const auto& q) { return q.counters.redelivered; }},
    {"queue_messages_acked_total", kCounter, "Messages acknowledged",
     [](const auto& q) { return q.counters.acked; }},
    {"queue_get_empty_total", kCounter, "Gets that found nothing",
     [](const auto& q) { return q.counters.got_nothing; }},
};
constexpr Metric<broker::ExchangeCounters> kExchange[] = {
    {"exchange_messages_published_total", kCounter, "Messages published to it",
     [](const auto& x) { return x.in; }},
};
constexpr Metric<ConnectionStatistics> kConnectionCoarse[] = {
    {"connection_incoming_bytes_total", kCounter, "Bytes from the client",
     [](const auto& c) { return c.session.bytes_received; }},
    {"connection_outgoing_bytes_total", kCounter, "Bytes to the client",
     [](const auto& c) { return c.session.bytes_sent; }},
};
constexpr Metric<ConnectionStatistics> kConnection[] = {
    {"connection_channels", kGauge, "Channels",
     [](const auto& c) { return std::uint64_t{c.session.channels.size()}; }},
};
constexpr Metric<ChannelDetails> kChannel[] = {
    {"channel_consumers", kGauge, "Consumers", [](const auto& c) { return std::uint64_t{c.consumers}; }},
    {"channel_messages_unacked", kGauge, "Messages given and not acknowledged",
     [](const auto& c) { return c.unacked; }},
    {"channel_messages_unconfirmed", kGauge, "Messages published and not confirmed",
     [](const auto& c) { return c.unconfirmed; }},
    {"consumer_prefetch", kGauge, "Unacknowledged messages that each consumer may have; 0: any number",
     [](const auto& c) { return std::uint64_t{c.prefetch}; }},
    {"channel_prefetch", kGauge, "Those that all its consumers may have together; 0: any number",
     [](const auto& c) { return std::uint64_t{c.channel_prefetch}; }},
};

// Objects that have the same metrics, with their labels.
template <class T>
struct Rows {
  Figures figures;  // holds what is pointed to
  std::vector<std::pair<const T*, std::string>> of;
};

std::string labels_of(std::string_view vhost, std::string_view kind, std::string_view name) {
  return "vhost=\"" + label_value(vhost) + "\"," + std::string(kind) + "=\"" + label_value(name) + '"';
}

// RabbitMQ's modules.
std::string_view module_of(const broker::QueueSpec& queue) {
  const std::string_view type = queue_type(queue);
  if (type == "quorum") return "rabbit_quorum_queue";
  return type == "stream" ? "rabbit_stream_queue" : "rabbit_classic_queue";
}

using Names = std::set<std::string, std::less<>>;

// What one query asks for.
struct Asked {
  Names families;
  Names vhosts;                                        // none: all
  std::shared_ptr<const broker::Pattern> queue_names;  // null: all

  bool wants(std::string_view family) const { return families.contains(family); }
  bool covers(std::string_view vhost) const { return vhosts.empty() || vhosts.contains(vhost); }
  // With figures that queue_info stands beside.
  bool shows_queues() const {
    return wants("queue_coarse_metrics") || wants("queue_consumer_count") || wants("queue_metrics");
  }
};

// As with RabbitMQ an empty pattern is none, and there may be one only.
result<Asked> read_query(const Target& query) {
  Asked asked;
  const std::string* pattern = nullptr;
  for (const auto& [key, value] : query.query) {
    if (key == "family") asked.families.insert(value);
    if (key == "vhost") asked.vhosts.insert(value);
    if (key != "queue") continue;
    if (pattern != nullptr) return fail(Errc::invalid_argument, "'queue' may be given once only");
    pattern = &value;
  }
  if (pattern == nullptr || pattern->empty()) return asked;
  if (pattern->size() > kMaxQueuePatternBytes) {
    return fail(Errc::invalid_argument,
                "'queue' may have at most " + std::to_string(kMaxQueuePatternBytes) + " bytes");
  }
  asked.queue_names = std::make_shared<const broker::Pattern>(*pattern);
  if (!asked.queue_names->valid()) {
    return fail(Errc::invalid_argument, "'queue' is not a valid regular expression");
  }
  return asked;
}

using Queues = std::vector<std::shared_ptr<const broker::QueueSpec>>;

Queues queues_of_vhosts(const Api& api, const Asked& asked) {
  Queues queues;
  if (!asked.shows_queues() && !asked.wants("queue_delivery_metrics")) return queues;
  for (const auto& [vhost_name, vhost] : api.model().definitions().vhosts()) {
    if (!asked.covers(vhost_name)) continue;
    for (const auto& [name, queue] : vhost.queues) queues.push_back(queue);
  }
  return queues;
}

class Detailed {
 public:
  Detailed(const Api& api, const Asked& asked, const Figures& figures, const Queues& queues)
      : api_(api), asked_(asked), figures_(figures), queues_(queues) {}

  void put_all(MetricsText& out) {
    put_of_node(out);
    add_queues();
    add_exchanges();
    add_clients();
    add_cluster();
  }
  std::vector<MetricsTable> take_tables() && { return std::move(tables_); }

 private:
  bool wants(std::string_view family) const { return asked_.wants(family); }

  void put_of_node(MetricsText& out) const {
    if (wants("connection_churn_metrics")) put_churn(out, kDetailedPrefix, *figures_.now);
    if (wants("node_coarse_metrics")) put_node_usage(out, kDetailedPrefix, api_);
    if (wants("node_metrics")) put_node_limits(out, kDetailedPrefix, api_, *figures_.now);
    if (wants("auth_attempt_metrics")) put_logins(out);
  }

  void put_logins(MetricsText& out) const {
    const auto put = [&](const std::string& name, std::string_view help, auto value) {
      out.family(kDetailedPrefix + name, kCounter, help);
      for (const auto& [protocol, logins] : figures_.now->logins) {
        out.sample(value(logins), "protocol=\"" + label_value(short_protocol(protocol)) + '"');
      }
    };
    put("auth_attempts_total", "Logins", [](const auto& logins) { return logins.accepted + logins.refused; });
    put("auth_attempts_succeeded_total", "Logins that went well",
        [](const auto& logins) { return logins.accepted; });
    put("auth_attempts_failed_total", "Logins that were refused",
        [](const auto& logins) { return logins.refused; });
  }

  template <class T, std::size_t N>
  void add(const Metric<T> (&metrics)[N], const std::shared_ptr<const Rows<T>>& rows) {
    for (const Metric<T>& metric : metrics) {
      tables_.push_back({kDetailedPrefix + std::string(metric.name), metric.type, metric.help,
                         rows->of.size(), [rows, value = metric.value](MetricsText& out, std::size_t row) {
                           out.sample(value(*rows->of[row].first), rows->of[row].second);
                           return std::size_t{1};
                         }});
    }
  }
  // Rows that are a number each.
  void add_numbers(std::string name, std::string_view help,
                   std::vector<std::pair<std::uint64_t, std::string>> numbers) {
    const std::size_t count = numbers.size();
    tables_.push_back({std::move(name), kGauge, help, count,
                       [numbers = std::move(numbers)](MetricsText& out, std::size_t row) {
                         out.sample(numbers[row].first, numbers[row].second);
                         return std::size_t{1};
                       }});
  }

  void add_queues() {
    const bool shows_queues = asked_.shows_queues();
    auto rows = std::make_shared<Rows<QueueStatistics>>(Rows<QueueStatistics>{figures_, {}});
    std::vector<std::pair<std::uint64_t, std::string>> info;
    for (const auto& queue : queues_) {
      std::string labels = labels_of(queue->vhost, "queue", queue->name);
      if (shows_queues) {
        info.emplace_back(
            1, labels + ",queue_type=\"" + std::string(module_of(*queue)) + "\",membership=\"leader\"");
      }
      rows->of.emplace_back(&figures_.of(queue->address.id), std::move(labels));
    }
    const std::shared_ptr<const Rows<QueueStatistics>> queues = std::move(rows);
    if (wants("queue_coarse_metrics")) add(kQueueCoarse, queues);
    if (wants("queue_metrics")) {
      add(kQueueMetrics, queues);
    } else if (wants("queue_consumer_count")) {
      add(kQueueConsumers, queues);
    }
    if (wants("queue_delivery_metrics")) add(kQueueDelivery, queues);
    if (shows_queues) {
      add_numbers(kDetailedPrefix + std::string("queue_info"), "1, and labels with what a queue is",
                  std::move(info));
    }
  }

  void add_exchanges() {
    if (!wants("exchange_metrics")) return;
    auto rows =
        std::make_shared<Rows<broker::ExchangeCounters>>(Rows<broker::ExchangeCounters>{figures_, {}});
    for (const auto& [where, counters] : figures_.now->exchanges) {
      if (asked_.covers(where.first))
        rows->of.emplace_back(&counters, labels_of(where.first, "exchange", where.second));
    }
    add(kExchange, std::shared_ptr<const Rows<broker::ExchangeCounters>>(std::move(rows)));
  }

  // Erlang's processes are named by their numbers, and connections as well by "channel".
  void add_clients() {
    const bool shows_connections = wants("connection_coarse_metrics") || wants("connection_metrics");
    if (!shows_connections && !wants("channel_metrics")) return;
    auto connections = std::make_shared<Rows<ConnectionStatistics>>(Rows<ConnectionStatistics>{figures_, {}});
    auto channels = std::make_shared<Rows<ChannelDetails>>(Rows<ChannelDetails>{figures_, {}});
    for (const auto& connection : figures_.now->connections) {
      const std::string name = label_value(connection_name(api_, connection));
      connections->of.emplace_back(&connection, "channel=\"" + name + '"');
      for (const auto& channel : connection.session.channels) {
        channels->of.emplace_back(&channel,
                                  "channel=\"" + name + " (" + std::to_string(channel.number) + ")\"");
      }
    }
    const std::shared_ptr<const Rows<ConnectionStatistics>> all = std::move(connections);
    if (wants("connection_coarse_metrics")) add(kConnectionCoarse, all);
    if (wants("connection_metrics")) add(kConnection, all);
    if (wants("channel_metrics"))
      add(kChannel, std::shared_ptr<const Rows<ChannelDetails>>(std::move(channels)));
  }

  // RabbitMQ tells of all vhosts here, whichever are named.
  void add_cluster() {
    const bool shows_exchanges = wants("exchange_bindings") || wants("exchange_names");
    if (!shows_exchanges && !wants("vhost_status")) return;
    std::vector<std::pair<std::uint64_t, std::string>> vhosts, bindings, names;
    for (const auto& [vhost_name, vhost] : api_.model().definitions().vhosts()) {
      vhosts.emplace_back(1, "vhost=\"" + label_value(vhost_name) + '"');
      for (const auto& [name, exchange] : vhost.exchanges) {
        if (!shows_exchanges || name.empty() || exchange.internal) continue;
        std::string labels =
            labels_of(vhost_name, "exchange", name) + ",type=\"" + label_value(exchange.type) + '"';
        const auto from = vhost.by_source.find(name);
        bindings.emplace_back(from == vhost.by_source.end() ? 0 : from->second.size(), labels);
        names.emplace_back(1, std::move(labels));
      }
    }
    const std::string prefix = kClusterPrefix;
    if (wants("vhost_status")) add_numbers(prefix + "vhost_status", "1: it runs", std::move(vhosts));
    if (wants("exchange_bindings")) {
      add_numbers(prefix + "exchange_bindings", "Bindings from the exchange", std::move(bindings));
    }
    if (wants("exchange_names")) {
      add_numbers(prefix + "exchange_name", "1, and labels with what an exchange is", std::move(names));
    }
  }

  const Api& api_;
  const Asked& asked_;
  Figures figures_;
  const Queues& queues_;
  std::vector<MetricsTable> tables_;
};

// A scrape on its way.
struct Scrape {
  Api& api;
  CallRef call;
  Asked asked;
  Figures figures;
  Queues queues;
  std::size_t next = 0;
  std::size_t kept = 0;
};

void finish(const Scrape& scrape) {
  MetricsText out;
  Detailed detailed(scrape.api, scrape.asked, scrape.figures, scrape.queues);
  detailed.put_all(out);
  put_identity(out, scrape.api, "detailed");
  reply_metrics(scrape.api, scrape.call, std::move(out), std::move(detailed).take_tables());
}

// A search may take long, and there may be very many names: others are served in between.
void choose_queues(const std::shared_ptr<Scrape>& scrape) {
  Queues& queues = scrape->queues;
  const std::size_t end = std::min(queues.size(), scrape->next + kNamesPerTurn);
  for (; scrape->next < end; ++scrape->next) {
    auto& queue = queues[scrape->next];
    if (scrape->asked.queue_names->search(queue->name)) std::swap(queues[scrape->kept++], queue);
  }
  if (scrape->next < queues.size()) {
    return scrape->api.home().post([scrape] { choose_queues(scrape); });
  }
  queues.resize(scrape->kept);
  finish(*scrape);
}

}  // namespace

void reply_detailed_metrics(Api& api, const CallRef& call) {
  auto asked = read_query(call->target);
  if (asked.has_error()) return reply(call, refusal(asked.error()));
  api.with_raw_figures(call, [&api, call, asked = std::move(*asked)](const Figures& figures) mutable {
    Queues queues = queues_of_vhosts(api, asked);
    const auto scrape =
        std::make_shared<Scrape>(Scrape{api, call, std::move(asked), figures, std::move(queues)});
    if (scrape->asked.queue_names != nullptr) return choose_queues(scrape);
    finish(*scrape);
  });
}

}  // namespace millrace::management
