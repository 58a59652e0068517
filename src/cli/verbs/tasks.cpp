// task submit, task status, task cancel, task dead, task retry, task workers
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <cstdio>
#include <stdexcept>

#include "cli/amqp.hpp"
#include "cli/json_or_text.hpp"
#include "cli/session.hpp"
#include "cli/stop.hpp"
#include "cli/text.hpp"
#include "cli/verb.hpp"
#include "millrace/tasks/control.hpp"
#include "millrace/tasks/producer.hpp"

namespace millrace::cli {
namespace task {
namespace {

namespace json = boost::json;

constexpr std::uint64_t kMostSeconds = 31'536'000;
constexpr std::uint64_t kMostKeptSeconds = 49 * 86'400;
constexpr std::uint64_t kMostDead = 10'000;

constexpr Option kVhost = {"-p,--vhost", "VHOST", "The virtual host (default /)"};
constexpr Option kQueue = {"--queue", "NAME", "The queue of the workers (default celery)"};

constexpr Argument kSubmitArguments[] = {
    {"TASK", "Its name, as tasks.add"},
    {"ARGUMENT", "JSON; what is no JSON is taken for text", false, true},
};
constexpr Option kSubmit[] = {
    kVhost,
    kQueue,
    {"--named", "NAME=VALUE", "An argument by its name; can be repeated", true},
    {"--id", "ID", "The id, instead of a random one"},
    {"--delay", "SECONDS", "Not before; the broker holds it"},
    {"--expires", "SECONDS", "Not after"},
    {"--priority", "N", "Higher ones come first"},
    {"--key", "KEY", "Whose it is, for a queue that is fair to each"},
    {"--estimate", "SECONDS", "How long it takes, for a queue that serves the shortest first"},
    {"--deadline", "SECONDS", "When it should be done, for a queue that serves the earliest first"},
    {"--unique", "KEY", "Once for this key within an hour"},
    {"--wait", "SECONDS", "Wait that long for the result and print it as JSON"},
    {"--keep", "TIME", "Keep the result that long (90, 15m, 1h, 7d) for `task status`"},
};
constexpr Argument kIdArguments[] = {{"ID", "The task's id"}};
constexpr Option kStatus[] = {kVhost, kQueue};
constexpr Option kCancel[] = {kVhost, {"--only-waiting", "", "Let it go on if it has begun"}};
constexpr Option kDead[] = {kVhost, kQueue, {"--count", "N", "Show N at most (default 100)"}};
constexpr Argument kRetryArguments[] = {{"ID", "These; without any, all of them", false, true}};
constexpr Option kRetry[] = {kVhost, kQueue};
constexpr Argument kScheduleArguments[] = {
    {"NAME", "The schedule's name"},
    {"WHEN", "As crontab has it, in UTC: '0 3 * * 1-5', @hourly"},
    {"TASK", "The task's name"},
    {"ARGUMENT", "JSON; what is no JSON is taken for text", false, true},
};
constexpr Option kSchedule[] = {
    kVhost, kQueue, {"--named", "NAME=VALUE", "An argument by its name; can be repeated", true}};
constexpr Argument kUnscheduleArguments[] = {{"NAME", "The schedule's name"}};
constexpr Option kUnschedule[] = {kVhost};
constexpr Option kWorkers[] = {kVhost};

std::string queue_of(const Session& session) {
  return session.given.find("queue").value_or("celery");
}

std::chrono::seconds seconds_of(const Given& given, std::string_view name) {
  return std::chrono::seconds(given.number(name, 0, kMostSeconds));
}

std::chrono::seconds time_to_keep(const Given& given) {
  const auto seconds = seconds_in(given.text("keep"));
  if (!seconds || *seconds == 0 || *seconds > kMostKeptSeconds)
    throw Stop(kBadUse, "--keep takes from 1 second to 49 days, as 90, 15m, 1h or 7d, not '" +
                            printable(given.text("keep")) + "'");
  return std::chrono::seconds(*seconds);
}

tasks::CallData call_of(const Given& given) {
  tasks::CallData data;
  data.task = given.text("TASK");
  for (const std::string& argument : given.list("ARGUMENT")) data.args.push_back(json_or_text(argument));
  for (const std::string& pair : given.list("named")) {
    const auto [name, value] = split_pair(pair, "--named");
    data.kwargs[name] = json_or_text(value);
  }
  return data;
}

// The queue is there: its arguments are its workers' business.
tasks::ProducerOptions producing(Client& client, const Session& session) {
  tasks::ProducerOptions options;
  options.queue = queue_of(session);
  options.declare_queue = false;
  (void)client.inspect_queue(options.queue);
  return options;
}

int submit(Session& session) {
  const Given& given = session.given;
  tasks::CallData data = call_of(given);
  data.id = given.text("id");
  data.priority = static_cast<std::uint8_t>(given.number("priority", 0, 255));
  data.unique_key = given.text("unique");
  const auto now = std::chrono::system_clock::now();
  if (given.has("delay")) data.eta = now + seconds_of(given, "delay");
  if (given.has("expires")) data.expires = now + seconds_of(given, "expires");
  data.key = given.text("key");
  data.estimate = seconds_of(given, "estimate");
  if (given.has("deadline")) data.deadline = now + seconds_of(given, "deadline");
  if (given.has("keep")) data.keep_result_for = time_to_keep(given);
  data.ignore_result = !given.has("wait");
  const auto client = connect_client(amqp_url(session), "millrace task submit");
  tasks::Producer producer(*client, producing(*client, session));
  const auto result = producer.submit(std::move(data));
  if (!given.has("wait")) {
    session.say("submitted " + result.id(), {{"id", result.id()}});
    return kOk;
  }
  try {
    const json::value value = result.get(seconds_of(given, "wait"));
    std::fputs((json::serialize(value) + "\n").c_str(), stdout);
    return kOk;
  } catch (const tasks::TaskFailed& failed) {
    throw Stop(kRefused, "task " + result.id() + " failed: " + printable(failed.what()));
  }
}

// Where to look for a task, in this order; false: it is not there.

bool status_by_workers(const Session& session, Client& client, const std::string& id) {
  for (const auto& [worker, answer] : tasks::ask_workers(client, "query_task", {{"ids", json::array{id}}})) {
    const json::object* known = answer.if_object();
    const json::value* found = known == nullptr ? nullptr : known->if_contains(id);
    if (found == nullptr || !found->is_array() || found->get_array().empty()) continue;
    const std::string state(found->get_array().front().as_string());
    const std::string name(worker);
    session.say(state + " on " + printable(name), {{"id", id}, {"state", state}, {"worker", name}});
    return true;
  }
  return false;
}

// With that only if its producer asked for it.
bool status_by_kept_result(const Session& session, Client& client, const std::string& id) {
  tasks::Producer producer(client);
  try {
    const auto value = producer.result_of<json::value>(id);
    session.say("success: " + printable(json::serialize(value)),
                {{"id", id}, {"state", "success"}, {"result", value}});
    return true;
  } catch (const tasks::TaskFailed& failed) {
    const bool revoked = failed.type() == "TaskRevokedError";
    const char* const state = revoked ? "revoked" : "failure";
    session.say(std::string(state) + ": " + printable(revoked ? failed.text() : failed.what()),
                {{"id", id},
                 {"state", state},
                 {"type", failed.type()},
                 {"text", failed.text()},
                 {"traceback", failed.traceback()}});
    return true;
  } catch (const ClientError& error) {
    if (error.kind() == ErrorKind::not_found || error.kind() == ErrorKind::access_refused) return false;
    if (error.kind() != ErrorKind::timed_out) throw;
    session.say(
        "it has not ended: it waits in its queue, is held until its time, or a worker that does not "
        "answer has it",
        {{"id", id}, {"state", "pending"}});
    return true;
  }
}

bool status_by_dead_letters(const Session& session, Client& client, const std::string& id) {
  for (const tasks::DeadCall& dead : tasks::dead_calls(client, queue_of(session), kMostDead)) {
    if (dead.id != id) continue;
    session.say("dead (" + printable(dead.reason) + "): " + printable(dead.text),
                {{"id", id}, {"state", "dead"}, {"reason", dead.reason}, {"text", dead.text}});
    return true;
  }
  return false;
}

int status(Session& session) {
  const std::string id = session.given.text("ID");
  const auto client = connect_client(amqp_url(session), "millrace task status");
  for (const auto find : {status_by_workers, status_by_kept_result, status_by_dead_letters}) {
    if (find(session, *client, id)) return kOk;
  }
  session.say(
      "no worker has it, no result of it is kept, and it is no dead letter of '" +
          printable(queue_of(session)) +
          "': it waits in its queue, is held until its time, or has ended; submit with --keep to have "
          "its result kept",
      {{"id", id}, {"state", "unknown"}});
  return kRefused;
}

int cancel(Session& session) {
  const std::string id = session.given.text("ID");
  const auto client = connect_client(amqp_url(session), "millrace task cancel");
  tasks::cancel_task(*client, id, !session.given.has("only-waiting"));
  session.say("the workers are told", {{"id", id}});
  return kOk;
}

int dead(Session& session) {
  const auto client = connect_client(amqp_url(session), "millrace task dead");
  const auto calls =
      tasks::dead_calls(*client, queue_of(session), session.given.number("count", 100, kMostDead));
  if (session.wants_json()) {
    json::array list;
    for (const tasks::DeadCall& call : calls) {
      list.push_back(json::object{{"id", call.id},
                                  {"task", call.task},
                                  {"reason", call.reason},
                                  {"text", call.text},
                                  {"time", call.time},
                                  {"arguments", call.arguments}});
    }
    std::fputs((json::serialize(list) + "\n").c_str(), stdout);
    return kOk;
  }
  for (const tasks::DeadCall& call : calls) {
    const std::string line = call.time + "  " + call.id + "  " + call.task + call.arguments + "  " +
                             call.reason + ": " + call.text;
    std::fputs((printable(line) + "\n").c_str(), stdout);
  }
  return kOk;
}

int retry(Session& session) {
  const auto client = connect_client(amqp_url(session), "millrace task retry");
  const std::vector<std::string> ids = session.given.list("ID");
  const std::size_t count = tasks::retry_dead_calls(*client, queue_of(session), ids);
  session.say(std::to_string(count) + (count == 1 ? " task" : " tasks") + " submitted again",
              {{"retried", count}});
  return count == 0 && !ids.empty() ? kRefused : kOk;
}

int schedule(Session& session) {
  const auto client = connect_client(amqp_url(session), "millrace task schedule");
  tasks::Producer producer(*client, producing(*client, session));
  const std::string name = session.given.text("NAME");
  try {
    producer.schedule(name, session.given.text("WHEN"), tasks::Call<json::value>(call_of(session.given)));
  } catch (const std::invalid_argument& wrong) {
    throw Stop(kBadUse, printable(wrong.what()));
  }
  session.say("'" + printable(name) + "' is scheduled", {{"name", name}});
  return kOk;
}

int unschedule(Session& session) {
  const auto client = connect_client(amqp_url(session), "millrace task unschedule");
  tasks::Producer producer(*client);
  const std::string name = session.given.text("NAME");
  producer.unschedule(name);
  session.say("'" + printable(name) + "' is not scheduled any more", {{"name", name}});
  return kOk;
}

int pause_or_go_on(Session& session, bool pause) {
  const auto client = connect_client(amqp_url(session), "millrace task");
  const std::string name = session.given.text("NAME");
  tasks::pause_schedule(*client, name, pause);
  session.say("'" + printable(name) + (pause ? "' is paused: its times pass without a task" : "' goes on"),
              {{"name", name}, {"paused", pause}});
  return kOk;
}
int pause(Session& session) {
  return pause_or_go_on(session, true);
}
int resume(Session& session) {
  return pause_or_go_on(session, false);
}

int workers(Session& session) {
  const auto client = connect_client(amqp_url(session), "millrace task workers");
  const json::object answers = tasks::ask_workers(*client, "active");
  if (session.wants_json()) {
    std::fputs((json::serialize(answers) + "\n").c_str(), stdout);
    return kOk;
  }
  for (const auto& [name, active] : answers) {
    const json::array* list = active.if_array();
    std::string line =
        std::string(name) + "  " + std::to_string(list == nullptr ? 0 : list->size()) + " running";
    for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
      const json::object* job = (*list)[i].if_object();
      const json::value* task = job == nullptr ? nullptr : job->if_contains("name");
      if (task != nullptr && task->is_string())
        line += (i == 0 ? ": " : ", ") + std::string(task->get_string());
    }
    std::fputs((printable(line) + "\n").c_str(), stdout);
  }
  return kOk;
}

}  // namespace
}  // namespace task

