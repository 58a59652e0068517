// /api/bindings
#include <algorithm>
#include <boost/json/value.hpp>
#include <optional>
#include <tuple>

#include "management/fields.hpp"
#include "management/items.hpp"
#include "management/listing.hpp"

namespace millrace::management {
namespace binding {
namespace {

namespace json = boost::json;

void add_bindings(const broker::VhostDefinitions& vhost, std::vector<broker::BindingSpec>& bindings) {
  const std::size_t first = bindings.size();
  for (auto& binding : implicit_bindings(vhost)) bindings.push_back(std::move(binding));
  for (const auto& [source, own] : vhost.by_source) {
    for (auto& binding : vhost.bindings_from(source)) bindings.push_back(std::move(binding));
  }
  std::sort(bindings.begin() + static_cast<std::ptrdiff_t>(first), bindings.end(),
            [](const auto& a, const auto& b) {
              return std::tie(a.source, a.destination, a.routing_key) <
                     std::tie(b.source, b.destination, b.routing_key);
            });
}

void list_all(Api& api, const CallRef& call) {
  std::vector<broker::BindingSpec> bindings;
  for (const auto* vhost : api.model().vhosts_seen_by(call->subject)) add_bindings(*vhost, bindings);
  reply_bindings(api, call, std::move(bindings));
}

void list_vhost(Api& api, const CallRef& call) {
  std::vector<broker::BindingSpec> bindings;
  add_bindings(*api.model().find_vhost(call->name("vhost")), bindings);
  reply_bindings(api, call, std::move(bindings));
}

// The ends of the path: /bindings/:vhost/e/:source/(q|e)/:destination.
struct Ends {
  std::string source;
  std::string destination;
  bool to_exchange = false;
};

std::optional<Ends> find_ends(const Api& api, const Call& call) {
  const std::string& kind = call.name("kind");
  if (kind != "q" && kind != "e") return std::nullopt;
  Ends ends{call.name("source"), call.name("destination"), kind == "e"};
  if (ends.source == "amq.default") ends.source.clear();
  const auto& vhost = *api.model().find_vhost(call.name("vhost"));
  const bool there =
      vhost.exchanges.contains(ends.source) && (ends.to_exchange ? vhost.exchanges.contains(ends.destination)
                                                                 : vhost.queues.contains(ends.destination));
  if (!there) return std::nullopt;
  return ends;
}

std::vector<broker::BindingSpec> between(const Api& api, const Call& call, const Ends& ends) {
  const auto& vhost = *api.model().find_vhost(call.name("vhost"));
  std::vector<broker::BindingSpec> bindings =
      ends.source.empty() ? implicit_bindings(vhost) : vhost.bindings_to(ends.destination, ends.to_exchange);
  std::erase_if(bindings, [&](const auto& binding) {
    return binding.source != ends.source || binding.destination != ends.destination ||
           binding.to_exchange != ends.to_exchange;
  });
  return bindings;
}

void list_between(Api& api, const CallRef& call) {
  const auto ends = find_ends(api, *call);
  if (!ends) return reply(call, nothing_there());
  reply_bindings(api, call, between(api, *call, *ends));
}

std::optional<broker::BindingSpec> find(const Api& api, const Call& call) {
  const auto ends = find_ends(api, call);
  if (!ends) return std::nullopt;
  for (auto& binding : between(api, call, *ends)) {
    if (binding_key(binding) == call.name("properties")) return std::move(binding);
  }
  return std::nullopt;
}

void show(Api& api, const CallRef& call) {
  const auto binding = find(api, *call);
  if (!binding) return reply(call, nothing_there());
  reply(call, object_answer(*call, binding_item(*binding)));
}

void post(Api& api, const CallRef& call) {
  const auto ends = find_ends(api, *call);
  if (!ends) return reply(call, nothing_there());
  auto body = json_body(*call);
  if (body.has_error()) return reply(call, refusal(body.error()));
  Fields fields(*body);
  auto routing_key = fields.optional_text("routing_key").value_or("");
  auto arguments = fields.arguments("arguments");
  if (auto bad = fields.error()) return reply(call, refusal(*bad));
  const broker::BindingSpec binding{call->name("vhost"), ends->source, ends->destination,
                                    ends->to_exchange,   routing_key,  arguments};
  const std::string location = "../../../../" + quote(call->name("vhost")) + "/e/" +
                               quote(call->name("source")) + "/" + call->name("kind") + "/" +
                               quote(ends->destination) + "/" + quote(binding_key(binding));
  use_as(
      api, call,
      [binding](broker::Connection& connection, Done<void> finished) {
        connection.bind(binding.source, binding.destination, binding.to_exchange, binding.routing_key,
                        binding.arguments, std::move(finished));
      },
      [location](const CallRef& answered) {
        Answer answer = put_answer(true);
        answer.location = location;
        reply(answered, std::move(answer));
      });
}

void remove(Api& api, const CallRef& call) {
  const auto binding = find(api, *call);
  if (!binding) return reply(call, nothing_there());
  use_as(
      api, call,
      [binding = *binding](broker::Connection& connection, Done<void> finished) {
        connection.unbind(binding.source, binding.destination, binding.to_exchange, binding.routing_key,
                          binding.arguments, std::move(finished));
      },
      [](const CallRef& answered) { reply(answered, put_answer(false)); });
}

constexpr Route kRoutes[] = {
    {"GET", "/bindings", Door::anybody, list_all},
    {"GET", "/bindings/:vhost", Door::vhost_to_look, list_vhost},
    {"GET", "/bindings/:vhost/e/:source/:kind/:destination", Door::vhost_to_look, list_between},
    {"POST", "/bindings/:vhost/e/:source/:kind/:destination", Door::vhost, post},
    {"GET", "/bindings/:vhost/e/:source/:kind/:destination/:properties", Door::vhost_to_look, show},
    {"DELETE", "/bindings/:vhost/e/:source/:kind/:destination/:properties", Door::vhost, remove},
};

}  // namespace
}  // namespace binding

void reply_bindings(Api& api, const CallRef& call, std::vector<broker::BindingSpec> found) {
  auto bindings = std::make_shared<const std::vector<broker::BindingSpec>>(std::move(found));
  ListSource source;
  source.count = bindings->size();
  source.make = [bindings](std::size_t i) { return binding_item((*bindings)[i]); };
  reply_list(api, call, std::move(source));
}

std::span<const Route> binding_routes() {
  return binding::kRoutes;
}

}  // namespace millrace::management
