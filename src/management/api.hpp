// The HTTP API without HTTP: finds what a request asks for, checks who asks, and has a resource answer it.
//
// Two steps, so that a stranger's body is not read, but for the short one of a login: admit() with the head
// of the request, handle() when the body is there. Reads from a copy of the definitions and from figures at
// most a second old; everything else is asked of broker::Management, which answers later. Nothing here waits.
//
// Thread: `home`'s, but for the constructor, which runs before the node's loops do.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "broker/audit.hpp"
#include "broker/management.hpp"
#include "broker/node.hpp"
#include "management/call.hpp"
#include "management/consumers.hpp"
#include "management/figures.hpp"
#include "management/model.hpp"
#include "management/otlp/span_figures.hpp"
#include "net/tls_context.hpp"
#include "runtime/executor.hpp"

namespace millrace::management {

class Api;
using Handler = void (*)(Api& api, const CallRef& call);

// Who may come in, beyond being known and having a tag.
enum class Door : std::uint8_t {
  stranger,       // comes in unknown, and says in the body who it is
  anybody,        // of the tags
  vhost,          // with a permission in the vhost of the path
  vhost_to_look,  // that, or monitoring
  monitoring,
  policymaker,  // with a permission in the vhost, where the path names one
  administrator,
  administrator_of,  // for an existing vhost
};

struct Route {
  std::string_view method;
  std::string_view pattern;  // "/queues/:vhost/:name", behind "/api"
  Door door;
  Handler handler;
  bool large_body = false;   // may have HttpServer::kMaxBodyBytes, others kMaxSmallBodyBytes
  bool has_effects = false;  // a GET that changes something is not answered to HEAD
};

// One function for each file of src/management/resources.
std::span<const Route> node_routes();
std::span<const Route> vhost_routes();
std::span<const Route> user_routes();
std::span<const Route> permission_routes();
std::span<const Route> exchange_routes();
std::span<const Route> queue_routes();
std::span<const Route> binding_routes();
std::span<const Route> message_routes();
std::span<const Route> move_routes();
std::span<const Route> send_routes();
std::span<const Route> receive_routes();
std::span<const Route> policy_routes();
std::span<const Route> parameter_routes();
std::span<const Route> definition_routes();
std::span<const Route> connection_routes();
std::span<const Route> health_routes();
std::span<const Route> trace_routes();
std::span<const Route> log_routes();
std::span<const Route> task_routes();
std::span<const Route> operating_routes();
std::span<const Route> login_routes();
std::span<const Route> quorum_routes();
// All of these.
std::vector<Route> all_routes();
// Not behind "/api".
std::span<const Route> metric_routes();

// What the operating system says of the process. Asked for on the API's thread.
struct ProcessFigures {
  std::uint64_t resident_bytes = 0;
  std::uint64_t open_files = 0;
  std::uint64_t open_files_max = 0;
  std::uint64_t sockets = 0;
  std::uint64_t disk_free_bytes = 0;
};

struct ListeningOn {
  std::string protocol;  // amqp, http
  std::string address;
  std::uint16_t port = 0;
};

struct ApiOptions {
  std::string node_name;  // millrace@host
  std::string cluster_name;
  std::string product;
  std::string version;
  std::size_t max_connections = 0;
  std::uint64_t pid = 0;
  std::string effective_config;  // what an administrator is shown; without secrets
  std::function<ProcessFigures()> process_figures;
  // Bytes that it may have: the machine's, or of its control group.
  std::function<std::uint64_t()> memory_total;
  std::function<otlp::SpanFigures()> span_figures;  // empty: no spans are made
  std::function<void(std::span<std::uint8_t>)> random;
  std::int64_t started_ms = 0;  // wall clock
  std::function<std::int64_t()> wall_ms;
  broker::Audit audit;  // of what a user's tags do not allow; empty: nobody listens
};

// The least level that is logged.
struct LogControl {
  std::function<broker::LogLevel()> level;
  std::function<void(broker::LogLevel)> set_level;
};

// Whether clients are served, by anything but this API.
struct ServiceControl {
  std::function<bool()> is_on;
  // `done` on the API's thread. Off: nobody new comes in. Errors: io_error, an address is another's by now,
  // and the service stays off.
  std::function<void(bool on, Done<void> done)> turn;
};

// What was seen last, and before.
struct Sight {
  Figures figures;
  std::shared_ptr<const broker::NodeStatistics> source;  // of figures.now, as it was counted
  std::shared_ptr<const broker::NodeStatistics> base;    // what is taken off; null: nothing
};

class Api {
 public:
  // Requests whose credentials are being verified, or that wait for that; further ones are told to come
  // again.
  static constexpr std::size_t kMaxLogins = 384;
  // How long somebody who gave a wrong password waits to be told.
  static constexpr runtime::Milliseconds kFailedLoginDelay{200};

