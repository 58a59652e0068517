// libmillrace for verbs that send and receive messages.
#pragma once

#include <memory>
#include <string>

#include "cli/session.hpp"
#include "cli/stop.hpp"
#include "millrace/client.hpp"

namespace millrace::cli {

struct AmqpServer {
  std::string url;  // amqp://… or amqps://…, with the session's user and vhost
  TlsOptions tls;
  std::string mechanism;  // empty: by the certificate if there is one and the broker knows its name

  ClientOptions client_options() const;
};
// Where --amqp says, else where the broker says that it listens, over TLS if the API is asked over it. Stops
// with kUnreachable when the broker serves no messages over TLS then.
AmqpServer amqp_url(Session& session);
// Logged in. Stops with kUnreachable when the first attempt does not get there, with kRefused when the broker
// does not want this user.
std::unique_ptr<Client> connect_client(const AmqpServer& server, const std::string& name);
// An error of the client's as the command's end.
Stop stop_for(const ClientError& error);
Stop stop_for(const Failure& failure);

// A verb that makes blocking calls of the client's, which throw.
template <int (*kVerb)(Session&)>
int guarded(Session& session) {
  try {
    return kVerb(session);
  } catch (const ClientError& error) {
    throw stop_for(error);
  }
}

}  // namespace millrace::cli
