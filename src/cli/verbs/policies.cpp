// policies, policies set|delete
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "cli/listing.hpp"
#include "cli/session.hpp"
#include "cli/stop.hpp"
#include "cli/verb.hpp"

namespace millrace::cli {
namespace policy {
namespace {

namespace json = boost::json;

constexpr Field kFields[] = {
    {"VHOST", "vhost"},
    {"NAME", "name"},
    {"PATTERN", "pattern"},
    {"APPLIES TO", "apply-to"},
    {"PRIORITY", "priority", Look::number},
    {"DEFINITION", "definition"},
};

constexpr Option kVhost = {"-p,--vhost", "VHOST", "Its virtual host (default /)"};
constexpr Option kOperator = {"--operator", "", "An operator policy: the stricter of both holds"};
constexpr Argument kName[] = {{"NAME", "Of the policy"}};
constexpr Argument kSetArguments[] = {
    {"NAME", "Of the policy"},
    {"PATTERN", "A regular expression that names match"},
    {"KEY=VALUE", "What it sets, as max-length=1000", true, true},
};
constexpr Option kSet[] = {
    kVhost,
    kOperator,
    {"--apply-to", "KIND", "queues, exchanges, all (default; operator policies: queues) ..."},
    {"--priority", "N", "The highest that matches counts (default 0)"},
};
constexpr Option kDelete[] = {kVhost, kOperator};

std::string_view kind(const Session& session) {
  return session.given.has("operator") ? "operator-policies" : "policies";
}

int list(Session& session) {
  return print_list(session, list_path(session, kind(session)), kFields, "no policies");
}

int set(Session& session) {
  const std::string name = session.given.text("NAME");
  json::object body;
  body["pattern"] = session.given.text("PATTERN");
  body["definition"] = read_arguments(session.given.list("KEY=VALUE"), "a policy");
  body["priority"] = session.given.number("priority", 0, 1'000'000);
  if (const auto apply_to = session.given.find("apply-to")) body["apply-to"] = *apply_to;
  session.api().put(api_path({kind(session), session.vhost(), name}), body);
  session.say("policy '" + name + "' is in force", {{"policy", name}, {"set", true}});
  return kOk;
}

int remove(Session& session) {
  const std::string name = session.given.text("NAME");
  session.api().remove(api_path({kind(session), session.vhost(), name}));
  session.say("policy '" + name + "' is deleted", {{"policy", name}, {"deleted", true}});
  return kOk;
}

}  // namespace
}  // namespace policy

std::span<const Verb> policy_verbs() {
  using namespace policy;
  static const Option list_with_operator[] = {list_options()[0], list_options()[1], list_options()[2],
                                              kOperator};
  static const Verb verbs[] = {
      {"policies",
       "List policies",
       {},
       list_with_operator,
       "millrace policies\nmillrace policies --operator",
       list},
      {"policies set", "Set a policy", kSetArguments, kSet,
       "millrace policies set short '^tmp\\.' max-length=1000 message-ttl=60000 --apply-to queues\n"
       "millrace policies set dlx '^jobs' dead-letter-exchange=dead --priority 5",
       set},
      {"policies delete", "Delete a policy", kName, kDelete, "millrace policies delete short", remove},
  };
  return verbs;
}

}  // namespace millrace::cli
