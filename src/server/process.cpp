#include "server/process.hpp"

#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <future>
#include <utility>
#include <vector>

#include "management/api.hpp"
#include "management/definitions_import.hpp"
#include "management/http_server.hpp"
#include "protocol/amqp091/format.hpp"
#include "runtime/os/asio_loop.hpp"
#include "runtime/os/clock.hpp"
#include "runtime/os/disk_thread.hpp"
#include "runtime/os/entropy.hpp"
#include "runtime/os/file_system.hpp"
#include "runtime/os/shard_loop.hpp"
#include "server/amqp_session.hpp"
#include "server/audit_log.hpp"
#include "server/authorities.hpp"
#include "server/effective_config.hpp"
#include "server/listener.hpp"
#include "server/process_figures.hpp"
#include "server/span_export.hpp"

namespace millrace::server {
namespace {

using broker::LogLevel;

unsigned available_cores() {
  cpu_set_t cores;
  if (::sched_getaffinity(0, sizeof cores, &cores) != 0) return 1;
  return static_cast<unsigned>(std::max(1, CPU_COUNT(&cores)));
}

std::string absolute(const std::string& path) {
  char* resolved = ::realpath(path.c_str(), nullptr);
  std::string text = resolved == nullptr ? path : resolved;
  std::free(resolved);
  return text;
}

std::string describe_mode(const Config& config) {
  switch (config.sync_mode) {
    case storage::SyncMode::sync:
      return "sync: a confirmed message is on the disk";
    case storage::SyncMode::interval:
      return "interval: a power cut may lose confirmed messages of the last " +
             std::to_string(config.sync_interval.count()) + " ms";
    case storage::SyncMode::os:
      return "os: a power cut may lose confirmed messages";
  }
  return {};
}

std::string_view name_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warning:
      return "warning";
    case LogLevel::error:
      return "error";
  }
  return {};
}

class RunningProcess final : public Process {
 public:
  RunningProcess(const Config& config, LogFunction log, std::unique_ptr<runtime::FileSystem> files)
      : config_(config), log_level_(config.log_level), files_(std::move(files)) {
    log_ = [this, log = std::move(log)](LogLevel level, std::string_view text) {
      if (level >= log_level_.load(std::memory_order_relaxed)) log(level, text);
    };
    session_options_.frame_max = config.frame_max;
    session_options_.channel_max = config.channel_max;
    session_options_.heartbeat_s = config.heartbeat_s;
    session_options_.allow_anonymous = config.allow_anonymous;
    session_options_.handshake_timeout_ms = config.handshake_timeout_ms;
    session_options_.random = runtime::fill_random;
  }

  ~RunningProcess() override {
    // It first: its tasks ask the node.
    http_loop_.stop();
    http_loop_.join();
    if (authorities_) authorities_->stop();
    for (const auto& loop : loops_) loop->stop();
    for (const auto& loop : loops_) loop->join();
    if (spans_) spans_->stop();
    for (const auto& disk : disks_) disk->stop();
    if (helper_) helper_->stop();
  }

