// /api/millrace/tasks: what the broker can tell of tasks without knowing them, by the names that their
// workers give things (docs/tasks.md, "In the broker"). Nobody is asked, and no message is looked at.
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "base/utf8.hpp"
#include "management/items.hpp"
#include "management/json_values.hpp"

namespace millrace::management {
namespace task {
namespace {

namespace json = boost::json;

constexpr std::string_view kDead = ".dead";
constexpr std::string_view kControl = ".celery.pidbox";
// The queues of those who ask the workers something, not of workers.
constexpr std::string_view kReplies = ".reply.celery.pidbox";
constexpr std::string_view kSchedule = "millrace.schedule.";
// Of each kind, in one answer; the first by name.
constexpr std::size_t kMost = 500;

using QueueRef = const broker::QueueSpec*;
using Named = std::map<std::string_view, QueueRef>;

struct Found {
  std::map<std::string_view, std::pair<QueueRef, QueueRef>> queues;  // with the dead letters'
  Named workers;
  Named schedules;
};

template <class Map>
bool put_within(Map& map, std::string_view name, typename Map::mapped_type value) {
  map.emplace(name, value);
  if (map.size() <= kMost) return false;
  map.erase(std::prev(map.end()));
  return true;
}

// True: there was more of something.
bool find_all(const broker::VhostDefinitions& vhost, Found& found) {
  bool cut = false;
  for (const auto& [own, queue] : vhost.queues) {
    const std::string_view name(own);
    if (name.ends_with(kDead) && name.size() > kDead.size()) {
      const auto living = vhost.queues.find(name.substr(0, name.size() - kDead.size()));
      if (living == vhost.queues.end()) continue;
      cut |= put_within(found.queues, living->first, std::pair(living->second.get(), queue.get()));
    } else if (name.ends_with(kControl) && !name.ends_with(kReplies)) {
      cut |= put_within(found.workers, name.substr(0, name.size() - kControl.size()), queue.get());
    } else if (name.starts_with(kSchedule)) {
      cut |= put_within(found.schedules, name.substr(kSchedule.size()), queue.get());
    }
  }
  return cut;
}

using ConnectionRef = const broker::ConnectionStatistics*;

// By the connection that owns its queue for commands.
std::map<std::uint64_t, ConnectionRef> connections_of(const Named& workers, const Figures& figures) {
  std::map<std::uint64_t, ConnectionRef> wanted;
  for (const auto& [name, queue] : workers) wanted.emplace(queue->exclusive_owner.value, nullptr);
  for (const auto& connection : figures.now->connections) {
    const auto place = wanted.find(connection.id.value);
    if (place != wanted.end()) place->second = &connection;
  }
  return wanted;
}

json::array queue_items(const Found& found, const Figures& figures) {
  json::array items;
  for (const auto& [name, both] : found.queues) {
    const auto& figure = figures.of(both.first->address.id);
    json::object item;
    item["name"] = as_utf8(name);
    item["waiting"] = figure.ready;
    item["held"] = figure.unacked;
    item["consumers"] = figure.consumers;
    item["dead"] = figures.of(both.second->address.id).ready;
    item["rate"] =
        figures.rate(figure.counters.acked, figures.before_of(both.first->address.id).counters.acked);
    items.push_back(std::move(item));
  }
  return items;
}

// Where the caller may see the connection, that as well.
json::array worker_items(const Api& api, const Call& call, const Found& found, const Figures& figures) {
  const auto connections = connections_of(found.workers, figures);
  const bool sees_all = broker::has_role(call.subject, broker::ManagementRole::monitoring);
  json::array items;
  for (const auto& [name, queue] : found.workers) {
    json::object item;
    item["name"] = as_utf8(name);
    const ConnectionRef connection = connections.at(queue->exclusive_owner.value);
    if (connection != nullptr && (sees_all || connection->user == call.subject.user)) {
      std::uint64_t held = 0;
      for (const auto& channel : connection->session.channels) held += channel.unacked;
      item["connection"] = as_utf8(connection_name(api, *connection));
      item["connected_at"] = connection->connected_ms;
      item["held"] = held;
    }
    items.push_back(std::move(item));
  }
  return items;
}

void show(Api& api, const CallRef& call) {
  api.with_figures(call, [&api, call](const Figures& figures) {
    const auto* vhost = api.model().find_vhost(call->name("vhost"));
    if (vhost == nullptr) return reply(call, nothing_there());
    Found found;
    const bool cut = find_all(*vhost, found);
    json::array schedules;
    for (const auto& [name, queue] : found.schedules) schedules.push_back(json::value(as_utf8(name)));
    json::object answer;
    answer["queues"] = queue_items(found, figures);
    answer["workers"] = worker_items(api, *call, found, figures);
    answer["schedules"] = std::move(schedules);
    answer["cut"] = cut;
    reply(call, json_answer(answer));
  });
}

constexpr Route kRoutes[] = {
    {"GET", "/millrace/tasks/:vhost", Door::vhost_to_look, show},
};

}  // namespace
}  // namespace task

std::span<const Route> task_routes() {
  return task::kRoutes;
}

}  // namespace millrace::management
