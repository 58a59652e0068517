// /api/connections, /api/channels and /api/consumers
#include <algorithm>
#include <boost/json/value.hpp>

#include "management/items.hpp"
#include "management/listing.hpp"

namespace millrace::management {
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
    std::vector<json::object> items;
    for (const auto* connection : shown(*call, figures)) items.push_back(connection_item(api, *connection));
    reply(call, list_answer(*call, std::move(items)));
  });
}

void show(Api& api, const CallRef& call) {
  api.with_figures(call, [&api, call](const Figures& figures) {
    const auto* connection = find(api, *call, figures);
    if (connection == nullptr) return reply(call, nothing_there());
    reply(call, object_answer(*call, connection_item(api, *connection)));
  });
}

std::string close_reason(const Call& call) {
  const std::string reason = call.reason.empty() ? "Closed via management plugin" : call.reason;
  return "CONNECTION_FORCED - " + reason.substr(0, 200);
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

void list_channels_of(Api& api, const CallRef& call) {
  api.with_figures(call, [&api, call](const Figures& figures) {
    const auto* connection = find(api, *call, figures);
    if (connection == nullptr) return reply(call, nothing_there());
    std::vector<json::object> items;
    for (const auto& channel : connection->session.channels) {
      items.push_back(channel_item(api, *connection, channel));
    }
    reply(call, list_answer(*call, std::move(items)));
  });
}

void list_channels(Api& api, const CallRef& call) {
  api.with_figures(call, [&api, call](const Figures& figures) {
    std::vector<json::object> items;
    for (const auto* connection : shown(*call, figures)) {
      for (const auto& channel : connection->session.channels) {
        items.push_back(channel_item(api, *connection, channel));
      }
    }
    reply(call, list_answer(*call, std::move(items)));
  });
}

void show_channel(Api& api, const CallRef& call) {
  api.with_figures(call, [&api, call](const Figures& figures) {
    for (const auto* connection : shown(*call, figures)) {
      for (const auto& channel : connection->session.channels) {
        json::object item = channel_item(api, *connection, channel);
        if (item["name"].get_string() != call->name("name")) continue;
        item["consumer_details"] =
            consumer_items(api, figures, [&](const broker::ConsumerStatistics& consumer) {
              const auto& its = connection->session.consumers;
              return consumer.connection == connection->id &&
                     std::any_of(its.begin(), its.end(), [&](const broker::ConsumerDetails& details) {
                       return details.id == consumer.consumer && details.channel == channel.number;
                     });
            });
        return reply(call, object_answer(*call, item));
      }
    }
    reply(call, nothing_there());
  });
}

void list_consumers(Api& api, const CallRef& call) {
  api.with_figures(call, [&api, call](const Figures& figures) {
    const std::string* one = call->find_name("vhost");
    std::vector<json::object> items;
    for (json::value& item : consumer_items(api, figures, [](const auto&) { return true; })) {
      const std::string_view vhost = item.at("queue").at("vhost").get_string();
      if (one != nullptr && *one != vhost) continue;
      if (one == nullptr && !api.model().may_see(call->subject, vhost)) continue;
      items.push_back(std::move(item.get_object()));
    }
    reply(call, list_answer(*call, std::move(items)));
  });
}

constexpr Route kRoutes[] = {
    {"GET", "/connections", Door::anybody, list},
    {"GET", "/connections/username/:user", Door::anybody, list},
    {"DELETE", "/connections/username/:user", Door::anybody, close_of_user},
    {"GET", "/connections/:name", Door::anybody, show},
    {"DELETE", "/connections/:name", Door::anybody, close},
    {"GET", "/connections/:name/channels", Door::anybody, list_channels_of},
    {"GET", "/vhosts/:vhost/connections", Door::vhost_to_look, list},
    {"GET", "/vhosts/:vhost/channels", Door::vhost_to_look, list_channels},
    {"GET", "/channels", Door::anybody, list_channels},
    {"GET", "/channels/:name", Door::anybody, show_channel},
    {"GET", "/consumers", Door::anybody, list_consumers},
    {"GET", "/consumers/:vhost", Door::vhost_to_look, list_consumers},
};

}  // namespace

std::span<const Route> connection_routes() {
  return kRoutes;
}

}  // namespace millrace::management