  result<void> open() {
    std::vector<broker::Change> definitions;
    if (!config_.definitions.empty()) {
      auto read = management::read_definitions(config_.definitions, runtime::fill_random);
      if (!read) return read.error();
      for (const std::string& note : read->notes) log_(LogLevel::warning, note);
      definitions = std::move(read->changes);
    }
    auto sockets = bind_all(config_.amqp);
    if (!sockets) return sockets.error();
    auto http_sockets = bind_all(config_.http);
    if (!http_sockets) return http_sockets.error();
    auto metric_sockets = bind_all(config_.prometheus);
    if (!metric_sockets) return metric_sockets.error();
    auto secure_metric_sockets = bind_all(config_.prometheus_tls);
    if (!secure_metric_sockets) return secure_metric_sockets.error();
    auto secure_sockets = bind_all(config_.amqps);
    if (!secure_sockets) return secure_sockets.error();
    auto https_sockets = bind_all(config_.https);
    if (!https_sockets) return https_sockets.error();
    auto tls = load_tls();
    if (!tls) return tls.error();
    auto authorities = Authorities::make(config_.auth, clock_, log_);
    if (!authorities) return authorities.error();
    authorities_ = std::move(*authorities);
    if (authorities_ && !authorities_->before_own()) offer_no_own_users();
    auto spans = SpanExport::make(config_.otlp, {session_options_.version, node_name()}, log_);
    if (!spans) return spans.error();
    spans_ = std::move(*spans);
    if (!config_.audit_log.empty()) {
      auto audit = AuditLog::open(config_.audit_log, clock_,
                                  [this](const std::string& line) { log_(LogLevel::error, line); });
      if (!audit) return audit.error();
      audit_log_ = std::move(*audit);
    }
    if (const auto opened = open_node(); !opened) return opened;
    make_pumps();
    amqp_addresses_ = addresses_of(*sockets);
    amqps_addresses_ = addresses_of(*secure_sockets);
    http_addresses_ = addresses_of(*http_sockets);
    https_addresses_ = addresses_of(*https_sockets);
    prometheus_addresses_ = addresses_of(*metric_sockets);
    prometheus_tls_addresses_ = addresses_of(*secure_metric_sockets);
    if (!http_sockets->empty() || !metric_sockets->empty() || !https_sockets->empty() ||
        !secure_metric_sockets->empty()) {
      make_api({{"amqp", &*sockets},
                {"amqp/ssl", &*secure_sockets},
                {"http", &*http_sockets},
                {"https", &*https_sockets},
                {"http/prometheus", &*metric_sockets},
                {"https/prometheus", &*secure_metric_sockets}});
      http_server_->use_tls(*tls);
      if (*tls) api_->show_certificates((*tls)->certificates());
    }
    for (BoundSocket& socket : *sockets) add_listener(std::move(socket));
    for (BoundSocket& socket : *secure_sockets) {
      add_listener(std::move(socket)).use_tls(*tls, config_.tls_login_from);
    }
    for (const auto& loop : loops_) loop->start();
    if (authorities_) authorities_->start();
    if (spans_) spans_->start();
    if (api_) http_loop_.start();
    if (const auto imported = import(std::move(definitions)); !imported) return imported;
    if (const auto listening = listen(); !listening) return listening;
    using management::Offer;
    if (const auto listening = listen_for_http(std::move(*http_sockets), Offer::api, false); !listening)
      return listening;
    if (const auto listening = listen_for_http(std::move(*https_sockets), Offer::api, true); !listening)
      return listening;
    if (const auto listening = listen_for_http(std::move(*secure_metric_sockets), Offer::metrics, true);
        !listening)
      return listening;
    return listen_for_http(std::move(*metric_sockets), Offer::metrics, false);
  }

  std::string ready_line() const override {
    const auto also = [](std::string_view name, const std::string& addresses) {
      return addresses.empty() ? std::string() : " " + std::string(name) + "=" + addresses;
    };
    return "ready amqp=" + (amqp_addresses_.empty() ? "off" : amqp_addresses_) +
           " http=" + (http_addresses_.empty() ? "off" : http_addresses_) + also("amqps", amqps_addresses_) +
           also("https", https_addresses_) + also("prometheus", prometheus_addresses_) +
           also("prometheus-tls", prometheus_tls_addresses_) + " data=" + absolute(config_.data_dir);
  }

  void reload() override {
    auto tls = load_tls();
    if (!tls) {
      return log_(LogLevel::error, "nothing is reloaded, what was in use stays: " + tls.error().text);
    }
    if (authorities_) {
      auto reread = authorities_->reload();
      if (!reread) {
        return log_(LogLevel::error, "nothing is reloaded, what was in use stays: " + reread.error().text);
      }
      (*reread)();
    }
    if (audit_log_) {
      const auto reopened = audit_log_->reopen();
      if (!reopened) log_(LogLevel::error, reopened.error().text + "; the one that was open is kept");
    }
    if (*tls == nullptr) return;
    loops_[0]->post([this, context = *tls] {
      for (const auto& listener : listeners_) {
        if (listener->uses_tls()) listener->use_tls(context, config_.tls_login_from);
      }
    });
    if (http_server_) {
      http_loop_.post([this, context = *tls] {
        http_server_->use_tls(context);
        api_->show_certificates(context->certificates());
      });
    }
    log_(LogLevel::info, "certificates are reloaded; connections that are open keep theirs");
  }

