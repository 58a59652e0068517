// connections, connections close, channels, consumers
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "cli/listing.hpp"
#include "cli/session.hpp"
#include "cli/stop.hpp"
#include "cli/verb.hpp"

namespace millrace::cli {
namespace client {
namespace {

namespace json = boost::json;

constexpr Field kConnectionFields[] = {
    {"VHOST", "vhost"},
    {"NAME", "name"},
    {"USER", "user"},
    {"STATE", "state"},
    {"CHANNELS", "channels", Look::number},
    {"FROM CLIENT", "recv_oct_details.rate", Look::bytes},
    {"TO CLIENT", "send_oct_details.rate", Look::bytes},
    {"CLIENT", "user_provided_name"},
};

constexpr Field kChannelFields[] = {
    {"VHOST", "vhost"},
    {"NAME", "name"},
    {"USER", "user"},
    {"CONSUMERS", "consumer_count", Look::number},
    {"PREFETCH", "prefetch_count", Look::number},
    {"UNACKED", "messages_unacknowledged", Look::number},
    {"UNCONFIRMED", "messages_unconfirmed", Look::number},
    {"CONFIRM", "confirm", Look::flag},
    {"TX", "transactional", Look::flag},
    {"PUBLISH", "message_stats.publish_details.rate", Look::rate},
    {"DELIVER", "message_stats.deliver_get_details.rate", Look::rate},
};

constexpr Field kConsumerFields[] = {
    {"VHOST", "queue.vhost"},
    {"QUEUE", "queue.name"},
    {"TAG", "consumer_tag"},
    {"ACK", "ack_required"},
    {"PREFETCH", "prefetch_count", Look::number},
    {"ACTIVE", "active"},
    {"EXCLUSIVE", "exclusive", Look::flag},
    {"USER", "channel_details.user"},
    {"CHANNEL", "channel_details.name"},
};

constexpr Argument kConnection[] = {{"NAME", "Of the connection, as the list has it", false}};
constexpr Option kClose[] = {
    {"--of-user", "NAME", "All connections of this user"},
    {"--all", "", "All connections"},
    {"--reason", "TEXT", "What the client is told"},
};

// /api/vhosts/:v/connections, unlike other lists.
std::string path_of(const Session& session, std::string_view kind) {
  const auto vhost = session.given.find("vhost");
  return vhost ? api_path({"vhosts", *vhost, kind}) : api_path({kind});
}

int list_connections(Session& session) {
  return print_list(session, path_of(session, "connections"), kConnectionFields, "no connections");
}

int list_channels(Session& session) {
  return print_list(session, path_of(session, "channels"), kChannelFields, "no channels");
}

int list_consumers(Session& session) {
  return print_list(session, list_path(session, "consumers"), kConsumerFields, "no consumers");
}

int close(Session& session) {
  const std::string reason = session.given.find("reason").value_or("Closed by an operator");
  const int ways = session.given.has("NAME") + session.given.has("of-user") + session.given.has("all");
  if (ways != 1) throw Stop(kBadUse, "name one connection, or give --of-user NAME or --all");
  std::size_t closed = 0;
  if (const auto name = session.given.find("NAME")) {
    session.api().remove(api_path({"connections", *name}), reason);
    closed = 1;
  } else {
    const auto user = session.given.find("of-user");
    const json::value found =
        session.api().get(user ? api_path({"connections", "username", *user}) : api_path({"connections"}));
    for (const json::value& connection : found.as_array()) {
      try {
        session.api().remove(api_path({"connections", text_in(connection, "name")}), reason);
        ++closed;
      } catch (const Stop& stop) {
        if (stop.http_status() != 404) throw;  // gone by itself
      }
    }
  }
  session.say(std::to_string(closed) + (closed == 1 ? " connection" : " connections") + " closed",
              {{"closed", closed}});
  return kOk;
}

}  // namespace
}  // namespace client

std::span<const Verb> client_verbs() {
  using namespace client;
  static const Verb verbs[] = {
      {"connections",
       "List connections of clients",
       {},
       list_options(),
       "millrace connections\nmillrace connections --columns name,user,state,connected_at",
       list_connections},
      {"connections close", "Close connections of clients", kConnection, kClose,
       "millrace connections close '127.0.0.1:40022 -> 127.0.0.1:5672' --reason 'maintenance'\n"
       "millrace connections close --of-user app",
       close},
      {"channels",
       "List channels",
       {},
       list_options(),
       "millrace channels --sort -messages_unacknowledged",
       list_channels},
      {"consumers",
       "List consumers",
       {},
       list_options(),
       "millrace consumers --sort queue.name",
       list_consumers},
  };
  return verbs;
}

}  // namespace millrace::cli