  Api(broker::Management& core, runtime::Executor& home, runtime::Timers& timers, ApiOptions options);

  void listening_on(std::vector<ListeningOn> listeners) { listeners_ = std::move(listeners); }
  void control_log(LogControl control) { log_ = std::move(control); }
  void control_service(ServiceControl control) { service_ = std::move(control); }

  // Nothing: the body may be read, then handle() is to be called. Otherwise the answer.
  void admit(const CallRef& call, UniqueFunction<void(std::optional<Answer>)> done);
  void handle(const CallRef& call);

  // For calls that came in unknown (Door::stranger). Nothing: the call's subject is who has these
  // credentials, and a tag. Otherwise the answer, which comes late when they are wrong.
  void log_in(const CallRef& call, broker::Credentials credentials,
              UniqueFunction<void(std::optional<Answer>)> done);

  // Long lists that are being written, all calls together: false, and the call is to be refused, beyond
  // kMaxListBytes. `before` bytes are given back.
  static constexpr std::size_t kMaxListBytes = 128u << 20;
  bool hold_list_bytes(std::size_t before, std::size_t now) noexcept {
    list_bytes_ += now;
    list_bytes_ -= before;
    return list_bytes_ <= kMaxListBytes;
  }
  runtime::Executor& home() noexcept { return home_; }
  Consumers& consumers() noexcept { return consumers_; }

  // What is shown to clients who come over TLS. On the API's thread, once that runs.
  using Certificates = std::vector<net::TlsContext::Validity>;
  void show_certificates(Certificates certificates) { certificates_ = std::move(certificates); }

  // For resources.
  const Certificates& certificates() const noexcept { return certificates_; }
  broker::Management& core() const noexcept { return core_; }
  const Model& model() const noexcept { return model_; }
  const ApiOptions& options() const noexcept { return options_; }
  std::string cluster_name() const {
    std::string given = model_.cluster_name();
    return given.empty() ? options_.cluster_name : given;
  }
  const std::vector<ListeningOn>& listeners() const noexcept { return listeners_; }
  // Those of them that answer now.
  std::vector<ListeningOn> listening() const;
  const LogControl& log() const noexcept { return log_; }
  const ServiceControl& service() const noexcept { return service_; }
  using Look = UniqueFunction<void(const Figures& figures)>;
  // Calls `look` with figures, or refuses the call. They are at most a second old; with the query fresh=true
  // they are of after the call.
  void with_figures(const CallRef& call, Look look);
  void with_fresh_figures(const CallRef& call, Look look);
  // As they were counted, whatever was reset.
  void with_raw_figures(const CallRef& call, Look look);
  // From now on figures count from here.
  void reset_figures(const CallRef& call, Task done);

 private:
  const Route* find_route(Call& call, std::string& allow);
  std::optional<Answer> check_door(const Call& call) const;
  void look(const CallRef& call, broker::Management::Age age, const std::shared_ptr<Sight>& sight, Look look);
  std::optional<Answer> check_door_aloud(const Call& call) const;
  // Tells the audit log of a refusal, and gives it back.
  std::optional<Answer> aloud(const Call& call, std::optional<Answer> refused) const;
  // As log_in(), of anybody with these credentials.
  void verify(const CallRef& call, broker::Credentials credentials,
              UniqueFunction<void(std::optional<Answer>)> done);

  broker::Management& core_;
  runtime::Executor& home_;
  runtime::Timers& timers_;
  ApiOptions options_;
  std::vector<ListeningOn> listeners_;
  Certificates certificates_;
  std::vector<Route> routes_;
  Model model_;
  std::shared_ptr<Sight> raw_ = std::make_shared<Sight>();
  std::shared_ptr<Sight> shown_ = raw_;  // another one after a reset
  Consumers consumers_;
  std::size_t logins_ = 0;
  std::size_t list_bytes_ = 0;
  LogControl log_;
  ServiceControl service_;
};

// For resources: runs `work` with a connection of the caller's to the vhost of the path; `then` answers what
// went well.
void use_as(Api& api, const CallRef& call, broker::Management::Work work,
            UniqueFunction<void(const CallRef&)> then);
// As above; answers 201 if `is_new`, else 204.
Answer put_answer(bool is_new);
// RabbitMQ's answer for what is not there.
Answer nothing_there();

}  // namespace millrace::management