  bool connect(std::unique_ptr<runtime::ByteStream> stream, broker::ConnectionInfo info) override {
    return give_to_least_busy(pumps_, config_.max_connections, std::move(stream), std::move(info));
  }

  void when_all_have_turned(Task done) override { turn_from(0, std::move(done)); }

  void stop(runtime::Milliseconds grace, Task done) override {
    loops_[0]->post([this] {
      for (const auto& listener : listeners_) listener->close();
    });
    if (http_server_) http_loop_.post([this] { http_server_->close(); });
    node_->stop(grace, std::move(done));
  }

 private:
  // One loop after the other, so that nothing is counted by several threads.
  void turn_from(std::size_t index, Task done) {
    if (index < loops_.size()) {
      loops_[index]->post(
          [this, index, done = std::move(done)]() mutable { turn_from(index + 1, std::move(done)); });
    } else if (api_) {
      http_loop_.post(std::move(done));
    } else {
      done();
    }
  }

  // What logs in nobody but the broker's own users, whose passwords count for nothing.
  void offer_no_own_users() {
    if (session_options_.allow_anonymous) {
      log_(LogLevel::warning,
           "allow-anonymous lets nobody in: guest is a user of the broker's own, and "
           "auth-order leaves those out");
    }
    session_options_.allow_scram = false;
    session_options_.allow_anonymous = false;
  }

  // Null: none are configured.
  result<std::shared_ptr<const net::TlsContext>> load_tls() const {
    if (config_.tls.certificates.empty()) return std::shared_ptr<const net::TlsContext>();
    auto loaded = net::TlsContext::load(config_.tls);
    if (!loaded) return loaded;
    for (const std::string& warning : (*loaded)->warnings()) log_(LogLevel::warning, "TLS: " + warning);
    log_(LogLevel::info, "TLS: certificates of " + (*loaded)->description());
    return loaded;
  }

  Listener& add_listener(BoundSocket socket) {
    listeners_.push_back(std::make_unique<Listener>(std::move(socket), pumps_, admissions_,
                                                    config_.max_connections, config_.proxies, log_));
    return *listeners_.back();
  }

  static result<std::vector<BoundSocket>> bind_all(const std::vector<HostPort>& addresses) {
    std::vector<BoundSocket> sockets;
    for (const HostPort& where : addresses) {
      auto bound = bind_sockets(where);
      if (!bound) return bound.error();
      std::move(bound->begin(), bound->end(), std::back_inserter(sockets));
    }
    return sockets;
  }

  static std::string addresses_of(const std::vector<BoundSocket>& sockets) {
    std::string addresses;
    for (const BoundSocket& socket : sockets) addresses += (addresses.empty() ? "" : ",") + socket.address;
    return addresses;
  }

  using NamedSockets = std::pair<std::string, const std::vector<BoundSocket>*>;
  void make_api(const std::vector<NamedSockets>& all_sockets) {
    management::ApiOptions options;
    options.node_name = node_name();
    options.cluster_name = session_options_.cluster_name;
    options.product = session_options_.product;
    options.version = session_options_.version;
    options.max_connections = config_.max_connections;
    options.pid = static_cast<std::uint64_t>(::getpid());
    options.effective_config = effective_config(config_);
    options.memory_total = [] { return memory_total_bytes(); };
    options.process_figures = [data_dir = config_.data_dir] { return process_figures(data_dir); };
    if (spans_) options.span_figures = [spans = spans_.get()] { return spans->figures(); };
    options.random = runtime::fill_random;
    options.wall_ms = [this] { return clock_.wall().count(); };
    options.started_ms = clock_.wall().count();
    if (audit_log_) options.audit = [log = audit_log_.get()](const broker::AuditEvent& e) { log->write(e); };
    api_ = std::make_unique<management::Api>(node_->management(), http_loop_, http_loop_, std::move(options));
    api_->control_log({[this] { return log_level_.load(std::memory_order_relaxed); },
                       [this](LogLevel level) {
                         log_level_.store(level, std::memory_order_relaxed);
                         log_(LogLevel::error,
                              "log level set to " + std::string(name_of(level)));  // said at every level
                       }});
    api_->control_service({[this] { return is_serving_.load(std::memory_order_relaxed); },
                           [this](bool on, broker::Done<void> done) { turn_service(on, std::move(done)); }});
    std::vector<management::ListeningOn> listeners;
    for (const auto& [protocol, sockets] : all_sockets) {
      for (const BoundSocket& socket : *sockets) {
        const auto where = parse_host_port(socket.address);
        if (where) listeners.push_back({protocol, where->host, where->port});
      }
    }
    api_->listening_on(std::move(listeners));
    http_server_ =
        std::make_unique<management::HttpServer>(http_loop_.context(), *api_, config_.proxies, log_);
  }

