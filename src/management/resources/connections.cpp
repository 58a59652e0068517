// /api/connections, /api/channels and /api/consumers
#include <algorithm>
#include <boost/json/value.hpp>

#include "management/items.hpp"
#include "management/listing.hpp"

namespace millrace::management {
namespace connection {
namespace {

namespace json = boost::json;
using broker::ConnectionStatistics;

// Users see their own connections; who monitors sees all.
bool is_shown(const Call& call, const ConnectionStatistics& connection) {
  return broker::has_role(call.subject, broker::ManagementRole::monitoring) ||
         connection.user == call.subject.user;
}

std::vector<const ConnectionStatistics*> shown(const Call& call, const Figures& figures) {
  std::vector<const ConnectionStatistics*> found;
  for (const auto& connection : figures.now->connections) {
    if (is_shown(call, connection)) found.push_back(&connection);
  }
  std::sort(found.begin(), found.end(), [&](const auto* a, const auto* b) {
    return std::pair(a->info.peer, a->id.value) < std::pair(b->info.peer, b->id.value);
  });
  if (const std::string* vhost = call.find_name("vhost")) {
    std::erase_if(found, [&](const auto* connection) { return connection->vhost != *vhost; });
  }
  if (const std::string* user = call.find_name("user")) {
    std::erase_if(found, [&](const auto* connection) { return connection->user != *user; });
  }
  return found;
}

const ConnectionStatistics* find(const Api& api, const Call& call, const Figures& figures) {
  for (const auto& connection : figures.now->connections) {
    if (is_shown(call, connection) && connection_name(api, connection) == call.name("name"))
      return &connection;
  }
  return nullptr;
}

void list(Api& api, const CallRef& call) {
  api.with_figures(call, [&api, call](const Figures& figures) {
    ListSource source;
    const auto found = shown(*call, figures);
    source.count = found.size();
    source.make = [&api, figures, found](std::size_t i) { return connection_item(api, *found[i], figures); };
    reply_list(api, call, std::move(source));
  });
}

void show(Api& api, const CallRef& call) {
  api.with_figures(call, [&api, call](const Figures& figures) {
    const auto* connection = find(api, *call, figures);
    if (connection == nullptr) return reply(call, nothing_there());
    reply(call, object_answer(*call, connection_item(api, *connection, figures)));
  });
}

std::string close_reason(const Call& call) {
  const std::string reason = call.reason.empty() ? "Closed via management plugin" : call.reason;
  return reason.substr(0, 200);
}

void close(Api& api, const CallRef& call) {
  api.with_figures(call, [&api, call](const Figures& figures) {
    const auto* connection = find(api, *call, figures);
    if (connection == nullptr) return reply(call, nothing_there());
    api.core().close_connection(call->subject, connection->id, close_reason(*call),
                                [call](result<void> outcome) { reply_done(call, outcome); });
  });
}

void close_of_user(Api& api, const CallRef& call) {
  if (call->name("user") != call->subject.user) {
    const auto allowed = authorize_role(call->subject, broker::ManagementRole::administrator);
    if (allowed.has_error()) return reply_done(call, allowed);
  }
  api.with_figures(call, [&api, call](const Figures& figures) {
    for (const auto* connection : shown(*call, figures)) {
      api.core().close_connection(call->subject, connection->id, close_reason(*call), [](result<void>) {});
    }
    reply_done(call, {});
  });
}

void reply_channels(Api& api, const CallRef& call, const Figures& figures,
                    const std::vector<const ConnectionStatistics*>& connections) {
  std::vector<std::pair<const ConnectionStatistics*, const broker::ChannelDetails*>> found;
  for (const auto* connection : connections) {
    for (const auto& channel : connection->session.channels) found.emplace_back(connection, &channel);
  }
  ListSource source;
  source.count = found.size();
  // The figures hold what is pointed to.
  source.make = [&api, figures, found](std::size_t i) {
    return channel_item(api, *found[i].first, *found[i].second, figures);
  };
  reply_list(api, call, std::move(source));
}

void list_channels_of(Api& api, const CallRef& call) {
  api.with_figures(call, [&api, call](const Figures& figures) {
    const auto* connection = find(api, *call, figures);
    if (connection == nullptr) return reply(call, nothing_there());
    reply_channels(api, call, figures, {connection});
  });
}

// Sessions are AMQP 1.0's, which nobody speaks here.
void refuse_sessions(Api& api, const CallRef& call) {
  api.with_figures(call, [&api, call](const Figures& figures) {
    if (find(api, *call, figures) == nullptr) return reply(call, nothing_there());
    reply(call, refusal(400, "bad_request", "connection does not use AMQP 1.0"));
  });
}

void list_channels(Api& api, const CallRef& call) {
  api.with_figures(call, [&api, call](const Figures& figures) {
    reply_channels(api, call, figures, shown(*call, figures));
  });
}

void show_channel(Api& api, const CallRef& call) {
  api.with_figures(call, [&api, call](const Figures& figures) {
    for (const auto* connection : shown(*call, figures)) {
      for (const auto& channel : connection->session.channels) {
        const std::string name =
            connection_name(api, *connection) + " (" + std::to_string(channel.number) + ")";
        if (name != call->name("name")) continue;
        json::object item = channel_item(api, *connection, channel, figures);
        const auto& its = connection->session.consumers;
        const ConsumerList consumers(
            api, figures, {api.model().find_vhost(connection->vhost)},
            [&](const broker::ConsumerStatistics& consumer) {
              return consumer.connection == connection->id &&
                     std::any_of(its.begin(), its.end(), [&](const broker::ConsumerDetails& details) {
                       return details.id == consumer.consumer && details.channel == channel.number;
                     });
            });
        item["consumer_details"] = consumers.make_all();
        return reply(call, object_answer(*call, item));
      }
    }
    reply(call, nothing_there());
  });
}

void list_consumers(Api& api, const CallRef& call) {
  api.with_figures(call, [&api, call](const Figures& figures) {
    const std::string* one = call->find_name("vhost");
    auto vhosts = api.model().vhosts_seen_by(call->subject);
    if (one != nullptr) std::erase_if(vhosts, [&](const auto* vhost) { return vhost->spec.name != *one; });
    const auto consumers =
        std::make_shared<const ConsumerList>(api, figures, vhosts, [](const auto&) { return true; });
    ListSource source;
    source.count = consumers->size();
    source.make = [consumers](std::size_t i) { return consumers->make(i); };
    reply_list(api, call, std::move(source));
  });
}

constexpr Route kRoutes[] = {
    {"GET", "/connections", Door::anybody, list},
    {"GET", "/connections/username/:user", Door::anybody, list},
    {"DELETE", "/connections/username/:user", Door::anybody, close_of_user},
    {"GET", "/connections/:name", Door::anybody, show},
    {"DELETE", "/connections/:name", Door::anybody, close},
    {"GET", "/connections/:name/channels", Door::anybody, list_channels_of},
    {"GET", "/connections/:name/sessions", Door::anybody, refuse_sessions},
    {"GET", "/vhosts/:vhost/connections", Door::vhost_to_look, list},
    {"GET", "/vhosts/:vhost/channels", Door::vhost_to_look, list_channels},
    {"GET", "/channels", Door::anybody, list_channels},
    {"GET", "/channels/:name", Door::anybody, show_channel},
    {"GET", "/consumers", Door::anybody, list_consumers},
    {"GET", "/consumers/:vhost", Door::vhost_to_look, list_consumers},
};

}  // namespace
}  // namespace connection

std::span<const Route> connection_routes() {
  return connection::kRoutes;
}

}  // namespace millrace::management
