// permissions, permissions set|clear|topic|set-topic|clear-topic
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "cli/listing.hpp"
#include "cli/session.hpp"
#include "cli/stop.hpp"
#include "cli/verb.hpp"

namespace millrace::cli {
namespace permission {
namespace {

namespace json = boost::json;

constexpr Field kFields[] = {
    {"VHOST", "vhost"}, {"USER", "user"}, {"CONFIGURE", "configure"}, {"WRITE", "write"}, {"READ", "read"},
};
constexpr Field kTopicFields[] = {
    {"VHOST", "vhost"}, {"USER", "user"}, {"EXCHANGE", "exchange"}, {"WRITE", "write"}, {"READ", "read"},
};

constexpr Option kVhost = {"-p,--vhost", "VHOST", "The virtual host (default /)"};
constexpr Argument kUser[] = {{"USER", "Whose"}};
constexpr Argument kUserAndExchange[] = {{"USER", "Whose"}, {"EXCHANGE", "A topic exchange"}};
constexpr Argument kUserMaybeExchange[] = {{"USER", "Whose"}, {"EXCHANGE", "Of this exchange alone", false}};
constexpr Option kJustVhost[] = {kVhost};
constexpr Option kSet[] = {
    kVhost,
    {"--configure", "REGEX", "Names that it may declare and delete (default .*)"},
    {"--write", "REGEX", "Names that it may publish to (default .*)"},
    {"--read", "REGEX", "Names that it may consume from (default .*)"},
};
constexpr Option kSetTopic[] = {
    kVhost,
    {"--write", "REGEX", "Routing keys that it may publish with (default .*)"},
    {"--read", "REGEX", "Routing keys that it may bind with (default .*)"},
};

int print_kind(Session& session, std::string_view kind, std::span<const Field> fields) {
  const auto vhost = session.given.find("vhost");
  return print_list(session, vhost ? api_path({"vhosts", *vhost, kind}) : api_path({kind}), fields,
                    "no permissions");
}

int list(Session& session) {
  return print_kind(session, "permissions", kFields);
}

int list_topic(Session& session) {
  return print_kind(session, "topic-permissions", kTopicFields);
}

void say_done(const Session& session, bool set) {
  const std::string user = session.given.text("USER");
  session.say("permissions of '" + user + "' in '" + session.vhost() + "' are " + (set ? "set" : "cleared"),
              {{"user", user}, {"vhost", session.vhost()}, {set ? "set" : "cleared", true}});
}

int set(Session& session) {
  session.api().put(api_path({"permissions", session.vhost(), session.given.text("USER")}),
                    {{"configure", session.given.find("configure").value_or(".*")},
                     {"write", session.given.find("write").value_or(".*")},
                     {"read", session.given.find("read").value_or(".*")}});
  say_done(session, true);
  return kOk;
}

int clear(Session& session) {
  session.api().remove(api_path({"permissions", session.vhost(), session.given.text("USER")}));
  say_done(session, false);
  return kOk;
}

int set_topic(Session& session) {
  session.api().put(api_path({"topic-permissions", session.vhost(), session.given.text("USER")}),
                    {{"exchange", session.given.text("EXCHANGE")},
                     {"write", session.given.find("write").value_or(".*")},
                     {"read", session.given.find("read").value_or(".*")}});
  say_done(session, true);
  return kOk;
}

int clear_topic(Session& session) {
  std::string path = api_path({"topic-permissions", session.vhost(), session.given.text("USER")});
  if (const auto exchange = session.given.find("EXCHANGE")) {
    path = api_path({"topic-permissions", session.vhost(), session.given.text("USER"), *exchange});
  }
  session.api().remove(path);
  say_done(session, false);
  return kOk;
}

}  // namespace
}  // namespace permission

std::span<const Verb> permission_verbs() {
  using namespace permission;
  static const Verb verbs[] = {
      {"permissions",
       "List who may do what",
       {},
       list_options(),
       "millrace permissions\nmillrace permissions -p orders",
       list},
      {"permissions set", "Let a user into a virtual host", kUser, kSet,
       "millrace permissions set app\n"
       "millrace permissions set reader -p orders --configure '^$' --write '^$' --read '^orders\\.'",
       set},
      {"permissions clear", "Take a user's permissions in a virtual host away", kUser, kJustVhost,
       "millrace permissions clear app -p orders", clear},
      {"permissions topic",
       "List topic permissions",
       {},
       list_options(),
       "millrace permissions topic",
       list_topic},
      {"permissions set-topic", "Bound a user's routing keys at a topic exchange", kUserAndExchange,
       kSetTopic, "millrace permissions set-topic app amq.topic --write '^app\\.' --read '.*'", set_topic},
      {"permissions clear-topic", "Take such bounds away", kUserMaybeExchange, kJustVhost,
       "millrace permissions clear-topic app", clear_topic},
  };
  return verbs;
}

}  // namespace millrace::cli
