// /api/exchanges
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "management/fields.hpp"
#include "management/items.hpp"
#include "management/listing.hpp"

namespace millrace::management {
namespace exchange {
namespace {

namespace json = boost::json;

// What RabbitMQ's API calls the exchange without a name.
constexpr std::string_view kDefaultExchange = "amq.default";

std::string exchange_name(const Call& call) {
  const std::string& name = call.name("name");
  return name == kDefaultExchange ? std::string() : name;
}

using Specs = std::vector<broker::ExchangeSpec>;

void add_exchanges(const broker::VhostDefinitions& vhost, Specs& specs) {
  const std::size_t first = specs.size();
  for (const auto& [name, exchange] : vhost.exchanges) specs.push_back(exchange);
  std::sort(specs.begin() + static_cast<std::ptrdiff_t>(first), specs.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
}

void reply_exchanges(Api& api, const CallRef& call, const Figures& figures, Specs&& found) {
  auto specs = std::make_shared<const Specs>(std::move(found));
  ListSource source;
  source.count = specs->size();
  source.name = [specs](std::size_t i) { return std::string_view((*specs)[i].name); };
  source.make = [&api, specs, figures](std::size_t i) { return exchange_item(api, (*specs)[i], figures); };
  reply_list(api, call, std::move(source));
}

void list_all(Api& api, const CallRef& call) {
  api.with_figures(call, [&api, call](const Figures& figures) {
    Specs specs;
    for (const auto* vhost : api.model().vhosts_seen_by(call->subject)) add_exchanges(*vhost, specs);
    reply_exchanges(api, call, figures, std::move(specs));
  });
}

void list_vhost(Api& api, const CallRef& call) {
  api.with_figures(call, [&api, call](const Figures& figures) {
    Specs specs;
    if (const auto* vhost = api.model().find_vhost(call->name("vhost"))) add_exchanges(*vhost, specs);
    reply_exchanges(api, call, figures, std::move(specs));
  });
}

void show(Api& api, const CallRef& call) {
  api.with_figures(call, [&api, call](const Figures& figures) {
    const auto* exchange = api.model().find_exchange(call->name("vhost"), exchange_name(*call));
    if (exchange == nullptr) return reply(call, nothing_there());
    json::object item = exchange_item(api, *exchange, figures);
    item["incoming"] = json::array();
    item["outgoing"] = json::array();
    reply(call, object_answer(*call, item));
  });
}

void put(Api& api, const CallRef& call) {
  auto body = json_body(*call);
  if (body.has_error()) return reply(call, refusal(body.error()));
  Fields fields(*body);
  auto type = fields.optional_text("type").value_or("direct");
  const bool durable = fields.flag("durable", true);
  const bool auto_delete = fields.flag("auto_delete", false);
  const bool internal = fields.flag("internal", false);
  auto arguments = fields.arguments("arguments");
  if (auto bad = fields.error()) return reply(call, refusal(*bad));
  const bool is_new = api.model().find_exchange(call->name("vhost"), exchange_name(*call)) == nullptr;
  use_as(
      api, call,
      [name = exchange_name(*call), type = std::move(type), durable, auto_delete, internal,
       arguments = std::move(arguments)](broker::Connection& connection, Done<void> finished) mutable {
        broker::ExchangeDeclare declare;
        declare.name = name;
        declare.type = type;
        declare.durable = durable;
        declare.auto_delete = auto_delete;
        declare.internal = internal;
        declare.arguments = std::move(arguments);
        connection.declare_exchange(declare, std::move(finished));
      },
      [is_new](const CallRef& answered) { reply(answered, put_answer(is_new)); });
}

void remove(Api& api, const CallRef& call) {
  if (api.model().find_exchange(call->name("vhost"), exchange_name(*call)) == nullptr) {
    return reply(call, nothing_there());
  }
  use_as(
      api, call,
      [name = exchange_name(*call), if_unused = call->target.is_true("if-unused")](
          broker::Connection& connection, Done<void> finished) {
        connection.delete_exchange(name, if_unused, std::move(finished));
      },
      [](const CallRef& answered) { reply(answered, put_answer(false)); });
}

void list_bindings_from(Api& api, const CallRef& call) {
  const auto& vhost = *api.model().find_vhost(call->name("vhost"));
  const std::string name = exchange_name(*call);
  if (!vhost.exchanges.contains(name)) return reply(call, nothing_there());
  reply_bindings(api, call, name.empty() ? implicit_bindings(vhost) : vhost.bindings_from(name));
}

void list_bindings_to(Api& api, const CallRef& call) {
  const auto& vhost = *api.model().find_vhost(call->name("vhost"));
  const std::string name = exchange_name(*call);
  if (!vhost.exchanges.contains(name)) return reply(call, nothing_there());
  reply_bindings(api, call, vhost.bindings_to(name, true));
}

constexpr Route kRoutes[] = {
    {"GET", "/exchanges", Door::anybody, list_all},
    {"GET", "/exchanges/:vhost", Door::vhost_to_look, list_vhost},
    {"GET", "/exchanges/:vhost/:name", Door::vhost_to_look, show},
    {"PUT", "/exchanges/:vhost/:name", Door::vhost, put},
    {"DELETE", "/exchanges/:vhost/:name", Door::vhost, remove},
    {"GET", "/exchanges/:vhost/:name/bindings/source", Door::vhost_to_look, list_bindings_from},
    {"GET", "/exchanges/:vhost/:name/bindings/destination", Door::vhost_to_look, list_bindings_to},
};

}  // namespace
}  // namespace exchange

std::span<const Route> exchange_routes() {
  return exchange::kRoutes;
}

}  // namespace millrace::management
