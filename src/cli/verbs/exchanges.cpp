// exchanges, exchanges add|delete, bindings, bindings add|delete
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "cli/listing.hpp"
#include "cli/session.hpp"
#include "cli/stop.hpp"
#include "cli/text.hpp"
#include "cli/verb.hpp"

namespace millrace::cli {
namespace exchange {
namespace {

namespace json = boost::json;

constexpr Field kExchangeFields[] = {
    {"VHOST", "vhost"},
    {"NAME", "name"},
    {"TYPE", "type"},
    {"DURABLE", "durable"},
    {"AUTO-DELETE", "auto_delete", Look::flag},
    {"INTERNAL", "internal", Look::flag},
    {"IN", "message_stats.publish_in_details.rate", Look::rate},
    {"OUT", "message_stats.publish_out_details.rate", Look::rate},
    {"POLICY", "policy"},
    {"ARGUMENTS", "arguments"},
};

constexpr Field kBindingFields[] = {
    {"VHOST", "vhost"},           {"SOURCE", "source"},           {"DESTINATION", "destination"},
    {"KIND", "destination_type"}, {"ROUTING KEY", "routing_key"}, {"ARGUMENTS", "arguments"},
};

constexpr Option kVhost = {"-p,--vhost", "VHOST", "The virtual host (default /)"};
constexpr Argument kExchange[] = {{"EXCHANGE", "Its name"}};
constexpr Option kAddExchange[] = {
    kVhost,
    {"--type", "TYPE", "direct (default), fanout, topic, headers, x-consistent-hash, x-delayed-message ..."},
    {"--transient", "", "Gone after a restart"},
    {"--auto-delete", "", "Gone with its last binding"},
    {"--internal", "", "Only other exchanges publish to it"},
    {"--argument", "NAME=VALUE", "As alternate-exchange=lost; can be repeated", true},
};
constexpr Option kDeleteExchange[] = {kVhost, {"--if-unused", "", "Only without bindings"}};

constexpr Argument kEnds[] = {{"SOURCE", "The exchange that messages come from"},
                              {"DESTINATION", "The queue that they go to"}};
constexpr Option kBinding[] = {
    kVhost,
    {"--key", "KEY", "The routing key or pattern (default: empty)"},
    {"--to-exchange", "", "The destination is an exchange"},
    {"--argument", "NAME=VALUE", "For headers exchanges; can be repeated", true},
};

int list_exchanges(Session& session) {
  return print_list(session, list_path(session, "exchanges"), kExchangeFields, "no exchanges");
}

int add_exchange(Session& session) {
  const std::string name = session.given.text("EXCHANGE");
  json::object body;
  body["type"] = session.given.find("type").value_or("direct");
  body["durable"] = !session.given.has("transient");
  body["auto_delete"] = session.given.has("auto-delete");
  body["internal"] = session.given.has("internal");
  body["arguments"] = read_arguments(session.given.list("argument"), "--argument");
  const bool is_new = session.api().put(api_path({"exchanges", session.vhost(), name}), body);
  session.say(is_new ? "exchange '" + name + "' is there now" : "exchange '" + name + "' was there already",
              {{"exchange", name}, {"created", is_new}});
  return kOk;
}

int delete_exchange(Session& session) {
  const std::string name = session.given.text("EXCHANGE");
  session.api().remove(api_path({"exchanges", session.vhost(), name}) +
                       (session.given.has("if-unused") ? "?if-unused=true" : ""));
  session.say("exchange '" + name + "' is deleted", {{"exchange", name}, {"deleted", true}});
  return kOk;
}

int list_bindings(Session& session) {
  return print_list(session, list_path(session, "bindings"), kBindingFields, "no bindings");
}

std::string path_between(const Session& session) {
  return api_path({"bindings", session.vhost(), "e", exchange_in_path(session.given.text("SOURCE")),
                   session.given.has("to-exchange") ? "e" : "q", session.given.text("DESTINATION")});
}

int add_binding(Session& session) {
  json::object body;
  body["routing_key"] = session.given.text("key");
  body["arguments"] = read_arguments(session.given.list("argument"), "--argument");
  session.api().post(path_between(session), body);
  session.say(
      "'" + session.given.text("SOURCE") + "' is bound to '" + session.given.text("DESTINATION") + "'",
      {{"source", session.given.text("SOURCE")},
       {"destination", session.given.text("DESTINATION")},
       {"routing_key", session.given.text("key")}});
  return kOk;
}

// The API names a binding by a key of its own, which its list tells.
int delete_binding(Session& session) {
  const std::string path = path_between(session);
  const json::object arguments = read_arguments(session.given.list("argument"), "--argument");
  const json::value bindings = session.api().get(path);
  for (const json::value& binding : bindings.as_array()) {
    const json::value* its = find_in(binding, "arguments");
    if (text_in(binding, "routing_key") != session.given.text("key")) continue;
    if (its == nullptr || *its != json::value(arguments)) continue;
    session.api().remove(path + "/" + percent_encode(text_in(binding, "properties_key")));
    session.say("'" + session.given.text("SOURCE") + "' is no longer bound to '" +
                    session.given.text("DESTINATION") + "'",
                {{"source", session.given.text("SOURCE")},
                 {"destination", session.given.text("DESTINATION")},
                 {"deleted", true}});
    return kOk;
  }
  throw Stop(
      kRefused,
      "there is no such binding: 'millrace bindings' lists them; --key and --argument have to be the same");
}

}  // namespace
}  // namespace exchange

std::span<const Verb> exchange_verbs() {
  using namespace exchange;
  static const Verb verbs[] = {
      {"exchanges",
       "List exchanges",
       {},
       list_options(),
       "millrace exchanges\nmillrace exchanges --vhost orders --json",
       list_exchanges},
      {"exchanges add", "Declare an exchange", kExchange, kAddExchange,
       "millrace exchanges add logs --type topic\n"
       "millrace exchanges add later --type x-delayed-message --argument x-delayed-type=direct",
       add_exchange},
      {"exchanges delete", "Delete an exchange and its bindings", kExchange, kDeleteExchange,
       "millrace exchanges delete logs --if-unused", delete_exchange},
      {"bindings",
       "List bindings",
       {},
       list_options(),
       "millrace bindings\nmillrace bindings --sort source",
       list_bindings},
      {"bindings add", "Bind a queue or an exchange to an exchange", kEnds, kBinding,
       "millrace bindings add logs errors --key 'app.*.error'\n"
       "millrace bindings add logs archive --to-exchange --key '#'",
       add_binding},
      {"bindings delete", "Undo a binding", kEnds, kBinding,
       "millrace bindings delete logs errors --key 'app.*.error'", delete_binding},
  };
  return verbs;
}

}  // namespace millrace::cli