std::span<const Verb> task_verbs() {
  using namespace task;
  static const Verb verbs[] = {
      {"task submit", "Submit a task to workers of libmillrace or Celery", kSubmitArguments, kSubmit,
       "millrace task submit tasks.add 2 3 --wait 10\nmillrace task submit mail.send --named "
       "to=you@example.org --delay 60\nmillrace task submit tasks.add 2 3 --id sum --keep 1h",
       guarded<submit>},
      {"task status", "Say where a task is, or how it ended", kIdArguments, kStatus,
       "millrace task status 0f3c1d6e-...", guarded<status>},
      {"task cancel", "Have a task dropped, and stopped if it runs", kIdArguments, kCancel,
       "millrace task cancel 0f3c1d6e-...", guarded<cancel>},
      {"task dead",
       "List the tasks that could not be done, with the reasons",
       {},
       kDead,
       "millrace task dead --queue images",
       guarded<dead>},
      {"task retry", "Submit dead tasks again", kRetryArguments, kRetry,
       "millrace task retry --queue images\nmillrace task retry 0f3c1d6e-...", guarded<retry>},
      {"task schedule", "Submit a task again and again; the broker holds the schedule", kScheduleArguments,
       kSchedule, "millrace task schedule nightly '0 3 * * *' reports.make --queue reports",
       guarded<schedule>},
      {"task unschedule", "End a schedule", kUnscheduleArguments, kUnschedule,
       "millrace task unschedule nightly", guarded<unschedule>},
      {"task pause", "Let the times of a schedule pass", kUnscheduleArguments, kUnschedule,
       "millrace task pause nightly", guarded<pause>},
      {"task resume", "Let a paused schedule go on", kUnscheduleArguments, kUnschedule,
       "millrace task resume nightly", guarded<resume>},
      {"task workers",
       "List the workers that answer, and what they run",
       {},
       kWorkers,
       "millrace task workers",
       guarded<workers>},
  };
  return verbs;
}

}  // namespace millrace::cli
