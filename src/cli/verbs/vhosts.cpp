// vhosts, vhosts add|delete
#include <boost/json/value.hpp>

#include "cli/listing.hpp"
#include "cli/session.hpp"
#include "cli/stop.hpp"
#include "cli/verb.hpp"

namespace millrace::cli {
namespace vhost {
namespace {

constexpr Field kFields[] = {
    {"NAME", "name"},
    {"DESCRIPTION", "description"},
    {"READY", "messages_ready", Look::number},
    {"UNACKED", "messages_unacknowledged", Look::number},
    {"IN", "message_stats.publish_details.rate", Look::rate},
    {"OUT", "message_stats.deliver_get_details.rate", Look::rate},
};

constexpr Argument kName[] = {{"VHOST", "Its name"}};
constexpr Option kAdd[] = {
    {"--description", "TEXT", "What it is for"},
    {"--tags", "A,B", "Words of your own"},
    {"--default-queue-type", "TYPE", "Of queues that are declared without one"},
};

int list(Session& session) {
  return print_list(session, api_path({"vhosts"}), kFields, "no virtual hosts that you may see");
}

int add(Session& session) {
  const std::string name = session.given.text("VHOST");
  boost::json::object body;
  if (const auto text = session.given.find("description")) body["description"] = *text;
  if (const auto text = session.given.find("tags")) body["tags"] = *text;
  if (const auto text = session.given.find("default-queue-type")) body["default_queue_type"] = *text;
  const bool is_new = session.api().put(api_path({"vhosts", name}), body);
  session.say(
      is_new ? "virtual host '" + name + "' is there now" : "virtual host '" + name + "' was there already",
      {{"vhost", name}, {"created", is_new}});
  return kOk;
}

int remove(Session& session) {
  const std::string name = session.given.text("VHOST");
  session.api().remove(api_path({"vhosts", name}));
  session.say("virtual host '" + name + "' is deleted", {{"vhost", name}, {"deleted", true}});
  return kOk;
}

}  // namespace
}  // namespace vhost

std::span<const Verb> vhost_verbs() {
  using namespace vhost;
  static const Option sort[] = {list_options()[1], list_options()[2]};
  static const Verb verbs[] = {
      {"vhosts", "List virtual hosts", {}, sort, "millrace vhosts", list},
      {"vhosts add", "Add a virtual host", kName, kAdd, "millrace vhosts add orders --description 'the shop'",
       add},
      {"vhosts delete",
       "Delete a virtual host with all that is in it",
       kName,
       {},
       "millrace vhosts delete orders",
       remove},
  };
  return verbs;
}

}  // namespace millrace::cli