  result<void> listen_for_http(std::vector<BoundSocket> sockets, management::Offer offer, bool secure) {
    if (sockets.empty()) return {};
    std::promise<result<void>> listening;
    http_loop_.post([&] {
      result<void> outcome;
      for (BoundSocket& socket : sockets) {
        if (outcome) outcome = http_server_->listen(socket.socket.release(), socket.is_ipv6, offer, secure);
      }
      listening.set_value(std::move(outcome));
    });
    return listening.get_future().get();
  }

  result<void> open_node() {
    std::uint64_t incarnation = 0;
    runtime::fill_random({reinterpret_cast<std::uint8_t*>(&incarnation), sizeof incarnation});
    const unsigned wanted = config_.shards != 0 ? config_.shards : available_cores();
    auto directory = storage::DataDirectory::open(*files_, config_.data_dir, wanted, incarnation);
    if (!directory) return directory.error();
    directory_ = std::move(*directory);
    if (config_.shards != 0 && config_.shards != directory_->shards()) {
      log_(LogLevel::warning, "'" + config_.data_dir + "' was made with " +
                                  std::to_string(directory_->shards()) + " shards and keeps them; shards = " +
                                  std::to_string(config_.shards) + " is for a new directory");
    }
    std::vector<runtime::ShardRuntime> runtimes;
    for (unsigned i = 0; i < directory_->shards(); ++i) {
      loops_.push_back(std::make_unique<runtime::ShardLoop>("shard-" + std::to_string(i)));
      disks_.push_back(std::make_unique<runtime::DiskThread>("disk-" + std::to_string(i), *loops_[i]));
      runtimes.push_back({clock_, *loops_[i], *loops_[i], *disks_[i], *files_});
    }
    helper_ = std::make_unique<runtime::DiskThread>("disk-helper", *loops_[0]);
    auto node = broker::Node::open(runtimes, *helper_, *directory_, node_options());
    if (!node) return node.error();
    node_ = std::move(*node);
    const broker::NodeRecovery& found = node_->recovery();
    log_(LogLevel::info, "durability " + describe_mode(config_));
    log_(LogLevel::info, "recovered " + std::to_string(found.messages) + " messages in " +
                             std::to_string(found.queues) + " queues from '" + config_.data_dir + "' (" +
                             std::to_string(found.log_records) + " log records, " +
                             std::to_string(found.log_bytes_cut) + " unconfirmed bytes cut)");
    return {};
  }

  broker::NodeOptions node_options() const {
    broker::NodeOptions options;
    options.node_name = node_name();
    options.sync_mode = config_.sync_mode;
    options.sync_interval = config_.sync_interval;
    options.max_message_bytes = config_.max_message_bytes;
    options.memory_limit_bytes = config_.memory_limit_bytes;
    options.disk_low_water_bytes = config_.disk_low_water_bytes;
    options.formats.by_origin[static_cast<std::size_t>(broker::Origin::internal)] =
        &broker::internal_format();
    options.formats.by_origin[static_cast<std::size_t>(broker::Origin::amqp091)] = &amqp091::message_format();
    options.random = runtime::fill_random;
    if (authorities_) {
      options.authorities = authorities_->all();
      options.authorities_before_own = authorities_->before_own();
    }
    if (spans_) options.spans = spans_->sink();
    if (audit_log_) options.audit = [log = audit_log_.get()](const broker::AuditEvent& e) { log->write(e); };
    options.log = log_;
    return options;
  }

