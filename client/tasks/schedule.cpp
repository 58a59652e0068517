#include "client/tasks/schedule.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <utility>

#include "client/tasks/cron.hpp"
#include "client/tasks/identity.hpp"
#include "client/tasks/json_message.hpp"
#include "client/tasks/json_text.hpp"
#include "client/tasks/outgoing.hpp"
#include "client/tasks/time_text.hpp"
#include "millrace/json.hpp"
#include "millrace/tasks/control.hpp"
#include "millrace/tasks/errors.hpp"

namespace millrace::tasks {
namespace {

namespace json = boost::json;

// A tick that is carried out twice does so within that time.
constexpr std::chrono::hours kTickRemembered{24};

// Its definition as the broker has it now; none: the schedule has ended.
std::optional<json::object> definition_of(Client& client, const std::string& name) {
  try {
    const Delivery definition = client.get(schedule_queue(name).name);
    if (!definition) throw Retry("somebody else is looking at the schedule", std::chrono::milliseconds(200));
    return parse_json(definition.body()).as_object();
  } catch (const ClientError& error) {
    if (error.kind() == ErrorKind::not_found) return std::nullopt;
    throw;
  }
}

bool is_paused(const json::object& definition) {
  const json::value* paused = definition.if_contains("paused");
  return paused != nullptr && paused->is_bool() && paused->get_bool();
}

void publish(Client& client, const CallData& call, const std::string& origin) {
  Outgoing out = outgoing(call, "", origin);
  client.publish(out.to, std::move(out.message));
}

}  // namespace

QueueSpec schedule_queue(const std::string& name) {
  QueueSpec queue("millrace.schedule." + name);
  queue.arguments = {{"x-max-length", 1}};  // a new definition takes the place of the old one
  queue.declare_again = false;              // whoever ended the schedule has deleted it
  return queue;
}

json::object make_plan(const std::string& name, const std::string& cron, const CallData& call) {
  return {{"name", name}, {"version", make_id()}, {"cron", cron}, {"call", signature_of(call, "")}};
}

CallData tick_call(const json::object& plan, std::chrono::system_clock::time_point time,
                   const std::string& queue) {
  const auto next = Cron(text_in(plan, "cron")).next(time);
  if (!next) throw std::invalid_argument("the schedule '" + text_in(plan, "cron") + "' never comes");
  CallData call;
  call.task = kTickTask;
  call.queue = queue;
  call.eta = *next;
  call.args = {plan, to_text(*next)};
  call.id = "tick-" + text_in(plan, "name") + "-" + text_in(plan, "version") + "-" + to_text(*next);
  call.unique_key = call.id;
  call.unique_for = kTickRemembered;
  call.ignore_result = true;
  return call;
}

void tick(Client& client, const CallData& call, const std::string& queue, const std::string& origin) {
  const json::object& plan = call.args.at(0).as_object();
  const auto known = definition_of(client, text_in(plan, "name"));
  if (!known || known->at("version") != plan.at("version")) return;
  const std::string time = json::value_to<std::string>(call.args.at(1));
  CallData scheduled = call_from_signature(plan.at("call").as_object());
  scheduled.id = make_id();
  if (scheduled.queue.empty()) scheduled.queue = queue;
  scheduled.ignore_result = true;
  scheduled.unique_key = text_in(plan, "name") + "@" + time;
  scheduled.unique_for = kTickRemembered;
  if (!is_paused(*known)) publish(client, scheduled, origin);
  // Times that passed while nobody worked are not made up for.
  const auto after = std::max(std::chrono::system_clock::now(), time_from(time).value());
  publish(client, tick_call(plan, after, queue), origin);
}

void pause_schedule(Client& client, const std::string& name, bool pause) {
  const QueueSpec queue = schedule_queue(name);
  Delivery now = client.get(queue.name);
  if (!now) throw ClientError(ErrorKind::overloaded, "somebody else is looking at the schedule; try again");
  json::object definition = parse_json(now.body()).as_object();
  definition["paused"] = pause;
  client.publish(queue.name, json_message(definition));
  now.ack();  // or the queue has dropped it meanwhile
}

}  // namespace millrace::tasks
