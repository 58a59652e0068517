#include "cli/amqp.hpp"

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <future>

#include "cli/listing.hpp"
#include "cli/text.hpp"

namespace millrace::cli {
namespace {

constexpr std::chrono::seconds kBrokerConnectTimeout{10};

// Users without the tag "monitoring" are not told of listeners.
HostPort find_amqp(Session& session) {
  const Settings& settings = session.api().settings();
  if (!settings.amqp.host.empty()) return settings.amqp;
  const boost::json::value overview = session.api().get(api_path({"overview"}));
  const boost::json::value* listeners = find_in(overview, "listeners");
  const bool is_told = listeners != nullptr && listeners->is_array() && !listeners->get_array().empty();
  if (!is_told) return {settings.http.host, settings.amqp_secure ? kAmqpsPort : kAmqpPort};
  for (const auto& listener : listeners->get_array()) {
    if (text_in(listener, "protocol") != (settings.amqp_secure ? "amqp/ssl" : "amqp")) continue;
    return {settings.http.host, static_cast<std::uint16_t>(number_in(listener, "port"))};
  }
  if (settings.amqp_secure) {
    throw Stop(
        kUnreachable,
        "the broker serves no messages over TLS (amqps)\n--amqp amqp://HOST:PORT sends them in clear.");
  }
  return {settings.http.host, kAmqpPort};
}

int status_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::not_connected:
    case ErrorKind::connection_lost:
    case ErrorKind::timed_out:
    case ErrorKind::tls:
    case ErrorKind::protocol:
      return kUnreachable;
    case ErrorKind::invalid_argument:
      return kBadUse;
    case ErrorKind::none:
    case ErrorKind::cancelled:
    case ErrorKind::closed:
    case ErrorKind::refused_login:
    case ErrorKind::access_refused:
    case ErrorKind::not_found:
    case ErrorKind::locked:
    case ErrorKind::precondition:
    case ErrorKind::not_allowed:
    case ErrorKind::not_supported:
    case ErrorKind::unroutable:
    case ErrorKind::rejected:
    case ErrorKind::overloaded:
    case ErrorKind::consumer_cancelled:
    case ErrorKind::would_deadlock:
    case ErrorKind::remote:
    case ErrorKind::codec:
    case ErrorKind::storage:
    case ErrorKind::broker:
      return kRefused;
  }
  return kRefused;
}

}  // namespace

AmqpServer amqp_url(Session& session) {
  const HostPort where = find_amqp(session);
  const Settings& settings = session.api().settings();
  AmqpServer server;
  server.tls.ca_file = settings.trust.ca_file;
  server.tls.verify_peer = !settings.trust.insecure;
  server.tls.certificate_file = settings.certificate.chain_file;
  server.tls.key_file = settings.certificate.key_file;
  // Who is named by hand is not whom the certificate names.
  if (settings.is_user_given) server.mechanism = "PLAIN";
  server.url = std::string(settings.amqp_secure ? "amqps://" : "amqp://") + percent_encode(settings.user) +
               ":" + percent_encode(settings.password) + "@" + to_text(where) + "/" +
               percent_encode(session.vhost());
  return server;
}

ClientOptions AmqpServer::client_options() const {
  ClientOptions options(url);
  options.tls = tls;
  options.mechanism = mechanism;
  return options;
}

std::unique_ptr<Client> connect_client(const AmqpServer& server, const std::string& name) {
  ClientOptions options = server.client_options();
  options.name = name;
  options.connect_timeout = kBrokerConnectTimeout;
  options.heartbeat = std::chrono::seconds(10);
  auto client = std::make_unique<Client>(options);
  // The client would try for ever; whoever types a command wants to know after the first time.
  struct Outcome {
    std::promise<std::pair<bool, std::string>> promise;
    std::atomic<bool> settled{false};
    void settle(bool fine, const std::string& text) {
      if (!settled.exchange(true)) promise.set_value({fine, text});
    }
  };
  const auto outcome = std::make_shared<Outcome>();
  client->on_event([outcome](const Event& event) {
    if (event.kind == EventKind::connect_failed) outcome->settle(false, event.text);
  });
  auto refused = std::make_shared<Failure>();
  client->async_connect([outcome, refused](Failure failure) {
    *refused = failure;
    outcome->settle(!failure, failure ? failure.text() : "");
  });
  const auto [connected, text] = outcome->promise.get_future().get();
  if (connected) return client;
  if (*refused) throw stop_for(*refused);
  throw Stop(kUnreachable, "cannot reach the broker for messages: " + text +
                               "\n--amqp HOST:PORT says where it listens, if that is not it.");
}

Stop stop_for(const ClientError& error) {
  return Stop(status_of(error.kind()), error.what());
}

Stop stop_for(const Failure& failure) {
  return Stop(status_of(failure.kind()), failure.text());
}

}  // namespace millrace::cli
