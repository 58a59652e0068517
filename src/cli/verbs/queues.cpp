// queues, queues show|add|delete, purge
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "cli/listing.hpp"
#include "cli/session.hpp"
#include "cli/stop.hpp"
#include "cli/verb.hpp"

namespace millrace::cli {
namespace queue {
namespace {

namespace json = boost::json;

constexpr Field kFields[] = {
    {"VHOST", "vhost"},
    {"NAME", "name"},
    {"TYPE", "type"},
    {"READY", "messages_ready", Look::number},
    {"UNACKED", "messages_unacknowledged", Look::number},
    {"CONSUMERS", "consumers", Look::number},
    {"IN", "message_stats.publish_details.rate", Look::rate},
    {"OUT", "message_stats.deliver_get_details.rate", Look::rate},
    {"BYTES", "message_bytes", Look::bytes},
    {"POLICY", "policy"},
};

constexpr Field kOneQueue[] = {
    {"Name", "name"},
    {"Vhost", "vhost"},
    {"Type", "type"},
    {"Order", "millrace.scheduling"},
    {"Durable", "durable"},
    {"Auto-delete", "auto_delete"},
    {"Exclusive", "exclusive"},
    {"Arguments", "arguments"},
    {"Policy", "policy"},
    {"In force", "effective_policy_definition"},
    {"Ready", "messages_ready"},
    {"Unacknowledged", "messages_unacknowledged"},
    {"Bytes ready", "message_bytes", Look::bytes},
    {"Memory", "memory", Look::bytes},
    {"Consumers", "consumers"},
    {"In", "message_stats.publish_details.rate", Look::rate},
    {"Delivered", "message_stats.deliver_get_details.rate", Look::rate},
    {"Acknowledged", "message_stats.ack_details.rate", Look::rate},
    {"Redelivered in all", "message_stats.redeliver"},
    {"Last used", "idle_since"},
};

constexpr Argument kName[] = {{"QUEUE", "Its name"}};
constexpr Option kVhost[] = {{"-p,--vhost", "VHOST", "Its virtual host (default /)"}};
constexpr Option kAdd[] = {
    {"-p,--vhost", "VHOST", "Its virtual host (default /)"},
    {"--type", "TYPE", "classic or quorum"},
    {"--transient", "", "Gone after a restart"},
    {"--auto-delete", "", "Gone with its last consumer"},
    {"--argument", "NAME=VALUE", "As x-max-length=1000; can be repeated", true},
};
constexpr Option kDelete[] = {
    {"-p,--vhost", "VHOST", "Its virtual host (default /)"},
    {"--if-unused", "", "Only without consumers"},
    {"--if-empty", "", "Only without ready messages"},
};

int list(Session& session) {
  return print_list(session, list_path(session, "queues") + "?fresh=true", kFields,
                    "no queues; 'millrace queues add NAME' makes one");
}

int show(Session& session) {
  const std::string path = api_path({"queues", session.vhost(), session.given.text("QUEUE")});
  return print_item(session, session.api().get(path + "?fresh=true"), kOneQueue);
}

int add(Session& session) {
  const std::string name = session.given.text("QUEUE");
  json::object body;
  body["durable"] = !session.given.has("transient");
  body["auto_delete"] = session.given.has("auto-delete");
  body["arguments"] = read_arguments(session.given.list("argument"), "--argument");
  if (const auto type = session.given.find("type")) body["arguments"].get_object()["x-queue-type"] = *type;
  const bool is_new = session.api().put(api_path({"queues", session.vhost(), name}), body);
  session.say(is_new ? "queue '" + name + "' is there now" : "queue '" + name + "' was there already",
              {{"queue", name}, {"created", is_new}});
  return kOk;
}

int remove(Session& session) {
  const std::string name = session.given.text("QUEUE");
  std::string path = api_path({"queues", session.vhost(), name}) + "?";
  if (session.given.has("if-unused")) path += "if-unused=true&";
  if (session.given.has("if-empty")) path += "if-empty=true&";
  path.pop_back();
  session.api().remove(path);
  session.say("queue '" + name + "' is deleted", {{"queue", name}, {"deleted", true}});
  return kOk;
}

// The API does not say how many went; what was ready a moment before comes close.
int purge(Session& session) {
  const std::string name = session.given.text("QUEUE");
  const std::string path = api_path({"queues", session.vhost(), name});
  const auto ready = static_cast<std::uint64_t>(number_in(session.api().get(path), "messages_ready"));
  session.api().remove(path + "/contents");
  session.say("queue '" + name + "' is purged (about " + std::to_string(ready) + " messages)",
              {{"queue", name}, {"purged", true}, {"messages_ready_before", ready}});
  return kOk;
}

constexpr std::span<const Argument> kNoArguments;

}  // namespace
}  // namespace queue

std::span<const Verb> queue_verbs() {
  using namespace queue;
  static const Verb verbs[] = {
      {"queues", "List queues: length, rates, consumers", kNoArguments, list_options(),
       "millrace queues\n"
       "millrace queues --vhost orders --sort -messages_ready\n"
       "millrace queues --columns name,messages,message_stats.publish_details.rate\n"
       "millrace queues --json | jq '.[].name'",
       list},
      {"queues show", "Show one queue", kName, kVhost, "millrace queues show jobs", show},
      {"queues add", "Declare a queue", kName, kAdd,
       "millrace queues add jobs\n"
       "millrace queues add jobs --type quorum --argument x-delivery-limit=5\n"
       "millrace queues add newest --transient --argument x-max-length=100",
       add},
      {"queues delete", "Delete a queue and its messages", kName, kDelete,
       "millrace queues delete jobs --if-empty --if-unused", remove},
      {"purge", "Delete the ready messages of a queue", kName, kVhost, "millrace purge jobs", purge},
  };
  return verbs;
}

}  // namespace millrace::cli
