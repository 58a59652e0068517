// /api/queues
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "broker/queue/arguments.hpp"
#include "management/fields.hpp"
#include "management/items.hpp"
#include "management/json_values.hpp"
#include "management/latencies.hpp"
#include "management/listing.hpp"

namespace millrace::management {
namespace queue {
namespace {

namespace json = boost::json;

using Specs = std::vector<std::shared_ptr<const broker::QueueSpec>>;

// Of everybody, where no user is given.
void add_queues(const broker::VhostDefinitions& vhost, const std::string* declared_by, Specs& specs) {
  const std::size_t first = specs.size();
  for (const auto& [name, queue] : vhost.queues) {
    if (declared_by == nullptr || queue->declared_by == *declared_by) specs.push_back(queue);
  }
  std::sort(specs.begin() + static_cast<std::ptrdiff_t>(first), specs.end(),
            [](const auto& a, const auto& b) { return a->name < b->name; });
}

void reply_queues(Api& api, const CallRef& call, const Figures& figures, Specs&& found) {
  auto specs = std::make_shared<const Specs>(std::move(found));
  const bool totals_alone = call->target.is_true("enable_queue_totals");
  const bool short_items = totals_alone || call->target.is_true("disable_stats");
  ListSource source;
  source.count = specs->size();
  source.name = [specs](std::size_t i) { return std::string_view((*specs)[i]->name); };
  source.make = [&api, specs, figures, short_items, totals_alone](std::size_t i) {
    const broker::QueueSpec& spec = *(*specs)[i];
    return short_items ? queue_definition(api, spec, figures, totals_alone) : queue_item(api, spec, figures);
  };
  if (!short_items) {
    source.number = [specs, figures](std::size_t i, std::string_view column) {
      return queue_number(figures.of((*specs)[i]->address.id), column);
    };
  }
  reply_list(api, call, std::move(source));
}

bool is_counted(const Figures& figures, const broker::QueueSpec& queue) {
  return figures.now->queues.contains(queue.address.id.value);
}

// The queues of the path's vhost, or of all that the user may see; where the path names a user, those that
// it declared. Who lists a queue that was declared a moment ago does not want to read that it is empty
// because nobody has counted yet.
void list(Api& api, const CallRef& call) {
  const auto find = [&api, call] {
    Specs specs;
    const std::string* declared_by = call->find_name("user");
    if (const std::string* name = call->find_name("vhost")) {
      if (const auto* vhost = api.model().find_vhost(*name)) add_queues(*vhost, declared_by, specs);
      return specs;
    }
    for (const auto* vhost : api.model().vhosts_seen_by(call->subject))
      add_queues(*vhost, declared_by, specs);
    return specs;
  };
  api.with_figures(call, [&api, call, find](const Figures& figures) {
    Specs specs = find();
    const bool all = std::all_of(specs.begin(), specs.end(),
                                 [&](const auto& queue) { return is_counted(figures, *queue); });
    if (all) return reply_queues(api, call, figures, std::move(specs));
    api.with_fresh_figures(
        call, [&api, call, find](const Figures& fresh) { reply_queues(api, call, fresh, find()); });
  });
}

void show_item(Api& api, const CallRef& call, const broker::QueueSpec& queue, const Figures& figures) {
  json::object item = queue_item(api, queue, figures);
  const broker::QueueId id = queue.address.id;
  const broker::SchedulingSettings scheduling =
      queue_scheduling(queue, api.model().policy_of(queue, false), api.model().policy_of(queue, true));
  item["millrace"] = latency_fields(figures.of(id), figures.before_of(id), figures, scheduling, true);
  const ConsumerList consumers(
      api, figures, {api.model().find_vhost(queue.vhost)},
      [&queue](const broker::ConsumerStatistics& consumer) { return consumer.queue == queue.address.id; });
  item["consumer_details"] = consumers.make_all();
  item["deliveries"] = json::array();
  item["incoming"] = json::array();
  reply(call, object_answer(*call, item));
}

void show(Api& api, const CallRef& call) {
  const auto find = [&api, call] { return api.model().find_queue(call->name("vhost"), call->name("name")); };
  api.with_figures(call, [&api, call, find](const Figures& figures) {
    const broker::QueueSpec* queue = find();
    if (queue == nullptr) return reply(call, nothing_there());
    if (is_counted(figures, *queue)) return show_item(api, call, *queue, figures);
    api.with_fresh_figures(call, [&api, call, find](const Figures& fresh) {
      const broker::QueueSpec* still = find();
      if (still == nullptr) return reply(call, nothing_there());
      show_item(api, call, *still, fresh);
    });
  });
}

void put(Api& api, const CallRef& call) {
  auto body = json_body(*call);
  if (body.has_error()) return reply(call, refusal(body.error()));
  Fields fields(*body);
  const bool durable = fields.flag("durable", true);
  const bool auto_delete = fields.flag("auto_delete", false);
  auto arguments = fields.arguments("arguments");
  // Clients of the API may name the type beside the arguments.
  const auto type = fields.optional_text("type");
  if (auto bad = fields.error()) return reply(call, refusal(*bad));
  if (type && arguments.find("x-queue-type") == nullptr) {
    arguments.set("x-queue-type", broker::Value::text(*type));
  }
  const bool is_new = api.model().find_queue(call->name("vhost"), call->name("name")) == nullptr;
  use_as(
      api, call,
      [name = call->name("name"), durable, auto_delete, arguments = std::move(arguments)](
          broker::Connection& connection, Done<void> finished) mutable {
        broker::QueueDeclare declare;
        declare.name = name;
        declare.durable = durable;
        declare.auto_delete = auto_delete;
        declare.arguments = std::move(arguments);
        connection.declare_queue(
            declare, [finished = std::move(finished)](result<broker::QueueStatus> status) mutable {
              if (status.has_error()) return finished(status.error());
              finished({});
            });
      },
      [is_new](const CallRef& answered) { reply(answered, put_answer(is_new)); });
}

void remove(Api& api, const CallRef& call) {
  if (api.model().find_queue(call->name("vhost"), call->name("name")) == nullptr) {
    return reply(call, nothing_there());
  }
  use_as(
      api, call,
      [name = call->name("name"), if_unused = call->target.is_true("if-unused"),
       if_empty = call->target.is_true("if-empty")](broker::Connection& connection, Done<void> finished) {
        connection.delete_queue(name, if_unused, if_empty,
                                [finished = std::move(finished)](result<std::uint64_t> count) mutable {
                                  if (count.has_error()) return finished(count.error());
                                  finished({});
                                });
      },
      [](const CallRef& answered) { reply(answered, put_answer(false)); });
}

void purge(Api& api, const CallRef& call) {
  if (api.model().find_queue(call->name("vhost"), call->name("name")) == nullptr) {
    return reply(call, nothing_there());
  }
  use_as(
      api, call,
      [name = call->name("name")](broker::Connection& connection, Done<void> finished) {
        connection.purge_queue(name, [finished = std::move(finished)](result<std::uint64_t> count) mutable {
          if (count.has_error()) return finished(count.error());
          finished({});
        });
      },
      [](const CallRef& answered) { reply(answered, put_answer(false)); });
}

// RabbitMQ's "sync" and "cancel_sync" were for mirrored queues: there is nothing to do.
void act(Api& api, const CallRef& call) {
  if (api.model().find_queue(call->name("vhost"), call->name("name")) == nullptr) {
    return reply(call, nothing_there());
  }
  auto body = json_body(*call);
  if (body.has_error()) return reply(call, refusal(body.error()));
  Fields fields(*body);
  const std::string action = fields.text("action");
  if (auto bad = fields.error()) return reply(call, refusal(*bad));
  if (action != "sync" && action != "cancel_sync") {
    return reply(call, refusal(400, "bad_request", "unknown action"));
  }
  reply(call, put_answer(false));
}

void list_bindings(Api& api, const CallRef& call) {
  const auto* vhost = api.model().find_vhost(call->name("vhost"));
  const std::string& name = call->name("name");
  if (vhost == nullptr || !vhost->queues.contains(name)) return reply(call, nothing_there());
  std::vector<broker::BindingSpec> bindings{{vhost->spec.name, "", name, false, name, {}}};
  for (auto& binding : vhost->bindings_to(name, false)) bindings.push_back(std::move(binding));
  reply_bindings(api, call, std::move(bindings));
}

constexpr Route kRoutes[] = {
    {"GET", "/queues", Door::anybody, list},
    {"GET", "/queues/detailed", Door::anybody, list},
    {"GET", "/queues/:vhost", Door::vhost_to_look, list},
    {"GET", "/users/:user/queues", Door::anybody, list},
    {"GET", "/queues/:vhost/:name", Door::vhost_to_look, show},
    {"PUT", "/queues/:vhost/:name", Door::vhost, put},
    {"DELETE", "/queues/:vhost/:name", Door::vhost, remove},
    {"DELETE", "/queues/:vhost/:name/contents", Door::vhost, purge},
    {"POST", "/queues/:vhost/:name/actions", Door::vhost, act},
    {"GET", "/queues/:vhost/:name/bindings", Door::vhost_to_look, list_bindings},
};

}  // namespace
}  // namespace queue

std::span<const Route> queue_routes() {
  return queue::kRoutes;
}

}  // namespace millrace::management