  void make_pumps() {
    for (unsigned i = 0; i < loops_.size(); ++i) {
      pumps_.push_back(std::make_unique<Pump>(*loops_[i], node_->gate(i), amqp_sessions(session_options_)));
      loops_[i]->on_turn_end([node = node_.get(), pump = pumps_[i].get(), i](bool idle) {
        node->end_turn(i, idle);
        pump->flush();
      });
    }
    for (const auto& pump : pumps_) {
      pump->know(pumps_);
      admissions_.push_back(
          std::make_unique<Admissions>(*pump, runtime::Milliseconds(config_.handshake_timeout_ms), log_));
    }
  }

  // Without changes it waits for those of a new directory: its users must be there when clients come.
  result<void> import(std::vector<broker::Change> changes) {
    std::promise<result<void>> imported;
    node_->change(std::move(changes), [&](result<void> outcome) { imported.set_value(std::move(outcome)); });
    auto outcome = imported.get_future().get();
    if (outcome) {
      if (!config_.definitions.empty()) log_(LogLevel::info, "imported '" + config_.definitions + "'");
      return {};
    }
    return fail(outcome.error().code, "cannot import '" + config_.definitions + "': " + outcome.error().text);
  }

  result<void> listen() {
    std::promise<result<void>> listening;
    loops_[0]->post([&] {
      result<void> outcome;
      for (const auto& listener : listeners_) {
        if (outcome) outcome = listener->listen();
      }
      listening.set_value(std::move(outcome));
    });
    return listening.get_future().get();
  }

  // From the API's thread, on which `done` runs.
  void turn_service(bool on, broker::Done<void> done) {
    loops_[0]->post([this, on, done = std::move(done)]() mutable {
      auto outcome = on ? open_listeners_again() : result<void>();
      if (!on || !outcome) {
        for (const auto& listener : listeners_) listener->close();
      }
      const bool serves = on && outcome.has_value();
      if (is_serving_.exchange(serves) != serves) {
        log_(LogLevel::warning,
             serves ? "clients are served again" : "clients are served no more, by request");
      }
      http_loop_.post(
          [outcome = std::move(outcome), done = std::move(done)]() mutable { done(std::move(outcome)); });
    });
  }

  result<void> open_listeners_again() {
    for (const auto& listener : listeners_) {
      if (auto listening = listener->listen_again(); !listening) return listening;
    }
    return {};
  }

  // In the order of making; the end goes backwards.
  Config config_;
  std::atomic<LogLevel> log_level_;  // may change while it runs
  std::atomic<bool> is_serving_{true};
  LogFunction log_;
  amqp091::SessionOptions session_options_;
  runtime::SystemClock clock_;
  std::unique_ptr<AuditLog> audit_log_;
  std::unique_ptr<Authorities> authorities_;
  std::unique_ptr<SpanExport> spans_;
  std::unique_ptr<runtime::FileSystem> files_;
  std::unique_ptr<storage::DataDirectory> directory_;
  runtime::AsioLoop http_loop_{"http", runtime::Precedence::background};
  std::vector<std::unique_ptr<runtime::ShardLoop>> loops_;
  std::vector<std::unique_ptr<runtime::DiskThread>> disks_;
  std::unique_ptr<runtime::DiskThread> helper_;
  std::unique_ptr<broker::Node> node_;
  std::vector<std::unique_ptr<Pump>> pumps_;
  std::vector<std::unique_ptr<Admissions>> admissions_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::unique_ptr<management::Api> api_;
  std::unique_ptr<management::HttpServer> http_server_;
  std::string amqp_addresses_;
  std::string amqps_addresses_;
  std::string http_addresses_;
  std::string https_addresses_;
  std::string prometheus_addresses_;
  std::string prometheus_tls_addresses_;
};

}  // namespace

result<std::unique_ptr<Process>> Process::start(const Config& config, LogFunction log) {
  return start(config, std::move(log), std::make_unique<runtime::PosixFileSystem>());
}

result<std::unique_ptr<Process>> Process::start(const Config& config, LogFunction log,
                                                std::unique_ptr<runtime::FileSystem> files) {
  auto process = std::make_unique<RunningProcess>(config, std::move(log), std::move(files));
  if (const auto opened = process->open(); !opened) return opened.error();
  return std::unique_ptr<Process>(std::move(process));
}

}  // namespace millrace::server
